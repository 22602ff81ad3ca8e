"""How an SQLite file is opened, and a transaction on it begins, does a piece of work and ends, in one thread."""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, CursorResult, Dialect, Engine, Executable, NullPool, create_engine, event
from sqlalchemy.exc import OperationalError

from adapters.store.connections import StoreConnection

Result = TypeVar("Result")
# Raises when nobody wants the transaction any more.
Require = Callable[[], None]
Begin = Callable[[Connection, Require], None]

# WAL: readers and the one writer do not wait for each other. FULL: a commit is on the disk when it returns.
# What is written over and over (the leaves of an index) goes from the log to the file once every 16 MB, not every 4.
_DURABLE = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA journal_size_limit=67108864",
)

# SQLite looks for the lock ever more rarely, up to every 100 ms, and in vain where other processes write all the time:
# 4 busy writers failed 15 % of their writes after a second, and none when each begins to look anew this often.
LOCK_STEP_S = 0.01


def writer_engine(url: URL, *, patience_s: float) -> Engine:
    """Transactions are on the disk when they end; `begin_writing` begins them."""
    return _engine(url, (*_DURABLE, f"PRAGMA busy_timeout={LOCK_STEP_S * 1000:.0f}"), patience_s)


def reader_engine(url: URL, *, patience_s: float) -> Engine:
    """Transactions change nothing; those that `begin_reading` begins see one state."""
    return _engine(url, ("PRAGMA query_only=ON",), patience_s)


def begin_writing(connection: Connection, require: Require, *, patience_s: float) -> None:
    """Take the write lock, or wait for it up to `patience_s` s. Raises OperationalError, and what `require` raises."""
    for _ in range(int(patience_s / LOCK_STEP_S)):
        require()
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def begin_reading(connection: Connection, _: Require) -> None:
    """What is first read is the state that all of the transaction sees."""
    connection.exec_driver_sql("BEGIN")


def transact(
    connection: Connection, begin: Begin, work: Callable[[StoreConnection], Awaitable[Result]], require: Require
) -> Result:
    """Begin, do `work`, commit; whatever is raised, nothing of it has happened. `require` is called between all steps.

    Raises RuntimeError when `work` waits for anything: its lock would be held for as long.
    """
    with connection.begin():
        begin(connection, require)
        working = SqliteConnection(connection, require)
        try:
            result = _done(work(working))
        finally:
            working.close()
        require()
    return result


class SqliteConnection:
    """One transaction's view of a connection. Keeps StoreConnection; for the thread of the connection alone."""

    def __init__(self, connection: Connection, require: Require) -> None:
        self._connection = connection
        self._require = require
        self._results: list[CursorResult[*tuple[Any, ...]]] = []

    @property
    def dialect(self) -> Dialect:
        """See StoreConnection."""
        return self._connection.dialect

    @property
    def info(self) -> MutableMapping[str, list[object]]:
        """See StoreConnection."""
        return self._connection.info

    async def execute(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """See StoreConnection."""
        self._require()
        result = self._connection.execute(statement, parameters)
        self._results.append(result)
        return result

    def close(self) -> None:
        """End what was not read to its end: the transaction would not end before it."""
        for result in self._results:
            result.close()


def _done(work: Awaitable[Result]) -> Result:
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: Result = end.value
        return result
    steps.close()
    raise RuntimeError("work in a transaction of SQLite may wait for nothing but its statements")


def _engine(url: URL, pragmas: tuple[str, ...], patience_s: float) -> Engine:
    # A connection is kept for as long as its thread: there is nothing to pool.
    engine = create_engine(url, poolclass=NullPool, pool_reset_on_return=None, connect_args={"timeout": patience_s})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        # sqlite3 would begin transactions by itself, and too late to hold the lock before the first read.
        connection.isolation_level = None
        try:
            for pragma in pragmas:
                connection.execute(pragma)
        except BaseException:
            connection.close()  # nobody else knows of it yet
            raise

    return engine
