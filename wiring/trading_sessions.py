"""Asking TradingService about its sessions: once its version is known, in time, and of V2 not too often."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from adapters.store.budgets import take_call
from adapters.store.engine import Store
from adapters.trading_service.sessions import Sessions
from adapters.trading_service.versions import Version
from trading.boot import Clock, Moment
from trading.errors import NotSent, StoreUnavailable, UpstreamUnavailable

# How long the start of an agent waits for what TradingService says of its user.
START_S = 1.0
BUDGET = "trading_service sessions"
# Calls of V2 that orders, and questions about them, leave of its 100 in 15 minutes: orders come first.
V2_CALLS = ((8, 900.0),)

Told = TypeVar("Told")


class TradingSessions:
    """The sessions of the TradingService beside us; `version` is None until it is known. Nothing is remembered."""

    def __init__(self, store: Store, *, now: Clock) -> None:
        self._store = store
        self._now = now
        self._sessions: Sessions | None = None
        self.version: Version | None = None

    def know(self, version: Version, sessions: Sessions | None) -> None:
        """This version answers; `sessions` None where its sessions cannot be asked about."""
        self.version, self._sessions = version, sessions

    def until(self, seconds: float) -> Moment:
        """The moment so many seconds from now."""
        return self._now().after(seconds)

    async def ask(self, question: Callable[[Sessions, float], Awaitable[Told]], *, until: Moment) -> Told:
        """The answer to a question, which gets the seconds left for it. Raises UpstreamUnavailable, at once where
        nothing may be asked now."""
        sessions = self._sessions
        if sessions is None:
            raise NotSent("trading_service: nobody knows how to ask it about sessions")
        if self.version is Version.V2 and not await self._counted(until):
            raise NotSent("trading_service: it takes no more calls about sessions for a while")
        return await question(sessions, until.left_s(self._now()))

    async def trades(self, user_id: str) -> bool | None:
        """Whether the user's session there is active and not paused; None when that is not known after START_S."""
        until = self.until(START_S)
        try:
            status = await self.ask(lambda sessions, left_s: sessions.status(user_id, deadline_s=left_s), until=until)
        except UpstreamUnavailable:
            return None
        return status.active and status.paused is not True

    async def _counted(self, until: Moment) -> bool:
        count = take_call(BUDGET, windows=V2_CALLS, now=self._now)
        try:
            return await self._store.write(count, within_s=until.left_s(self._now()))
        except StoreUnavailable as error:
            raise NotSent("trading_service: its calls cannot be counted now") from error
