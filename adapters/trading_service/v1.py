"""The sessions of TradingService V1: one for all users, and most of what it says of it is a stub's. Keeps Sessions."""

import time
from collections.abc import Callable, Mapping, Sequence

from adapters.symbols import Spelling
from adapters.trading_service.fields import data_of, fields, flag, number
from adapters.trading_service.sessions import (
    ROUTE,
    HeldPosition,
    Performance,
    SessionSettings,
    SessionStatus,
    not_offered,
    spelled,
)
from adapters.trading_service.versions import Version
from adapters.upstream.client import Upstream
from trading.errors import OutcomeUnknown

PREFIX = "/api/v1/trading"


class SessionsV1:
    """It has no users: whoever asks, asks for the one session."""

    version = Version.V1

    def __init__(self, upstream: Upstream, *, wall_s: Callable[[], float] = time.time) -> None:
        self._upstream = upstream
        self._wall_s = wall_s

    async def status(self, user_id: str, *, deadline_s: float) -> SessionStatus:
        """See Sessions. Its counts are always zero and its last trade is always now: neither is passed on."""
        answer = await self._upstream.get(f"{PREFIX}/status", deadline_s=deadline_s, route=ROUTE)
        told = fields(data_of(answer.body), "data")
        active, uptime_ms = flag(told, "active"), number(told, "uptime")
        if active is None:
            raise OutcomeUnknown("the status does not say whether it is active")
        now_s = self._wall_s()
        # Its uptime goes on after the stop.
        if not active or uptime_ms is None or not 0.0 <= uptime_ms / 1000 <= now_s:
            return SessionStatus(active=active)
        return SessionStatus(active=active, started_at_s=now_s - uptime_ms / 1000)

    async def start(
        self, user_id: str, watchlist: Sequence[str], settings: SessionSettings, *, deadline_s: float
    ) -> None:
        body = {"watchlist": spelled(watchlist, Spelling.PLAIN), "settings": _settings(settings)}
        await self._upstream.send("POST", f"{PREFIX}/start", deadline_s=deadline_s, route=ROUTE, body=body)

    async def stop(self, user_id: str, *, deadline_s: float) -> None:
        await self._upstream.send("POST", f"{PREFIX}/stop", deadline_s=deadline_s, route=ROUTE)

    async def pause(self, user_id: str, *, deadline_s: float) -> None:
        not_offered(self.version, "pause")

    async def resume(self, user_id: str, *, deadline_s: float) -> None:
        not_offered(self.version, "resume")

    async def change(self, user_id: str, settings: SessionSettings, *, deadline_s: float) -> None:
        body = _settings(settings)
        await self._upstream.send("PUT", f"{PREFIX}/settings", deadline_s=deadline_s, route=ROUTE, body=body)

    async def positions(self, user_id: str, *, deadline_s: float) -> Sequence[HeldPosition]:
        """See Sessions. Not offered: its list is always empty, whatever is held."""
        not_offered(self.version, "positions")

    async def performance(self, user_id: str, *, deadline_s: float) -> Performance:
        """See Sessions. Not offered: all of it is always zero."""
        not_offered(self.version, "performance")


def _settings(settings: SessionSettings) -> Mapping[str, object]:
    told = {"confidenceThreshold": settings.min_confidence, "maxConcurrentTrades": settings.max_positions}
    return {name: value for name, value in told.items() if value is not None}
