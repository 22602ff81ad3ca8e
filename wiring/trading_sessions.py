"""Asking TradingService about its sessions: once its version is known, in time, and of V2 not too often."""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from adapters.store.budgets import take_call
from adapters.store.engine import Store
from adapters.trading_service.sessions import Sessions
from adapters.trading_service.versions import Version
from trading.boot import Clock, Moment
from trading.errors import NotSent, StoreUnavailable, UpstreamUnavailable

# How long the start of an agent waits for what TradingService says of its user.
START_S = 1.0


class Asking(StrEnum):
    """On whose behalf TradingService is asked, by the name under which its calls are counted."""

    PAGE = "trading_service session page"
    START = "trading_service session start"


# Calls of V2 that orders, and questions about them, leave of its 100 in 15 minutes: orders come first. Pages that are
# looked at often leave the starts of agents theirs.
V2_CALLS: Mapping[Asking, tuple[int, float]] = {Asking.PAGE: (6, 900.0), Asking.START: (2, 900.0)}

Told = TypeVar("Told")


class TradingSessions:
    """The sessions of the TradingService beside us; `version` is None until it is known. Nothing is remembered.

    `refuses` is true while a call about them would not leave.
    """

    def __init__(self, store: Store, refuses: Callable[[], bool], *, now: Clock) -> None:
        self._store = store
        self._refuses = refuses
        self._now = now
        self._sessions: Sessions | None = None
        self.version: Version | None = None

    def know(self, version: Version, sessions: Sessions | None) -> None:
        """This version answers; `sessions` None where its sessions cannot be asked about."""
        self.version, self._sessions = version, sessions

    def until(self, seconds: float) -> Moment:
        """The moment so many seconds from now."""
        return self._now().after(seconds)

    async def ask(
        self, question: Callable[[Sessions, float], Awaitable[Told]], *, until: Moment, asking: Asking
    ) -> Told:
        """The answer to a question, which gets the seconds left for it. Raises UpstreamUnavailable, at once where
        nothing may be asked now."""
        sessions = self._sessions
        if sessions is None:
            raise NotSent("trading_service: nobody knows how to ask it about sessions")
        if self.version is Version.V2:
            await self._count(until, asking)
        return await question(sessions, until.left_s(self._now()))

    async def trades(self, user_id: str) -> bool | None:
        """Whether the user's session there is active and not paused; None when that is not known after START_S."""
        until = self.until(START_S)
        try:
            status = await self.ask(
                lambda sessions, left_s: sessions.status(user_id, deadline_s=left_s), until=until, asking=Asking.START
            )
        except UpstreamUnavailable:
            return None
        return status.active and status.paused is not True

    async def _count(self, until: Moment, asking: Asking) -> None:
        # What would not leave is not counted: it would use up the calls of those that come once it may.
        if self._refuses():
            raise NotSent("trading_service: it takes no calls about sessions now")
        count = take_call(asking, windows=(V2_CALLS[asking],), now=self._now)
        try:
            counted = await self._store.write(count, within_s=until.left_s(self._now()))
        except StoreUnavailable as error:
            raise NotSent("trading_service: its calls cannot be counted now") from error
        if not counted:
            raise NotSent("trading_service: it takes no more calls about sessions for a while")
