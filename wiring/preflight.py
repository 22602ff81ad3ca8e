"""What has to be right before a worker starts, checked once; every refusal says what to change."""

import asyncio
import logging
import os
import resource
from pathlib import Path

from adapters.store.engine import Location, Store
from adapters.store.instance import Instance
from adapters.store.schema import prepare
from adapters.store.soundness import require_sound
from adapters.store.wal import torn_bytes
from settings import Settings
from trading.errors import OperatorNeeded, StoreRefused, StoreUnavailable
from trading.ports import Market
from wiring.markets import market_notes, open_market
from wiring.metric_folder import remove_abandoned
from wiring.models import look_at_active_model, require_timeframe
from wiring.stores import find_store

log = logging.getLogger("rl_service.preflight")

# What a worker holds open besides sockets and requests: store, models, siblings, files for a moment.
OTHER_FILES = 256
_MOUNTS = Path("/proc/self/mountinfo")


def preflight(settings: Settings) -> Instance:
    """Claim DATA_DIR, bring the store to this version, open the market and the active model as a worker will.

    DATA_DIR stays claimed until the instance is released or this process ends. Raises OperatorNeeded and its kinds.
    """
    location = find_store(settings)
    instance = claim(settings)
    remove_abandoned()
    allow_files(settings.max_sockets + settings.max_concurrent_requests + OTHER_FILES)
    if file_system(settings.data_dir) == "tmpfs":
        log.warning("DATA_DIR %s is in memory: nothing survives a restart of this machine", settings.data_dir)
    inspect(location)
    prepare(location)
    market = asyncio.run(_open_market(settings, location))
    for note in market_notes(market):
        log.warning("market data: %s", note)
    if market.ended():
        log.warning("this replay has ended; `python -m wiring restart-market` lets it begin again")
    require_timeframe(look_at_active_model(settings), market)
    return instance


def claim(settings: Settings) -> Instance:
    """Take DATA_DIR, made if need be, for this process. Raises OperatorNeeded, StoreRefused."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorNeeded(f"DATA_DIR {settings.data_dir}: {error.strerror}") from error
    instance = Instance(settings.data_dir)
    instance.claim()
    return instance


def inspect(location: Location) -> None:
    """Report what a crash left of an SQLite file. Raises StoreRefused for a damaged one."""
    if location.file is None or not location.file.exists():
        return
    wal = location.file.with_name(f"{location.file.name}-wal")
    try:
        torn = torn_bytes(wal)
    except OSError as error:
        raise StoreRefused(f"{wal}: {error.strerror}") from error
    if torn:
        log.warning("%s: the last %d bytes are of no whole transaction; nobody was told of it, it is undone", wal, torn)
    if not require_sound(location.file):
        log.info("%s is too large to be checked whole", location.file)


def allow_files(needed: int) -> None:
    """Let this process and its workers open as many files as they may; tell when one may need more than that."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if needed > most != resource.RLIM_INFINITY:
        log.warning("a worker may open %d files, too few for MAX_SOCKETS and MAX_CONCURRENT_REQUESTS: %d", most, needed)


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as Linux calls it; empty where that cannot be told."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in _MOUNTS.read_text().splitlines() if _MOUNTS.exists() else ():
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == number:
            return kind.split()[0]
    return ""


async def _open_market(settings: Settings, location: Location) -> Market:
    store = Store(location)
    await store.start()
    try:
        return await open_market(settings, store)
    except StoreUnavailable as error:
        raise StoreRefused(f"store {location}: {error}") from error
    finally:
        await store.stop()
