"""Where SQLite's transactions run: each connection in a thread of its own, a whole transaction in one go of it.

Each way from the event loop to a thread and back waits for a turn of both, which on a busy machine takes longer than
all statements of a transaction. A disk that hangs holds up its thread, never the event loop or the end of the process.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeVar, cast

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from adapters.store.connections import StoreConnection
from adapters.store.failures import is_away
from adapters.store.sqlite import Begin, begin_reading, begin_writing, reader_engine, transact, writer_engine

Result = TypeVar("Result")

WRITERS = 1
READERS = 2
# A connection that was given up just before a statement began did not hear it: it is told again, this often.
INTERRUPT_S = 0.05


class _GivenUp(Exception):
    """Nobody waits for this transaction any more: it must not happen."""


class SqliteThread:
    """One connection, opened when first needed, and its thread. For one event loop, one transaction at a time."""

    def __init__(self, engine: Engine, begin: Begin) -> None:
        self._engine = engine
        self._begin = begin
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._driver: sqlite3.Connection | None = None
        self._given_up = False
        self._ended = False

    async def transact(
        self, work: Callable[[StoreConnection], Awaitable[Result]], *, then: Callable[[Result], None]
    ) -> Result:
        """Begin, do `work`, commit; then `then`, in the event loop. Raises what the driver, or `work`, raises."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="store", daemon=True)
            thread.start()
            self._thread = thread
        return await self._do(partial(self._transact, work), then)

    async def close(self) -> None:
        """End the thread once it has done what it is at; at once, as far as one can, when this is cancelled."""
        if self._thread is None:
            return
        try:
            await self._do(self._end, _ignore)
        except asyncio.CancelledError:
            self.give_up()
            raise

    def give_up(self) -> None:
        """Nothing more of the transaction happens, if that can be helped; the thread ends when it comes back."""
        self._given_up = True
        self._jobs.put(self._end)
        self._interrupt()

    def _interrupt(self) -> None:
        driver = self._driver
        if driver is not None:
            with suppress(sqlite3.ProgrammingError):  # closed in between
                driver.interrupt()
            asyncio.get_running_loop().call_later(INTERRUPT_S, self._interrupt)

    async def _do(self, job: Callable[[], Result], then: Callable[[Result], None]) -> Result:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def run() -> None:
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is carried to who waits for it
                settle = partial(_fail, future, error)
            else:
                settle = partial(_succeed, future, result, then)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle)

        self._jobs.put(run)
        return await future

    # From here on: in the thread.

    def _run(self) -> None:
        while not self._ended:
            self._jobs.get()()

    def _transact(self, work: Callable[[StoreConnection], Awaitable[Result]]) -> Result:
        self._require()
        connection = self._connection or self._connect()
        try:
            return transact(connection, self._begin, work, self._require)
        except BaseException as error:
            if is_away(error) or not isinstance(error, Exception):
                self._disconnect()
            raise

    def _require(self) -> None:
        if self._given_up:
            raise _GivenUp

    def _connect(self) -> Connection:
        self._connection = connection = self._engine.connect()
        self._driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        return connection

    def _disconnect(self) -> None:
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            connection.invalidate()  # closes it without a word: SQLite rolls back by itself
            connection.close()

    def _end(self) -> None:
        self._ended = True
        self._disconnect()


class SqliteThreads:
    """Some connections to one file. Keeps adapters.store.channel.Connections."""

    def __init__(self, engine: Engine, begin: Begin, *, size: int, patience_s: float) -> None:
        self._make = partial(SqliteThread, engine, begin)
        self._threads = {self._make() for _ in range(size)}
        self._idle = list(self._threads)
        self._free = asyncio.Semaphore(size)
        self._patience_s = patience_s
        self._closed = False

    async def transact(
        self, work: Callable[[StoreConnection], Awaitable[Result]], *, then: Callable[[Result], None]
    ) -> Result:
        """See Connections."""
        thread = await self._take()
        try:
            return await thread.transact(work, then=then)
        except asyncio.CancelledError:
            thread.give_up()
            self._threads.remove(thread)
            thread = self._make()
            self._threads.add(thread)
            raise
        finally:
            self._idle.append(thread)
            self._free.release()

    async def _take(self) -> SqliteThread:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeout("every connection is busy") from None
        if self._closed:
            self._free.release()
            raise PoolTimeout("closed")
        return self._idle.pop()

    async def close(self) -> None:
        """See Connections."""
        self._closed = True
        await asyncio.gather(*(thread.close() for thread in self._threads))


def writer(url: URL, *, patience_s: float) -> SqliteThreads:
    """Transactions have the write lock from their beginning on, and are on the disk when they end."""
    begin = partial(begin_writing, patience_s=patience_s)
    return SqliteThreads(writer_engine(url, patience_s=patience_s), begin, size=WRITERS, patience_s=patience_s)


def reader(url: URL, *, patience_s: float) -> SqliteThreads:
    """Transactions see one state and change nothing."""
    return SqliteThreads(reader_engine(url, patience_s=patience_s), begin_reading, size=READERS, patience_s=patience_s)


def _succeed(future: asyncio.Future[Result], result: Result, then: Callable[[Result], None]) -> None:
    if not future.done():
        future.set_result(result)
        then(result)


def _fail(future: asyncio.Future[Result], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _ignore(_: object) -> None:
    return
