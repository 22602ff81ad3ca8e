"""From settings to the store, and how a command beside the service reads and writes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import TypeVar

from adapters.store.choices import ACTIVE_MODEL, active_model_from, active_model_text, choice, choose
from adapters.store.engine import Location, Result, Store, Work, locate
from settings import Settings
from trading.errors import OperatorNeeded, StoreRefused, StoreUnavailable

# A command beside the service may look at many rows at once; nobody waits for it.
COMMAND_WITHIN_S = 60.0
Item = TypeVar("Item")


def find_store(settings: Settings) -> Location:
    """The database of DATABASE_URL, else the file in DATA_DIR. Raises InvalidSetting."""
    url = None if settings.database_url is None else settings.database_url.get_secret_value()
    return locate(url, settings.data_dir)


def ask(location: Location, work: Work[Result]) -> Result | None:
    """One read; None when there is no store yet. Raises StoreRefused. Not for a running event loop."""
    if location.file is not None and not location.file.exists():
        return None
    return asyncio.run(_once(location, work, writes=False))


def tell(location: Location, work: Work[Result]) -> Result:
    """One durable write, which makes the store if need be. Raises StoreRefused. Not for a running event loop."""
    from adapters.store.schema import prepare  # a worker, which imports this too, makes no tables

    _make_folder(location)
    prepare(location)
    return asyncio.run(_once(location, work, writes=True))


def read_active_model(location: Location) -> str | None:
    """NAME:VERSION last activated; None when nothing ever was. Raises ValueError for a damaged record, StoreRefused."""
    return active_model_from(ask(location, choice(ACTIVE_MODEL)))


def write_active_model(location: Location, model: str) -> None:
    """Make NAME:VERSION the active one on all workers. Raises StoreRefused."""
    tell(location, choose(ACTIVE_MODEL, active_model_text(model)))


class OpenStore:
    """The store of a command that asks it many things, one after the other. Not for a running event loop."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._runner = asyncio.Runner()
        self._store = Store(location, patience_s=COMMAND_WITHIN_S)

    def __enter__(self) -> "OpenStore":
        """Open it. Raises StoreRefused where there is none yet."""
        if self._location.file is not None and not self._location.file.exists():
            raise StoreRefused(f"store {self._location}: there is none; start the service first")
        self._runner.run(self._store.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._runner.run(self._store.stop())
        self._runner.close()

    def read(self, work: Work[Result]) -> Result:
        """One read. Raises StoreRefused."""
        return self._run(lambda: self._store.read(work, within_s=COMMAND_WITHIN_S))

    def write(self, work: Work[Result]) -> Result:
        """One durable write. Raises StoreRefused."""
        return self._run(lambda: self._store.write(work, within_s=COMMAND_WITHIN_S))

    def stream(self, begin: Callable[[Store], AsyncIterator[Item]]) -> Iterator[Item]:
        """What a stream of reads brings, one by one. Raises StoreRefused."""
        items = begin(self._store)
        while True:
            try:
                yield self._run(lambda: anext(items))
            except StopAsyncIteration:
                return

    def _run(self, call: Callable[[], Awaitable[Result]]) -> Result:
        async def once() -> Result:
            return await call()

        try:
            return self._runner.run(once())
        except StoreUnavailable as error:
            raise StoreRefused(f"store {self._location}: {error}") from error


def _make_folder(location: Location) -> None:
    if location.file is None:
        return
    try:
        location.file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorNeeded(f"DATA_DIR {location.file.parent}: {error.strerror}") from error


async def _once(location: Location, work: Work[Result], *, writes: bool) -> Result:
    store = Store(location)
    await store.start()
    try:
        return await (store.write(work) if writes else store.read(work))
    except StoreUnavailable as error:
        raise StoreRefused(f"store {location}: {error}") from error
    finally:
        await store.stop()
