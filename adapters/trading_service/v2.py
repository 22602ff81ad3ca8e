"""The sessions of TradingService V2: one for each user, in whose name every call is made. Keeps Sessions."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from adapters.symbols import Spelling, understand
from adapters.trading_service.fields import Fields, count, data_of, decimal, fields, flag, rows, text, time_s
from adapters.trading_service.sessions import (
    ROUTE,
    HeldPosition,
    Performance,
    SessionSettings,
    SessionStatus,
    spelled,
)
from adapters.trading_service.versions import Version
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import Tokens
from trading.errors import OutcomeUnknown

PREFIX = "/api/v1/trading"


class SessionsV2:
    """Without a valid token it would act for the user `demo`, and not say so: none of it is called without one."""

    version = Version.V2

    def __init__(self, upstream: Upstream, tokens: Tokens) -> None:
        self._upstream = upstream
        self._tokens = tokens

    async def status(self, user_id: str, *, deadline_s: float) -> SessionStatus:
        told = await self._told(user_id, deadline_s)
        active = flag(told, "active")
        if active is None:
            raise OutcomeUnknown("the status does not say whether it is active")
        return SessionStatus(
            active=active,
            paused=text(told, "status") == "paused",
            started_at_s=time_s(told, "startedAt"),
            open_trades=count(told, "activeTrades"),
            profit=decimal(told, "totalPnL"),
        )

    async def start(
        self, user_id: str, watchlist: Sequence[str], settings: SessionSettings, *, deadline_s: float
    ) -> None:
        """See Sessions. Where one runs already it goes on, with the settings it has."""
        # Its engine asks CoinGecko for what is on the list, which knows coins by name.
        body = {"settings": {"watchlist": spelled(watchlist, Spelling.NAME), **_settings(settings)}}
        await self._do("POST", "start", user_id, deadline_s, body)

    async def stop(self, user_id: str, *, deadline_s: float) -> None:
        await self._do("POST", "stop", user_id, deadline_s)

    async def pause(self, user_id: str, *, deadline_s: float) -> None:
        """See Sessions. OutcomeUnknown without a session: it answers that as a fault of its own."""
        await self._do("POST", "pause", user_id, deadline_s)

    async def resume(self, user_id: str, *, deadline_s: float) -> None:
        """See Sessions. OutcomeUnknown without a session, as for the pause."""
        await self._do("POST", "resume", user_id, deadline_s)

    async def change(self, user_id: str, settings: SessionSettings, *, deadline_s: float) -> None:
        """See Sessions. OutcomeUnknown without a session, as for the pause."""
        await self._do("PUT", "settings", user_id, deadline_s, _settings(settings))

    async def positions(self, user_id: str, *, deadline_s: float) -> Sequence[HeldPosition]:
        token = self._tokens.mint(user_id)
        answer = await self._upstream.get(f"{PREFIX}/positions", deadline_s=deadline_s, route=ROUTE, token=token)
        return [
            HeldPosition(
                symbol=symbol,
                quantity=_signed(row),
                average_cost=decimal(row, "entryPrice"),
                price=decimal(row, "currentPrice"),
                unrealized=decimal(row, "unrealizedPnL"),
            )
            for row in rows(data_of(answer.body), "data")
            if (symbol := understand(text(row, "symbol") or "")) is not None and text(row, "status") != "closed"
        ]

    async def performance(self, user_id: str, *, deadline_s: float) -> Performance:
        """See Sessions. From the status: what `/performance` answers is documented nowhere."""
        told = await self._told(user_id, deadline_s)
        return Performance(profit=decimal(told, "totalPnL"), week_profit=decimal(told, "weeklyPnL"))

    async def _told(self, user_id: str, deadline_s: float) -> Fields:
        token = self._tokens.mint(user_id)
        answer = await self._upstream.get(f"{PREFIX}/status", deadline_s=deadline_s, route=ROUTE, token=token)
        return fields(data_of(answer.body), "data")

    async def _do(
        self, method: str, what: str, user_id: str, deadline_s: float, body: Mapping[str, object] | None = None
    ) -> None:
        token = self._tokens.mint(user_id)
        path = f"{PREFIX}/{what}"
        await self._upstream.send(method, path, deadline_s=deadline_s, route=ROUTE, body=body, token=token)


def _signed(row: Fields) -> Decimal | None:
    quantity = decimal(row, "quantity")
    return -abs(quantity) if quantity is not None and text(row, "side") == "short" else quantity


def _settings(settings: SessionSettings) -> Mapping[str, object]:
    told = {"minConfidence": settings.min_confidence, "maxPositions": settings.max_positions}
    return {name: value for name, value in told.items() if value is not None}
