"""The sessions of TradingService V1m: one for all users. Keeps Sessions."""

from collections.abc import Sequence

from adapters.symbols import understand
from adapters.trading_service.fields import count, data_of, decimal, fields, flag, rows, text, time_s
from adapters.trading_service.sessions import (
    ROUTE,
    HeldPosition,
    Performance,
    SessionSettings,
    SessionStatus,
    not_offered,
)
from adapters.trading_service.versions import Version
from adapters.upstream.client import Upstream
from trading.errors import OutcomeUnknown

PREFIX = "/api/v1/trading"


class SessionsV1m:
    """It has no users: whoever asks, asks for the one session."""

    version = Version.V1M

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def status(self, user_id: str, *, deadline_s: float) -> SessionStatus:
        """See Sessions. Asks `/session`: what its `/status` calls active is whether Binance can be reached."""
        answer = await self._upstream.get(f"{PREFIX}/session", deadline_s=deadline_s, route=ROUTE)
        told = fields(data_of(answer.body), "data")
        active = flag(told, "isActive")
        if active is None:
            raise OutcomeUnknown("the session does not say whether it is active")
        return SessionStatus(
            active=active,
            halted=flag(told, "emergencyStop"),
            started_at_s=time_s(told, "startTime") if active else None,
            trades=count(told, "totalTrades"),
            profit=decimal(told, "totalPnL"),
        )

    async def start(
        self, user_id: str, watchlist: Sequence[str], settings: SessionSettings, *, deadline_s: float
    ) -> None:
        """See Sessions. It has a watchlist and settings of its own; UpstreamRefused while a session runs."""
        await self._upstream.send("POST", f"{PREFIX}/start", deadline_s=deadline_s, route=ROUTE, body={})

    async def stop(self, user_id: str, *, deadline_s: float) -> None:
        await self._upstream.send("POST", f"{PREFIX}/stop", deadline_s=deadline_s, route=ROUTE)

    async def pause(self, user_id: str, *, deadline_s: float) -> None:
        not_offered(self.version, "pause")

    async def resume(self, user_id: str, *, deadline_s: float) -> None:
        not_offered(self.version, "resume")

    async def change(self, user_id: str, settings: SessionSettings, *, deadline_s: float) -> None:
        not_offered(self.version, "settings")

    async def positions(self, user_id: str, *, deadline_s: float) -> Sequence[HeldPosition]:
        """See Sessions. Without cost and profit: it makes them up, of 95 % of the price."""
        answer = await self._upstream.get(f"{PREFIX}/positions", deadline_s=deadline_s, route=ROUTE)
        return [
            HeldPosition(
                symbol=symbol,
                quantity=decimal(row, "quantity"),
                average_cost=None,
                price=decimal(row, "current_price"),
                unrealized=None,
            )
            for row in rows(data_of(answer.body), "data")
            if (symbol := understand(text(row, "symbol") or "")) is not None
        ]

    async def performance(self, user_id: str, *, deadline_s: float) -> Performance:
        """See Sessions. Not offered: it makes up random numbers."""
        not_offered(self.version, "performance")
