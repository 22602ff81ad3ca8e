"""Brings a database to the tables of this version before any worker opens it, and refuses one it cannot."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from adapters.store import postgresql, sqlite
from adapters.store.engine import Location
from adapters.store.failures import describe
from adapters.store.soundness import recovery
from trading.errors import StoreRefused

Result = TypeVar("Result")

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number that no other program uses for its advisory lock: two replicas may start at once.
_LOCK = 7_203_115_061
# Opening a new database or an old one's steps may take longer than a statement of the service.
PATIENCE_S = 30.0


def prepare(location: Location) -> None:
    """Make or migrate the tables. Raises StoreRefused with what to do. Not for a running event loop."""
    try:
        in_transaction(location, _upgrade)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise StoreRefused(_advice(location, error)) from error
    except CommandError as error:
        raise StoreRefused(f"{location} was made by another version of the service: {error}") from error


def in_transaction(location: Location, do: Callable[[Connection], Result]) -> Result:
    """What `do` returns, in a transaction of SQLAlchemy's that may write. Not for a running event loop."""
    if location.file is None:
        return asyncio.run(_in_transaction(location, do))
    with sqlite.writer_engine(location.url, patience_s=PATIENCE_S).connect() as connection, connection.begin():
        sqlite.begin_writing(connection, lambda: None, patience_s=PATIENCE_S)
        return do(connection)


async def _in_transaction(location: Location, do: Callable[[Connection], Result]) -> Result:
    engine = postgresql.writer_engine(location.url, patience_s=PATIENCE_S)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(do)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    command.upgrade(alembic_config(connection), "head")


def revision(location: Location) -> str | None:
    """The revision of the tables that are there; None for an empty database. Changes nothing.

    Raises StoreRefused. Not for a running event loop.
    """
    try:
        if location.file is None:
            return asyncio.run(_revision(location))
        with sqlite.reader_engine(location.url, patience_s=PATIENCE_S).connect() as connection:
            return _current(connection)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise StoreRefused(_advice(location, error)) from error


async def _revision(location: Location) -> str | None:
    engine = postgresql.reader_engine(location.url, patience_s=PATIENCE_S)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_current)
    finally:
        await engine.dispose()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for one connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def steps() -> tuple[str, ...]:
    """Every revision that this version knows, its own first."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return tuple(str(step.revision) for step in ScriptDirectory.from_config(config).walk_revisions())


def _advice(location: Location, error: Exception) -> str:
    if location.file is None:
        return f"DATABASE_URL {location}: {describe(error)}; check that the server runs and lets this user in"
    return f"{location.file}: {describe(error)}; if it is damaged, {recovery(location.file)}"
