"""What a piece of work sees of the connection that does its transaction, on either database."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol, TypeVarTuple, overload

from sqlalchemy import CursorResult, Dialect, Executable
from sqlalchemy.sql.selectable import TypedReturnsRows

Columns = TypeVarTuple("Columns")


class StoreConnection(Protocol):
    """SQLAlchemy's AsyncConnection keeps it, and so does SqliteConnection, on which nothing ever waits.

    Work awaits nothing else: on SQLite it runs in a thread without an event loop. No result outlives the transaction.
    """

    @property
    def dialect(self) -> Dialect:
        """Its `name` is sqlite or postgresql."""

    @property
    def info(self) -> MutableMapping[str, list[object]]:
        """Notes that stay with the connection, also from one transaction to the next."""

    @overload
    async def execute(
        self, statement: TypedReturnsRows[*Columns], parameters: Mapping[str, object] | None = None
    ) -> CursorResult[*Columns]: ...

    @overload
    async def execute(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> CursorResult[*tuple[Any, ...]]: ...
