"""Fresh stores with their tables, on SQLite and on a real PostgreSQL."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from adapters.store.engine import Location, Store, locate
from adapters.store.schema import prepare
from tests.fakes.postgres import cluster


def sqlite(folder: Path) -> Location:
    """A new file in `folder`."""
    location = locate(None, folder)
    prepare(location)
    return location


def postgresql(_: Path) -> Location:
    """A new database on the server of the tests."""
    return locate(cluster().url(cluster().new_database(_template())), Path())


@cache
def _template() -> str:
    name = cluster().new_database()
    prepare(locate(cluster().url(name), Path()))
    return name


STORES: Mapping[str, Callable[[Path], Location]] = {"sqlite": sqlite, "postgresql": postgresql}


@asynccontextmanager
async def running(location: Location) -> AsyncIterator[Store]:
    """A store of this event loop until the block ends."""
    store = Store(location)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()
