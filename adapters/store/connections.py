"""How connections to SQLite and PostgreSQL are opened, and given up at once when they are lost."""

import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

Result = TypeVar("Result")

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

WRITERS = 1
READERS = 2


def sqlite_writer(url: URL, *, patience_s: float) -> AsyncEngine:
    """Transactions take the write lock as they begin, and are on the disk when they end."""
    pragmas = (*_DURABLE, f"PRAGMA busy_timeout={LOCK_STEP_S * 1000:.0f}")
    engine = _sqlite(url, pragmas, size=WRITERS, patience_s=patience_s)

    @event.listens_for(engine.sync_engine, "begin")
    def take_lock(connection: Connection) -> None:
        for _ in range(int(patience_s / LOCK_STEP_S)):
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                    raise
            else:
                return
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _in_one_go(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], Result]) -> Result:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors end it by themselves
            connection.execute("ROLLBACK")
        raise
    return result


def sqlite_reader(url: URL, *, patience_s: float) -> AsyncEngine:
    """Transactions see one state and change nothing."""
    engine = _sqlite(url, ("PRAGMA query_only=ON",), size=READERS, patience_s=patience_s)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def postgresql_writer(url: URL, *, patience_s: float) -> AsyncEngine:
    """Transactions see what others commit meanwhile: read what you change with a row lock."""
    return _postgresql(url, "READ COMMITTED", {}, size=WRITERS, patience_s=patience_s)


def postgresql_reader(url: URL, *, patience_s: float) -> AsyncEngine:
    """Transactions see one state and change nothing."""
    settings = {"default_transaction_read_only": "on"}
    return _postgresql(url, "REPEATABLE READ", settings, size=READERS, patience_s=patience_s)


async def transact_in_one_go(
    connection: AsyncConnection, work: Callable[[sqlite3.Connection], Result], patience_s: float
) -> Result:
    """Begin, do `work` and commit in one go of the connection's thread.

    Each way there and back, of which SQLAlchemy has three a statement, has two threads wait for the interpreter's lock.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    go = partial(_in_one_go, driver._conn, work)
    tries = int(patience_s / LOCK_STEP_S)
    while True:
        tries -= 1
        try:
            result: Result = await driver._execute(go)  # aiosqlite has no public name for it
        except sqlite3.Error as error:
            if tries <= 0 or getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                raise OperationalError("in one go", None, error) from error
        else:
            return result


async def abandon(connection: AsyncConnection) -> None:
    """Give up a connection at once, without a word to the other side: it may not listen.

    SQLAlchemy would say goodbye first, and wait two seconds for an answer.
    """
    if connection.invalidated:
        return  # SQLAlchemy saw that it is closed
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if connection.dialect.name == "postgresql":
        driver.terminate()
    else:
        await driver.interrupt()
    await connection.invalidate()


def _sqlite(url: URL, pragmas: tuple[str, ...], *, size: int, patience_s: float) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=patience_s,
        # Every transaction of ours is ended before its connection goes back: one more rollback is a way to the
        # connection's thread and back.
        pool_reset_on_return=None,
        connect_args={"timeout": patience_s},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # sqlite3 would begin transactions by itself, and too late to hold the lock before the first read.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(pragma)
        except BaseException:
            connection.close()  # nobody else knows of it yet; its thread would stay
            raise
        cursor.close()

    return engine


def _postgresql(url: URL, isolation: str, settings: Mapping[str, str], *, size: int, patience_s: float) -> AsyncEngine:
    patience_ms = str(int(patience_s * 1000))
    return create_async_engine(
        url,
        isolation_level=isolation,
        pool_size=size,
        max_overflow=0,
        pool_timeout=patience_s,
        connect_args={
            "timeout": patience_s,
            "command_timeout": patience_s,
            "server_settings": {
                **settings,
                "application_name": "rl-service",
                "timezone": "UTC",
                # The server gives up in time too: a worker that is cut off while it holds a row would lock out all.
                "statement_timeout": patience_ms,
                "idle_in_transaction_session_timeout": patience_ms,
            },
        },
    )
