"""Time for loops that share a clock: whoever sleeps the shortest goes on first, and nobody really sleeps."""

import asyncio
import heapq
from collections.abc import Coroutine
from itertools import count

from tests.fakes.jobs import HandClock

# Real time until a loop that does something real, such as a call, sleeps again.
PATIENCE_S = 30.0


class Turns:
    """Runs loops that end with `stop`. Their sleep is `sleep`, their clock `clock`."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self._numbers = count()
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._loops: list[asyncio.Task[None]] = []

    def begin(self, loop: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a loop beside the others; cancel it and it is gone."""
        task = asyncio.get_running_loop().create_task(loop)
        self._loops.append(task)
        return task

    async def sleep(self, seconds: float) -> None:
        """Ends once `go` has let so much time pass."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self.clock().monotonic_s + seconds, next(self._numbers), future))
        await future

    async def go(self, seconds: float) -> None:
        """Let time pass: every loop does what it does until then."""
        end_s = self.clock().monotonic_s + seconds
        await self._all_sleep()
        while self._sleeping and self._sleeping[0][0] <= end_s:
            wakes_s, _, future = heapq.heappop(self._sleeping)
            self.clock.go(wakes_s - self.clock().monotonic_s)
            future.set_result(None)
            await self._all_sleep()
        self.clock.go(end_s - self.clock().monotonic_s)

    async def stop(self) -> None:
        """End the loops."""
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _all_sleep(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await asyncio.sleep(0.0005)
                for task in [task for task in self._loops if task.done()]:
                    self._loops.remove(task)
                    if not task.cancelled():
                        task.result()
                self._sleeping = [sleeping for sleeping in self._sleeping if not sleeping[2].cancelled()]
                heapq.heapify(self._sleeping)
                if len(self._sleeping) == len(self._loops):
                    return
