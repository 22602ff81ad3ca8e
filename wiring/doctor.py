"""`make doctor`: looks at everything the service stands on and says what to do about what is wrong."""

import time
from collections.abc import Callable, Iterator

from adapters.store.engine import Location
from adapters.store.schema import revision, steps
from adapters.store.soundness import require_sound
from settings import Settings, read_settings
from trading.errors import OperatorNeeded
from wiring.doctor_neighbours import look_at_live, look_at_neighbours
from wiring.findings import Finding, failed, note, ok
from wiring.markets import look_at_market, market_notes
from wiring.models import find_models, look_at_active_model, require_timeframe
from wiring.stores import find_store

EARLIEST_PLAUSIBLE_S = 1_767_225_600  # 2026-01-01: a clock before this was never set


def examine(read: Callable[[], Settings] = read_settings, wall_s: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Findings in the order of dependence: settings, store, clock, market, bundles, services beside us, live orders.

    Not for a running event loop.
    """
    try:
        settings = read()
    except OperatorNeeded as error:
        yield failed("settings", str(error).replace("\n", "; "))
        return
    yield ok(
        "settings", f"{settings.workers} workers on {settings.host}:{settings.port}, {settings.placement} placement"
    )
    yield from _look("store", lambda: _store(settings))
    yield _clock(wall_s())
    yield from _look("market", lambda: _market(settings))
    yield from _look("bundles", lambda: _bundles(settings))
    seen = look_at_neighbours(settings)
    yield from seen.findings
    yield look_at_live(settings, seen.version)


def _look(subject: str, examine_it: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from examine_it()
    except OperatorNeeded as error:
        yield failed(subject, str(error))


def _store(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    probe = folder / ".doctor"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        yield failed("store", f"DATA_DIR {folder}: {error.strerror}; give a folder this user may write")
        return
    yield ok("store", f"DATA_DIR {folder} can be written")
    yield _database(find_store(settings))


def _database(location: Location) -> Finding:
    if location.file is not None and not location.file.exists():
        return note("store", f"{location.file} will be made at the first start")
    if location.file is not None:
        require_sound(location.file)
    found, known = revision(location), steps()
    if found is None:
        return note("store", f"{location} is empty: the first start makes its tables")
    if found not in known:
        return failed("store", f"{location} was made by another version of the service (tables {found})")
    later = "" if found == known[0] else f": the next start brings them to {known[0]}"
    return ok("store", f"{location} answers, with tables {found}{later}")


def _clock(now_s: float) -> Finding:
    if now_s < EARLIEST_PLAUSIBLE_S:
        return failed("clock", "the system clock is years behind; set it (signals and bars carry wall time)")
    return ok("clock", "the system clock is plausible")


def _market(settings: Settings) -> Iterator[Finding]:
    market = look_at_market(settings)
    yield ok("market", f"{market.source}: {', '.join(market.symbols())}, bars of {market.timeframe_s} s")
    for text in market_notes(market):
        yield note("market", text)
    if market.ended():
        yield failed("market", "this replay has ended; `python -m wiring restart-market` lets it begin again")


def _bundles(settings: Settings) -> Iterator[Finding]:
    for refusal in find_models(settings).refusals:
        yield note("bundles", f"{refusal.path} is not used: {refusal.reason}")
    model = look_at_active_model(settings)
    require_timeframe(model, look_at_market(settings))
    yield ok("bundles", f"{model.manifest.name}:{model.manifest.version} verified, {model.digest}")
