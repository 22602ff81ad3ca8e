"""How connections to PostgreSQL are opened, do a transaction each, and are given up at once when they are lost."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.store.failures import is_away

Result = TypeVar("Result")

WRITERS = 1
READERS = 2


def writer_engine(url: URL, *, patience_s: float) -> AsyncEngine:
    """Transactions see what others commit meanwhile: read what you change with a row lock."""
    return _engine(url, "READ COMMITTED", {}, size=WRITERS, patience_s=patience_s)


def reader_engine(url: URL, *, patience_s: float) -> AsyncEngine:
    """Transactions see one state and change nothing."""
    settings = {"default_transaction_read_only": "on"}
    return _engine(url, "REPEATABLE READ", settings, size=READERS, patience_s=patience_s)


class PostgresqlConnections:
    """Keeps adapters.store.channel.Connections."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def transact(
        self, work: Callable[[AsyncConnection], Awaitable[Result]], *, then: Callable[[Result], None]
    ) -> Result:
        """See Connections."""
        async with self._engine.connect() as connection:
            try:
                transaction = await connection.begin()
                result = await work(connection)
                await transaction.commit()
            except BaseException as error:
                # Cancelled or not answered: the other side may be in the middle of it. Else closing rolls back.
                if is_away(error) or not isinstance(error, Exception):
                    await _abandon(connection)
                raise
        then(result)
        return result

    async def close(self) -> None:
        """See Connections."""
        await self._engine.dispose()


async def _abandon(connection: AsyncConnection) -> None:
    # SQLAlchemy would say goodbye first, and wait two seconds for an answer: the other side may not listen.
    if connection.invalidated:
        return  # SQLAlchemy saw that it is closed
    driver: Any = (await connection.get_raw_connection()).driver_connection
    driver.terminate()
    await connection.invalidate()


def _engine(url: URL, isolation: str, settings: Mapping[str, str], *, size: int, patience_s: float) -> AsyncEngine:
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
