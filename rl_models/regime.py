"""A label for the market's mood by a fixed rule, from closed bars alone: trend tercile / volatility tercile. No model.

Over the last SPAN_BARS one-bar log returns, volatility is their population standard deviation and trend their sum
divided by volatility x sqrt(SPAN_BARS). Each is ranked within its own last HISTORY_BARS values, this bar's included.
Volatility is `calm`, `normal` or `wild` by its tercile. The trend is `up` in the upper tercile of a market that rose
over the span, `down` in the lower tercile of one that fell, else `sideways`.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque

from rl_models.features import indicators
from rl_models.features.continuity import Continuity
from rl_models.features.schema import MAX_GAP_BARS
from trading.vocabulary import Bar

SPAN_BARS = 24
HISTORY_BARS = 336
WARMUP_BARS = SPAN_BARS + HISTORY_BARS

TRENDS = ("down", "sideways", "up")
VOLATILITIES = ("calm", "normal", "wild")


class RegimeStream:
    """One symbol's regime, kept current bar by bar. A hole of more than MAX_GAP_BARS missing bars starts it anew."""

    def __init__(self, timeframe_s: int) -> None:
        self._continuity = Continuity(timeframe_s=timeframe_s, max_gap_bars=MAX_GAP_BARS)
        self._volatility = indicators.volatility(SPAN_BARS)
        self._log_return = indicators.log_return(SPAN_BARS)
        self._trends = _Terciles(HISTORY_BARS)
        self._volatilities = _Terciles(HISTORY_BARS)
        self._label: str | None = None

    @property
    def label(self) -> str | None:
        """`up/calm`, `sideways/wild` and so on, at the last bar; None before WARMUP_BARS bars."""
        return self._label

    def update(self, bar: Bar) -> None:
        """Takes the next closed bar. Raises ValueError for one that is not newer than the last."""
        if not self._continuity.accept(bar):
            self._restart()
        volatility, change = self._volatility(bar), self._log_return(bar)
        if math.isnan(volatility):
            return
        trend = change / (volatility * math.sqrt(SPAN_BARS)) if volatility > 0.0 else 0.0
        trend_tercile, volatility_tercile = self._trends.push(trend), self._volatilities.push(volatility)
        if self._trends.full:
            self._label = f"{_trend_word(trend_tercile, trend)}/{VOLATILITIES[volatility_tercile]}"

    def _restart(self) -> None:
        self._volatility = indicators.volatility(SPAN_BARS)
        self._log_return = indicators.log_return(SPAN_BARS)
        self._trends = _Terciles(HISTORY_BARS)
        self._volatilities = _Terciles(HISTORY_BARS)
        self._label = None


class _Terciles:
    def __init__(self, length: int) -> None:
        self._length = length
        self._recent: deque[float] = deque()
        self._ordered: list[float] = []

    @property
    def full(self) -> bool:
        return len(self._recent) == self._length

    def push(self, value: float) -> int:
        if self.full:
            del self._ordered[bisect_left(self._ordered, self._recent.popleft())]
        self._recent.append(value)
        insort(self._ordered, value)
        # The middle of the places the value takes, so that a market without motion is in the middle tercile.
        middle = (bisect_left(self._ordered, value) + bisect_right(self._ordered, value)) / 2
        return min(int(3 * middle / len(self._ordered)), 2)


def _trend_word(tercile: int, trend: float) -> str:
    if tercile == 2 and trend > 0.0:
        return TRENDS[2]
    if tercile == 0 and trend < 0.0:
        return TRENDS[0]
    return TRENDS[1]
