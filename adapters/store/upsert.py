"""INSERT where the row may be there already, in the words of the database at hand."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.versions import wait_for_turn


async def insert_new(connection: AsyncConnection, table: Table, values: Mapping[str, object]) -> None:
    """Insert a row; one that is there already stays as it is.

    Takes its turn first: it may have to wait for another transaction that inserts the same.
    """
    await wait_for_turn(connection)
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(make(table).values(values).on_conflict_do_nothing())


async def insert_or_replace(
    connection: AsyncConnection, table: Table, values: Mapping[str, object], *, key: Sequence[str]
) -> None:
    """Insert a row, or give the one with the same `key` these values."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(table).values(values)
    await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values))
