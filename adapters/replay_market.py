"""Replays recorded bars on the market's clock; keeps trading.ports.Market."""

import hashlib
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from adapters.dataset import Dataset, iso
from adapters.market_clock import ClockTerms, MarketClock
from trading.errors import DatasetRefused, InvalidSetting, UnknownSymbol
from trading.vocabulary import Bar

REPLAY = "replay"

# How many closed bars a replay begins with: more than the longest warm-up measured for a policy's features.
OPENING_BARS = 600


class ReplayMarket:
    """Recorded bars of one or more symbols, each visible from its close on the shared clock on; ends after the last."""

    def __init__(
        self, datasets: Mapping[str, Dataset], clock: MarketClock, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._datasets = dict(datasets)
        self._clock = clock
        self._wall_s = wall_s
        self._timeframe_s = next(iter(self._datasets.values())).timeframe_s
        self._last_close_s = max(dataset.last_close_s for dataset in self._datasets.values())

    @property
    def source(self) -> str:
        return REPLAY

    @property
    def speed(self) -> float:
        return self._clock.speed

    @property
    def timeframe_s(self) -> int:
        return self._timeframe_s

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """What is replayed, with its reports, by symbol."""
        return self._datasets

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._datasets))

    def now_s(self) -> float:
        return self._clock.now_s(self._wall_s())

    def closed_bars(self, symbol: str, *, after_s: int | None, limit: int) -> Sequence[Bar]:
        if symbol not in self._datasets:
            raise UnknownSymbol(symbol)
        bars = self._datasets[symbol].bars
        end = bisect_right(bars, self.now_s() - self._timeframe_s, key=_open_time_s)
        start = max(end - limit, 0)
        if after_s is not None:
            start = max(start, bisect_right(bars, after_s, key=_open_time_s))
        return bars[start:end]

    def wall_time_s(self, market_time_s: float) -> float:
        return self._clock.wall_time_s(market_time_s)

    def ended(self) -> bool:
        return self.now_s() > self._last_close_s


def replay_terms(datasets: Mapping[str, Dataset], *, speed: float, start_s: float | None = None) -> ClockTerms:
    """What every process of the same replay agrees on; `start_s` (market time, Unix seconds) None: `default_start_s`.

    Raises DatasetRefused when the datasets do not go together, InvalidSetting when the start is outside them.
    """
    _require_one_timeframe(datasets)
    start_s = default_start_s(datasets) if start_s is None else start_s
    _require_start_inside(datasets, start_s)
    return ClockTerms(source=REPLAY, start_market_s=start_s, speed=speed, data_digest=digest(datasets))


def default_start_s(datasets: Mapping[str, Dataset]) -> int:
    """The first market time (Unix seconds) at which every symbol has OPENING_BARS closed bars.

    Raises DatasetRefused when one has no bar left after that.
    """
    for symbol, dataset in datasets.items():
        if len(dataset.bars) <= OPENING_BARS:
            raise DatasetRefused(
                f"{symbol}: {len(dataset.bars)} bars; a replay without a start needs more than {OPENING_BARS}"
            )
    return max(dataset.bars[OPENING_BARS - 1].open_time_s + dataset.timeframe_s for dataset in datasets.values())


def digest(datasets: Mapping[str, Dataset]) -> str:
    """Names these bars under these symbols: another file, symbol or timeframe gives another (64 hexadecimal digits)."""
    rows = sorted(f"{symbol} {dataset.timeframe_s} {dataset.sha256}" for symbol, dataset in datasets.items())
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _require_one_timeframe(datasets: Mapping[str, Dataset]) -> None:
    if not datasets:
        raise DatasetRefused("a replay needs at least one file of bars")
    if len({dataset.timeframe_s for dataset in datasets.values()}) > 1:
        found = ", ".join(f"{symbol} {dataset.timeframe_s} s" for symbol, dataset in sorted(datasets.items()))
        raise DatasetRefused(f"the files of a replay must have one timeframe: {found}")


def _require_start_inside(datasets: Mapping[str, Dataset], start_s: float) -> None:
    first_s = min(dataset.first_close_s for dataset in datasets.values())
    last_s = max(dataset.last_close_s for dataset in datasets.values())
    if not first_s <= start_s <= last_s:
        raise InvalidSetting(f"replay start {iso(start_s)} is outside the bars: {iso(first_s)} to {iso(last_s)}")


def _open_time_s(bar: Bar) -> int:
    return bar.open_time_s
