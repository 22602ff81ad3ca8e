"""How a worker ends: not ready first, then deaf to new connections, then done with what it has."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType
from typing import Protocol

from trading.errors import OperatorNeeded

# From the first moment of the end: how long requests are still welcome, so that who balances the load can notice.
LAME_DUCK_S = 1.0
# At the end of LAME_DUCK_S the supervisor closes the port in two steps (see wiring.guard). A worker leaves the port
# after both, and later closes the connections on which nothing is under way: what came last has been read by then.
SHUT_S = LAME_DUCK_S + 0.1
DEAF_S = SHUT_S + 0.1
STOP_S = DEAF_S + 0.25


class Listener(Protocol):
    """A port that is listened on."""

    def close(self) -> None:
        """Stop listening."""


class Config(Protocol):
    """The one setting of uvicorn that is known only when it ends."""

    timeout_graceful_shutdown: int | None


class Server(Protocol):
    """The part of uvicorn.Server that ends it."""

    @property
    def servers(self) -> Sequence[Listener]:
        """The ports it listens on."""

    @property
    def config(self) -> Config:
        """How it serves."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to shut down."""


class Drain:
    """The end of one worker, step by step: `grace_s` seconds after the signal nothing is under way any more.

    `begin` is True when there is somebody to wait for: until requests are let in, a worker ends at once. A second
    signal skips what is left of the wait.
    """

    def __init__(
        self,
        server: Server,
        begin: Callable[[], bool],
        *,
        grace_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._server = server
        self._begin = begin
        self._grace_s = grace_s
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def told(self, number: int) -> None:
        """A signal came that asks this process to end."""
        if self._task is None and self._begin():
            self._task = asyncio.create_task(self._end(number), name="drain")
        else:
            self._server.handle_exit(number, None)

    async def _end(self, number: int) -> None:
        await self._sleep(DEAF_S)
        for listener in self._server.servers:
            listener.close()
        await self._sleep(STOP_S - DEAF_S)
        # What takes longer than that is cancelled, and the shutdown hook runs after it.
        self._server.config.timeout_graceful_shutdown = max(int(self._grace_s - STOP_S), 1)
        self._server.handle_exit(number, None)


def end_this_process() -> None:
    """Ask this process to end in order, as its supervisor would; that one starts another in its place."""
    os.kill(os.getpid(), signal.SIGTERM)


def drain_on_signal(begin: Callable[[], bool], *, grace_s: float) -> None:
    """From now on SIGTERM and SIGINT call `begin` at once and uvicorn's own handler later; one that came before, too.

    Raises OperatorNeeded when it is not uvicorn that serves.
    """
    import uvicorn  # the supervisor imports this module too, and need not load a server

    loop = asyncio.get_running_loop()
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, uvicorn.Server):
        raise OperatorNeeded("this version of BentoML does not serve with uvicorn: the service could not end in order")
    drain = Drain(server, begin, grace_s=grace_s)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: loop.call_soon_threadsafe(drain.told, number) and None)
    if server.should_exit:
        drain.told(signal.SIGTERM)
