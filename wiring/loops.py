"""The loops of a worker: do something again and again, and end in a way that is seen."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine

from trading.errors import StoreUnavailable

log = logging.getLogger("rl_service.worker")

LOOK_S = 0.25
# How long a worker that has lost a loop is seen to be not ready before it ends.
MOMENT_S = 1.0


def begin(loop: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
    """Run a loop as a task; an error that ends it is logged, and the readiness probe shows it from then on."""
    return asyncio.create_task(_logged(loop, name), name=name)


async def repeat(call: Callable[[], None], pause_s: Callable[[], float]) -> None:
    """Call again and again."""
    while True:
        await asyncio.sleep(pause_s())
        call()


async def repeat_with_store(call: Callable[[], Awaitable[object]], pause_s: Callable[[], float]) -> None:
    """Do again and again what needs the store; while the store is away it is only tried."""
    while True:
        await asyncio.sleep(pause_s())
        try:
            await call()
        except StoreUnavailable as error:
            log.debug("the store is away: %s", error)


async def until_done(call: Callable[[], Awaitable[None]], pause_s: float) -> None:
    """Do once what needs the store, however long that takes."""
    while True:
        try:
            await call()
        except StoreUnavailable as error:
            log.warning("waiting for the store: %s", error)
            await asyncio.sleep(pause_s)
        else:
            return


async def watch(
    dead: Callable[[], Collection[str]],
    end: Callable[[], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `end` a moment after one of the loops has ended: a worker that has all of them takes this one's place."""
    while not (names := dead()):
        await sleep(LOOK_S)
    log.error("this worker ends: it has lost %s", ", ".join(sorted(names)))
    await sleep(MOMENT_S)
    end()


async def _logged(loop: Coroutine[None, None, None], name: str) -> None:
    try:
        await loop
    except Exception:
        log.exception("the loop %s of this worker ended", name)
        raise
