"""How a worker begins, and how it ends wherever it is: a start can be broken off, and what was begun is ended again."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack

# For everything from when nothing is answered any more until the worker has ended. What is in order needs some
# milliseconds; who is still there a moment later is killed (see wiring.guard).
STOP_S = 1.2
# The last step gets this much however long the others took.
LEAST_S = 0.1


class Life:
    """One life of one event loop."""

    def __init__(self) -> None:
        self.ending = False
        self._begun = False
        self._beginning: asyncio.Task[None] | None = None
        self._closing = AsyncExitStack()
        self._by_s = float("inf")

    async def begin(self, start: Callable[[], Coroutine[None, None, None]]) -> bool:
        """Run `start`; False when `end` was called meanwhile or before. What `start` raises is raised."""
        if self.ending:
            return False
        self._beginning = asyncio.create_task(start(), name="start")
        await asyncio.wait({self._beginning})
        if self.ending:
            return False
        await self._beginning
        self._begun = True
        return True

    def end(self) -> bool:
        """From now on this is ending; a start that runs is broken off. True when it had begun."""
        self.ending = True
        if not self._begun and self._beginning is not None:
            self._beginning.cancel()
        return self._begun

    def at_end(self, stop: Callable[[], Awaitable[None]]) -> None:
        """Await `stop` at the end, before what was given earlier; also when a later one raises."""
        self._closing.push_async_callback(stop)

    async def close(self) -> None:
        """End everything that was given. Raises what one of them raised, after all."""
        self.ending = True
        self._by_s = asyncio.get_running_loop().time() + STOP_S
        await self._closing.aclose()

    def time_left(self) -> asyncio.Timeout:
        """Ends a step of `close` with TimeoutError when STOP_S are over."""
        return asyncio.timeout_at(max(self._by_s, asyncio.get_running_loop().time() + LEAST_S))
