"""The event loop of the served process in a test, and waiting for what happens soon without guessing when."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

PATIENCE_S = 20.0
T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """What asyncio.run does, on the loop the service runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def eventually(true: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Returns once `true()` is; fails when it is not within `within_s` seconds."""
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s, f"not within {within_s} s"
        await asyncio.sleep(0.01)
