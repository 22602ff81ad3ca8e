"""One direction of a store, reading or writing: whole transactions in bounded time, and whether it works at present."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.store.connections import abandon
from adapters.store.failures import DATABASE_ERRORS, describe, is_away
from trading.errors import StoreUnavailable

log = logging.getLogger("rl_service.store")

Result = TypeVar("Result")

# After a failure nothing is tried for this long: callers hear at once that the store is away.
PAUSE_S = 0.5
CLOSE_S = 0.5


class Channel:
    """Reading and writing fail and come back each for itself: a full disk can still be read. Logs call it `word`."""

    def __init__(self, word: str, engine: AsyncEngine, monotonic_s: Callable[[], float]) -> None:
        self._word = word
        self._engine = engine
        self._monotonic_s = monotonic_s
        self._away_until_s = float("-inf")
        self.failure: str | None = None

    def require(self) -> None:
        """Raises StoreUnavailable while it is too early to try again."""
        if self.failure is not None and self._monotonic_s() < self._away_until_s:
            raise StoreUnavailable(self.failure)

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[Result]], *, within_s: float) -> Result:
        """Begin, do `work`, commit, in `within_s` seconds altogether. Raises what the driver, or `work`, raises."""
        return await self.use(lambda connection: _commit(connection, work), within_s=within_s)

    async def use(self, work: Callable[[AsyncConnection], Awaitable[Result]], *, within_s: float) -> Result:
        """The same for work that begins and commits by itself."""
        try:
            async with asyncio.timeout(within_s), self._engine.connect() as connection:
                result = await _unless_lost(connection, work)
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
                await self._engine.dispose()

    def _note(self, failure: str) -> None:
        if self.failure is None:
            log.error("%s the store fails: %s", self._word, failure)
        self.failure = failure
        self._away_until_s = self._monotonic_s() + PAUSE_S


async def _commit(connection: AsyncConnection, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    transaction = await connection.begin()
    result = await work(connection)
    await transaction.commit()
    return result


async def _unless_lost(connection: AsyncConnection, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    try:
        return await work(connection)
    except BaseException as error:
        # Cancelled or not answered: the other side may be in the middle of it. Else closing rolls back.
        if is_away(error) or not isinstance(error, Exception):
            await abandon(connection)
        raise
