"""One direction of a store, reading or writing: whole transactions in bounded time, and whether it works at present."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from adapters.store.connections import StoreConnection
from adapters.store.failures import DATABASE_ERRORS, describe, is_away
from trading.errors import StoreUnavailable

log = logging.getLogger("rl_service.store")

Result = TypeVar("Result")

# After a failure nothing is tried for this long: callers hear at once that the store is away.
PAUSE_S = 0.5
CLOSE_S = 0.5


class Connections(Protocol):
    """Some connections to one database, each of which does one transaction at a time."""

    async def transact(
        self, work: Callable[[StoreConnection], Awaitable[Result]], *, then: Callable[[Result], None]
    ) -> Result:
        """Begin, do `work`, commit. Raises what the driver, or `work`, raises; nothing of it has happened then.

        `then` is told the result first: on a busy event loop each turn that it need not wait for counts.

        When it is cancelled the connection is given up at once, whatever it is at.
        """

    async def close(self) -> None:
        """Close what is open, once it is free; what is not free is given up when this is cancelled."""


class Channel:
    """Reading and writing fail and come back each for itself: a full disk can still be read. Logs call it `word`."""

    def __init__(self, word: str, connections: Connections, monotonic_s: Callable[[], float]) -> None:
        self._word = word
        self._connections = connections
        self._monotonic_s = monotonic_s
        self._away_until_s = float("-inf")
        self.failure: str | None = None

    def require(self) -> None:
        """Raises StoreUnavailable while it is too early to try again."""
        if self.failure is not None and self._monotonic_s() < self._away_until_s:
            raise StoreUnavailable(self.failure)

    async def transact(
        self,
        work: Callable[[StoreConnection], Awaitable[Result]],
        *,
        within_s: float,
        then: Callable[[Result], None] = lambda _: None,
    ) -> Result:
        """Begin, do `work`, commit, in `within_s` seconds altogether. Raises what the driver, or `work`, raises.

        `then` is told the result as soon as that is durable.
        """
        try:
            async with asyncio.timeout(within_s):
                result = await self._connections.transact(work, then=then)
        except DATABASE_ERRORS as error:
            if is_away(error):
                self._note(describe(error))
            raise
        if self.failure is not None:
            log.info("%s the store works again", self._word)
            self.failure = None
        return result

    async def close(self) -> None:
        """Close the connections, those that do not answer too."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._connections.close()

    def _note(self, failure: str) -> None:
        if self.failure is None:
            log.error("%s the store fails: %s", self._word, failure)
        self.failure = failure
        self._away_until_s = self._monotonic_s() + PAUSE_S
