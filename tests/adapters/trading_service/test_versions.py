"""Which version of TradingService answers is told by its routes, and by nothing less."""

import pytest

from adapters.trading_service.versions import Version, probe
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from tests.fakes.stack.running import Stack, running_stack
from tests.fakes.waiting import run
from trading.errors import UpstreamRefused, UpstreamUnavailable

ENOUGH_S = 5.0


def probed(stack: Stack) -> Version:
    async def main() -> Version:
        upstream = Upstream("trading_service", stack.trading.url, Breakers())
        await upstream.start()
        try:
            return await probe(upstream, deadline_s=ENOUGH_S)
        finally:
            await upstream.stop()

    return run(main())


@pytest.mark.parametrize("version", Version)
def test_each_version_is_told_from_the_others(version: Version) -> None:
    with running_stack(trading=version.value) as stack:
        assert probed(stack) is version


def test_a_version_that_mounts_no_routes_is_no_version() -> None:
    with running_stack(trading="v2") as stack:
        stack.trading.control.set(mounted=False)
        with pytest.raises(UpstreamRefused):
            probed(stack)


@pytest.mark.parametrize("route", ["GET /health", "GET /api/v1/trading/session", "GET /api/v1/trading/health"])
def test_a_route_that_fails_tells_nothing(route: str) -> None:
    with running_stack(trading="v1") as stack:
        stack.trading.control.fault("html_502", route=route)
        with pytest.raises(UpstreamUnavailable):
            probed(stack)


def test_no_token_is_sent_to_find_out() -> None:
    with running_stack(trading="v1") as stack:
        probed(stack)
        assert stack.trading.control.authorized() == 0
