"""Which version of TradingService is there?"""

from enum import StrEnum

from adapters.trading_service.fields import Fields, data_of, fields
from adapters.upstream.client import Upstream
from trading.errors import OutcomeUnknown, UpstreamRefused

NOT_THERE = 404
UNAUTHORIZED = 401


class Version(StrEnum):
    """The versions people run: one or the other serves a whole deployment."""

    V1 = "v1"
    V1M = "v1m"
    V2 = "v2"


async def probe(upstream: Upstream, *, deadline_s: float) -> Version:
    """The version that answers, told by the routes that only one of them has; `deadline_s` is for each of four calls.

    Raises UpstreamUnavailable when none answers, UpstreamRefused among it when one is there that mounts no routes.
    """
    await upstream.get("/health", deadline_s=deadline_s, route="read")
    session = await _data_at(upstream, "/api/v1/trading/session", deadline_s)
    if session is not None and "isActive" in session:
        return Version.V1M
    health = await _data_at(upstream, "/api/v1/trading/health", deadline_s)
    if health is not None and health.get("service") == "trading-engine":
        return Version.V2
    try:
        await upstream.get("/api/v1/brokers/account", deadline_s=deadline_s, route="read")
    except UpstreamRefused as error:
        if error.status == UNAUTHORIZED:
            return Version.V2
        if error.status == NOT_THERE:
            return Version.V1
    raise OutcomeUnknown(f"{upstream.name} answers like no known version: name it with TRADING_SERVICE_VERSION")


async def _data_at(upstream: Upstream, path: str, deadline_s: float) -> Fields | None:
    try:
        answer = await upstream.get(path, deadline_s=deadline_s, route="read")
    except UpstreamRefused as error:
        if error.status == NOT_THERE:
            return None
        raise
    return fields(data_of(answer.body), path)
