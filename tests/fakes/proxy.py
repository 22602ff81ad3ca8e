"""A TCP proxy on loopback between a client and a real server: passes, holds back, refuses, or cuts what it carries."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeVar

from tests.fakes.served import free_port

CHUNK_BYTES = 64 * 1024
STEP_S = 10.0
T = TypeVar("T")


class Mode(StrEnum):
    """What happens to bytes on their way."""

    PASS = "pass"  # noqa: S105 - a mode, no secret
    # Connections are accepted and stay open, bytes arrive nowhere; what was held back is passed on afterwards.
    BLACK_HOLE = "black_hole"
    # Nobody listens: a new connection is refused, those that are open are cut.
    REFUSE = "refuse"


class Proxy:
    """Listens on a loopback port of its own and carries bytes to `target_port`. Its loop runs in its own thread.

    So it goes on while the test's own loop is blocked or gone. Use `proxied`.
    """

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.accepted = 0
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._tasks)

    def start(self) -> None:
        self._thread.start()
        self.set(Mode.PASS)

    def stop(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STEP_S)
        self._loop.close()

    def set(self, mode: Mode) -> None:
        """From now on; returns once it holds."""
        self._run(self._set(mode))

    def cut(self) -> None:
        """Reset every connection that is open now; new ones are taken as before."""
        self._run(self._cut())

    def _run(self, step: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(STEP_S)

    async def _set(self, mode: Mode) -> None:
        if mode is Mode.PASS:
            self._flows.set()
        else:
            self._flows.clear()
        if mode is Mode.REFUSE:
            if self._server is not None:
                self._server.close()
                self._server = None
            await self._cut()
        elif self._server is None:
            self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.accepted += 1
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._flows.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(back)
            try:
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            finally:
                self._drop(back)
        except (OSError, asyncio.CancelledError):
            pass  # either side is gone, or the test cut it
        finally:
            self._drop(writer)
            self._tasks.discard(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(CHUNK_BYTES):
            await self._flows.wait()
            sink.write(chunk)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.transport.abort() if writer.is_closing() else writer.close()


@contextmanager
def proxied(target_port: int) -> Iterator[Proxy]:
    """A proxy in front of `target_port`, passing, until the block ends."""
    proxy = Proxy(target_port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
