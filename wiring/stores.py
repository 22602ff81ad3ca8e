"""From settings to the store, and how a command beside the service reads and writes it."""

import asyncio

from adapters.store.choices import ACTIVE_MODEL, active_model_from, active_model_text, choice, choose
from adapters.store.engine import Location, Result, Store, Work, locate
from settings import Settings
from trading.errors import OperatorNeeded, StoreRefused, StoreUnavailable


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
