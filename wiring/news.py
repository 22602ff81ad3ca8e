"""Waits for news of one topic: a message ends the wait, and where none comes, ever longer pauses."""

import asyncio
from collections.abc import Callable
from types import TracebackType

from trading.ports import Bus

# A message is at most once: what must not be missed is looked for again after these pauses, the last one for ever.
PAUSES_S = (0.05, 0.1, 0.25, 0.5, 1.0)


class News:
    """Listens to one topic while the block runs; `message` is the last one heard."""

    def __init__(self, bus: Bus, topic: str) -> None:
        self.message: bytes | None = None
        self._bus = bus
        self._topic = topic
        self._heard = asyncio.Event()
        self._pauses = iter(PAUSES_S)
        self._end: Callable[[], None] | None = None

    def __enter__(self) -> "News":
        self._end = self._bus.subscribe(self._topic, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._end is not None:
            self._end()

    def wake(self) -> None:
        """End the wait now."""
        self._heard.set()

    def _hear(self, message: bytes) -> None:
        self.message = message
        self._heard.set()

    async def wait(self, most_s: float) -> None:
        """Until a message came, the next pause is over, or `most_s` seconds are."""
        try:
            async with asyncio.timeout(min(next(self._pauses, PAUSES_S[-1]), max(most_s, 0.0))):
                await self._heard.wait()
        except TimeoutError:
            return
        self._heard.clear()
