"""A market of made-up prices for trying the service out; keeps trading.ports.Market."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from adapters.market_clock import ClockTerms, MarketClock
from adapters.simulated_prices import DAY_S, GENESIS_S, Floats, SimulatedPrices
from trading.errors import InvalidSetting, UnknownSymbol
from trading.vocabulary import SIMULATED, Bar

# How many bars of a symbol are kept made.
CACHED_BARS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """Which prices are made up: a bar is a function of the seed, its symbol and its open time, from GENESIS_S on.

    `timeframe_s` is whole minutes and divides a day, or this raises InvalidSetting. Bars of a longer timeframe are made
    of those of a shorter one.
    """

    seed: int
    symbols: tuple[str, ...]
    timeframe_s: int

    def __post_init__(self) -> None:
        if self.timeframe_s < 60 or self.timeframe_s % 60 or DAY_S % self.timeframe_s:
            raise InvalidSetting(
                f"timeframe {self.timeframe_s} s: a simulated bar is whole minutes long and divides a day"
            )

    @property
    def digest(self) -> str:
        """Names these bars (64 hexadecimal digits)."""
        words = f"{self.seed} {self.timeframe_s} {' '.join(sorted(self.symbols))}"
        return hashlib.sha256(words.encode()).hexdigest()


def simulation_terms(simulation: Simulation, *, speed: float) -> ClockTerms | None:
    """What every process of the same simulation agrees on; None at speed 1, where all live on the wall clock."""
    if speed == 1.0:
        return None
    return ClockTerms(source=SIMULATED, start_market_s=None, speed=speed, data_digest=simulation.digest)


class SimulatedMarket:
    """Bars made when asked for; the same from every process. Never ends."""

    def __init__(self, simulation: Simulation, clock: MarketClock, wall_s: Callable[[], float] = time.time) -> None:
        self._timeframe_s = simulation.timeframe_s
        self._clock = clock
        self._wall_s = wall_s
        self._prices = {symbol: SimulatedPrices(simulation.seed, symbol) for symbol in simulation.symbols}
        cached_days = max(CACHED_BARS * simulation.timeframe_s // DAY_S, 2) * len(self._prices)
        self._days = lru_cache(maxsize=cached_days)(self._make_day)

    @property
    def source(self) -> str:
        return SIMULATED

    @property
    def speed(self) -> float:
        return self._clock.speed

    @property
    def timeframe_s(self) -> int:
        return self._timeframe_s

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._prices))

    def now_s(self) -> float:
        return self._clock.now_s(self._wall_s())

    def closed_bars(self, symbol: str, *, after_s: int | None, limit: int) -> Sequence[Bar]:
        if symbol not in self._prices:
            raise UnknownSymbol(symbol)
        end = max(int((self.now_s() - GENESIS_S) // self._timeframe_s), 0)
        start = max(end - limit, 0)
        if after_s is not None:
            start = max(start, (after_s - GENESIS_S) // self._timeframe_s + 1)
        if start >= end:
            return ()
        a_day = DAY_S // self._timeframe_s
        bars: list[Bar] = []
        for day in range(start // a_day, (end - 1) // a_day + 1):
            bars += self._days(symbol, day)[max(start - day * a_day, 0) : end - day * a_day]
        return bars

    def wall_time_s(self, market_time_s: float) -> float:
        return self._clock.wall_time_s(market_time_s)

    def ended(self) -> bool:
        return False

    def _make_day(self, symbol: str, day: int) -> tuple[Bar, ...]:
        minutes = self._prices[symbol].minutes(day)
        first_s = GENESIS_S + day * DAY_S
        columns = (
            self._grouped(minutes.open)[:, 0],
            self._grouped(minutes.high).max(axis=1),
            self._grouped(minutes.low).min(axis=1),
            self._grouped(minutes.close)[:, -1],
            self._grouped(minutes.volume_base).sum(axis=1),
            self._grouped(minutes.volume_quote).sum(axis=1),
        )
        return tuple(
            Bar(open_time_s=open_s, open=o, high=h, low=low, close=c, volume_base=base, volume_quote=quote)
            for open_s, o, h, low, c, base, quote in zip(
                range(first_s, first_s + DAY_S, self._timeframe_s),
                *(column.tolist() for column in columns),
                strict=True,
            )
        )

    def _grouped(self, minutes: Floats) -> Floats:
        return np.reshape(minutes, (DAY_S // self._timeframe_s, -1))
