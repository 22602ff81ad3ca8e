"""INSERT where the row may be there already, in the words of the database at hand."""

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

from adapters.store.connections import StoreConnection
from adapters.store.versions import wait_for_turn


async def insert_new(connection: StoreConnection, table: Table, values: Mapping[str, object]) -> None:
    """Insert a row; one that is there already stays as it is.

    Takes its turn first: it may have to wait for another transaction that inserts the same.
    """
    await wait_for_turn(connection)
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(make(table).values(values).on_conflict_do_nothing())


async def insert_or_replace(
    connection: StoreConnection, table: Table, values: Mapping[str, object], *, key: str | Sequence[str]
) -> None:
    """Insert a row, or give the one with the same `key`, a column or several, these values."""
    columns = (key,) if isinstance(key, str) else tuple(key)
    await connection.execute(_insert_or_replace(connection.dialect.name, table, tuple(values), columns), values)


# Building a statement takes longer than doing it.
@cache
def _insert_or_replace(dialect: str, table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> Executable:
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = make(table)
    given = {name: statement.excluded[name] for name in names}
    return statement.on_conflict_do_update(index_elements=key, set_=given)
