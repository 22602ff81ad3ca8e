"""`make doctor`: looks at everything the service stands on and says what to do about what is wrong."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.store.engine import Location
from adapters.store.schema import revision, steps
from adapters.store.soundness import require_sound
from settings import Settings, read_settings
from trading.errors import OperatorNeeded
from wiring.markets import look_at_market, market_notes
from wiring.models import find_models, look_at_active_model, require_timeframe
from wiring.stores import find_store

CONNECT_S = 1.0
EARLIEST_PLAUSIBLE_S = 1_767_225_600  # 2026-01-01: a clock before this was never set


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    mark: str
    subject: str
    text: str

    @property
    def failed(self) -> bool:
        """True when the service will not start, or not work, like this."""
        return self.mark == "FAILED"


def examine(read: Callable[[], Settings] = read_settings, wall_s: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Findings in the order of dependence: settings, store, clock, market, bundles, upstreams."""
    try:
        settings = read()
    except OperatorNeeded as error:
        yield _failed("settings", str(error).replace("\n", "; "))
        return
    yield _ok(
        "settings", f"{settings.workers} workers on {settings.host}:{settings.port}, {settings.placement} placement"
    )
    yield from _look("store", lambda: _store(settings))
    yield _clock(wall_s())
    yield from _look("market", lambda: _market(settings))
    yield from _look("bundles", lambda: _bundles(settings))
    for name in ("trading_service_url", "data_aggregator_url", "adaptive_threshold_url"):
        yield _upstream(name.upper(), getattr(settings, name))


def _look(subject: str, examine_it: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from examine_it()
    except OperatorNeeded as error:
        yield _failed(subject, str(error))


def _store(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    probe = folder / ".doctor"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        yield _failed("store", f"DATA_DIR {folder}: {error.strerror}; give a folder this user may write")
        return
    yield _ok("store", f"DATA_DIR {folder} can be written")
    yield _database(find_store(settings))


def _database(location: Location) -> Finding:
    if location.file is not None and not location.file.exists():
        return Finding(mark="note", subject="store", text=f"{location.file} will be made at the first start")
    if location.file is not None:
        require_sound(location.file)
    found, known = revision(location), steps()
    if found is None:
        return Finding(mark="note", subject="store", text=f"{location} is empty: the first start makes its tables")
    if found not in known:
        return _failed("store", f"{location} was made by another version of the service (tables {found})")
    later = "" if found == known[0] else f": the next start brings them to {known[0]}"
    return _ok("store", f"{location} answers, with tables {found}{later}")


def _clock(now_s: float) -> Finding:
    if now_s < EARLIEST_PLAUSIBLE_S:
        return _failed("clock", "the system clock is years behind; set it (signals and bars carry wall time)")
    return _ok("clock", "the system clock is plausible")


def _market(settings: Settings) -> Iterator[Finding]:
    market = look_at_market(settings)
    yield _ok("market", f"{market.source}: {', '.join(market.symbols())}, bars of {market.timeframe_s} s")
    for note in market_notes(market):
        yield Finding(mark="note", subject="market", text=note)
    if market.ended():
        yield _failed("market", "this replay has ended; `python -m wiring restart-market` lets it begin again")


def _bundles(settings: Settings) -> Iterator[Finding]:
    for refusal in find_models(settings).refusals:
        yield Finding(mark="note", subject="bundles", text=f"{refusal.path} is not used: {refusal.reason}")
    model = look_at_active_model(settings)
    require_timeframe(model, look_at_market(settings))
    yield _ok("bundles", f"{model.manifest.name}:{model.manifest.version} verified, {model.digest}")


def _upstream(name: str, url: str | None) -> Finding:
    if url is None:
        return Finding(mark="note", subject=name, text="not set: the service works without it")
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=CONNECT_S):
            return _ok(name, f"{parts.netloc} accepts connections")
    except OSError as error:
        return _failed(
            name, f"{parts.netloc} does not answer within {CONNECT_S:g} s ({error}); check the address and the network"
        )


def _ok(subject: str, text: str) -> Finding:
    return Finding(mark="ok", subject=subject, text=text)


def _failed(subject: str, text: str) -> Finding:
    return Finding(mark="FAILED", subject=subject, text=text)
