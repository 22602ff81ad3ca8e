"""A policy followed bar by bar, through the same streams and the same bundle that serve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rl_models.bundle import Bundle
from rl_models.features.stream import FeatureStream
from rl_models.signal_generator import SignalGenerator
from rl_models.training.costs import AccountPath, FloatArray, TradingCosts, drifted, follow
from rl_models.training.history import Series
from trading.errors import FeaturesMissing, FeaturesWarmingUp
from trading.vocabulary import Bar, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What a policy decided on one symbol at m closes in a row, starting flat; arrays are [m].

    `close_times_s` (Unix seconds) and `closes` are those of the bar decided on, `positions` the exposure before and
    `targets` after the decision, `scores` the confidence scores before calibration. Where `advised` is False there were
    no features: the position is kept and the score is 0.
    """

    symbol: str
    close_times_s: NDArray[np.int64]
    closes: FloatArray
    positions: FloatArray
    targets: FloatArray
    scores: FloatArray
    advised: NDArray[np.bool_]

    @property
    def bar_returns(self) -> FloatArray:
        """float64[m - 1]: what each close but the last earned to the next."""
        return self.closes[1:] / self.closes[:-1] - 1.0

    def account(self, costs: TradingCosts) -> AccountPath:
        """The account that followed the targets; the last decision earns nothing that is known."""
        return follow(self.targets[:-1], self.bar_returns, costs)


def roll_out(bundle: Bundle, series: Series, *, first_s: int, end_s: int) -> Rollout:
    """The decisions on bars opened in [first_s, end_s); those before only warm up, as many as the bundle asks for."""
    first = int(np.searchsorted([bar.open_time_s for bar in series.bars], first_s))
    known = [bar for bar in series.bars[max(first - _history_bars(bundle, series), 0) :] if bar.open_time_s < end_s]
    observer = _Observer(bundle, series.timeframe_s)
    decided: list[tuple[int, float, float, float, float, bool]] = []
    for bar in known:
        reading = observer.push(bar)
        if bar.open_time_s < first_s:
            continue
        position = drifted(decided[-1][3], bar.close / decided[-1][1] - 1.0) if decided else 0.0
        answer = observer.ask(reading, position)
        target, score = answer or (position, 0.0)
        close_time_s = bar.open_time_s + series.timeframe_s
        decided.append((close_time_s, bar.close, position, target, score, answer is not None))
    return _rollout(series.symbol, decided)


def roll_out_all(bundle: Bundle, series: Series) -> Rollout:
    """The decisions on every bar after the warm-up."""
    bars = series.bars
    first = min(_warmup_bars(bundle), len(bars) - 1)
    return roll_out(bundle, series, first_s=bars[first].open_time_s, end_s=bars[-1].open_time_s + series.timeframe_s)


class _Observer:
    """The streams of one symbol that a bundle needs, fed with the generator's signals."""

    def __init__(self, bundle: Bundle, timeframe_s: int) -> None:
        self._bundle = bundle
        self._signals = SignalGenerator(timeframe_s)
        warmup_bars = _warmup_bars(bundle)
        self._streams = {
            network.schema.digest: FeatureStream(network.schema, timeframe_s, warmup_bars)
            for network in bundle.networks
            if network.schema is not None
        }

    def push(self, bar: Bar) -> Reading | None:
        for stream in self._streams.values():
            stream.push(bar)
        return self._signals.update(bar)

    def ask(self, reading: Reading | None, position: float) -> tuple[float, float] | None:
        try:
            rows = {digest: stream.observe(reading, position)[None, :] for digest, stream in self._streams.items()}
        except (FeaturesWarmingUp, FeaturesMissing):
            return None
        targets, scores, _ = self._bundle.targets(rows, np.array([position]))
        return float(targets[0]), float(scores[0])


def _history_bars(bundle: Bundle, series: Series) -> int:
    day_bars = 86_400 // series.timeframe_s + 1
    return max(day_bars, _warmup_bars(bundle))


def _warmup_bars(bundle: Bundle) -> int:
    return max(network.warmup_bars for network in bundle.networks)


def _rollout(symbol: str, decided: Sequence[tuple[int, float, float, float, float, bool]]) -> Rollout:
    close_times_s, closes, positions, targets, scores, advised = zip(*decided, strict=True)
    return Rollout(
        symbol=symbol,
        close_times_s=np.array(close_times_s, dtype=np.int64),
        closes=np.array(closes),
        positions=np.array(positions),
        targets=np.array(targets),
        scores=np.array(scores),
        advised=np.array(advised),
    )
