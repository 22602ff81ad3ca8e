"""From closed bars, a reading and a position to the raw observation: the one builder of training, batch and serving."""

import math

import numpy as np
from numpy.typing import NDArray

from rl_models.features.continuity import Continuity
from rl_models.features.indicators import Indicator
from rl_models.features.schema import FeatureSchema
from rl_models.features.table import FEATURES, MarketFeature, PositionFeature, SignalFeature
from trading.errors import FeaturesMissing, FeaturesWarmingUp
from trading.vocabulary import Bar, Reading


class CallerElements:
    """The elements of an observation that no bar decides: those of the signal and of the position."""

    def __init__(self, schema: FeatureSchema) -> None:
        first = schema.size - len(schema.features)
        rows = [(first + place, spec, FEATURES[spec.feature]) for place, spec in enumerate(schema.features)]
        self._signal = [(place, row.read) for place, _, row in rows if isinstance(row, SignalFeature)]
        self._position = [
            (place, row.open(**spec.params)) for place, spec, row in rows if isinstance(row, PositionFeature)
        ]

    def fill(self, observation: NDArray[np.float64], reading: Reading | None, exposure: float, close: float) -> None:
        """Writes them into `observation` (float64[size]); `close` is that of the observation's last bar.

        Raises FeaturesMissing when a signal feature has no reading, or a value is not finite.
        """
        total = 0.0
        if self._signal:
            if reading is None:
                raise FeaturesMissing("the schema has signal features and there is no reading")
            for place, read in self._signal:
                value = observation[place] = read(reading)
                total += value
        for place, take in self._position:
            value = observation[place] = take(exposure, close)
            total += value
        if not math.isfinite(total):
            raise FeaturesMissing("a signal or position feature has no finite value")


class FeatureStream:
    """One symbol's observation, kept current bar by bar. Not safe to push and observe from two threads at once.

    `warmup_bars` is the number of bars before the first observation; `minimal_warmup` measures it for a schema.
    """

    def __init__(self, schema: FeatureSchema, timeframe_s: int, warmup_bars: int) -> None:
        if warmup_bars < schema.window:
            raise ValueError(f"a warm-up of {warmup_bars} bars is shorter than the window of {schema.window}")
        self.schema = schema
        self.warmup_bars = warmup_bars
        self._continuity = Continuity(timeframe_s=timeframe_s, max_gap_bars=schema.max_gap_bars)
        self._caller = CallerElements(schema)
        self._slots = _market_slots(schema)
        self._market_size = len(self._slots) * schema.window
        self._market = np.zeros(schema.size)
        self._indicators: list[Indicator] = []
        self._finite_rows = 0
        self._bars_seen = 0
        self._close = math.nan

    @property
    def bars_seen(self) -> int:
        """Bars since the start or since the last hole longer than the schema allows."""
        return self._bars_seen

    @property
    def ready(self) -> bool:
        """True once the warm-up is over."""
        return self._bars_seen >= self.warmup_bars

    def push(self, bar: Bar) -> list[float]:
        """Takes the next closed bar, gives its market features in the schema's order, NaN while they warm up.

        Raises ValueError for one not newer than the last, or not finite and positive.
        """
        if not math.isfinite(bar.open + bar.high + bar.low + bar.close + bar.volume_base + bar.volume_quote):
            raise ValueError(f"bar opened at {bar.open_time_s} has a value that is not finite")
        if min(bar.open, bar.high, bar.low, bar.close) <= 0.0:
            raise ValueError(f"bar opened at {bar.open_time_s} has a price that is not positive")
        if not self._continuity.accept(bar):
            self._restart()
        row = [indicator(bar) for indicator in self._indicators]
        self._finite_rows = self._finite_rows + 1 if math.isfinite(sum(row)) else 0
        if self.schema.window > 1:
            width = len(row)
            self._market[: self._market_size - width] = self._market[width : self._market_size]
            self._market[self._market_size - width : self._market_size] = row
        else:
            self._market[self._slots] = row
        self._close = bar.close
        self._bars_seen += 1
        return row

    def observe(self, reading: Reading | None, exposure: float) -> NDArray[np.float64]:
        """The raw observation at the last bar, float64[size], the caller's to keep.

        Raises FeaturesWarmingUp before the warm-up is over, FeaturesMissing when an element has no finite value.
        """
        if self._bars_seen < self.warmup_bars:
            raise FeaturesWarmingUp(f"{self._bars_seen} of {self.warmup_bars} bars")
        if self._finite_rows < self.schema.window:
            raise FeaturesMissing(f"no finite value for {', '.join(self._missing_names())}")
        observation = self._market.copy()
        self._caller.fill(observation, reading, exposure, self._close)
        return observation

    def _restart(self) -> None:
        self._indicators = _open_indicators(self.schema)
        self._finite_rows = 0
        self._bars_seen = 0

    def _missing_names(self) -> list[str]:
        return [name for name, value in zip(self.schema.names, self._market, strict=True) if not math.isfinite(value)]


def _open_indicators(schema: FeatureSchema) -> list[Indicator]:
    rows = ((FEATURES[spec.feature], spec.params) for spec in schema.features)
    return [row.open(**params) for row, params in rows if isinstance(row, MarketFeature)]


def _market_slots(schema: FeatureSchema) -> NDArray[np.intp]:
    places = [place for place, spec in enumerate(schema.features) if spec.kind == "market"]
    return np.array(places, dtype=np.intp)
