"""A breaker that an operator holds open stays so on every worker, until it is released."""

import asyncio
import json
from pathlib import Path

import pytest

from adapters.store.engine import Location
from adapters.store.snapshot import SnapshotReader
from adapters.upstream.breakers import Breakers
from tests.fakes.stores import STORES, running
from trading.breaker import BreakerStatus
from wiring.breaker_holds import BreakerHolds


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def test_what_one_worker_holds_all_hold_and_one_that_starts_later_too(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            breakers, known = [Breakers(), Breakers()], [SnapshotReader(store), SnapshotReader(store)]
            here, there = (BreakerHolds(store, seen, of) for seen, of in zip(known, breakers, strict=True))
            order, read = (breakers[1].of("trading_service", route) for route in ("order", "read"))
            answer = await here.set("trading_service", "order", hold=True)
            assert json.loads(answer) == {"held": ["trading_service/order"]}
            assert breakers[0].of("trading_service", "order").refuses()
            assert not order.refuses()
            await known[1].refresh()
            there.apply()
            assert (order.refuses(), read.refuses()) == (True, False)
            await there.set("trading_service", "order", hold=False)
            assert order.state().status is BreakerStatus.HALF_OPEN
            await known[0].refresh()
            here.apply()
            assert not breakers[0].of("trading_service", "order").refuses()

    asyncio.run(main())


def test_two_that_are_held_are_released_one_by_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(STORES["sqlite"](tmp_path)) as store:
            holds = BreakerHolds(store, SnapshotReader(store), Breakers())
            for service in ("data_aggregator", "trading_service"):
                await holds.set(service, "read", hold=True)
            left = await holds.set("data_aggregator", "read", hold=False)
            assert json.loads(left) == {"held": ["trading_service/read"]}
            assert json.loads(await holds.set("data_aggregator", "read", hold=False)) == json.loads(left)

    asyncio.run(main())


def test_what_opened_by_itself_is_not_released_by_anybody(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(STORES["sqlite"](tmp_path)) as store:
            breakers = Breakers()
            breaker = breakers.of("trading_service", "order")
            while not breaker.refuses():
                leave = breaker.admit()
                assert leave is not None
                with leave:
                    leave.failed()
            await BreakerHolds(store, SnapshotReader(store), breakers).set("trading_service", "order", hold=False)
            assert breaker.state().status is BreakerStatus.OPEN

    asyncio.run(main())
