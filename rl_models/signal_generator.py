"""The signal of a symbol from its closed bars alone, for training, acting agents and shadows.

RSI 14, change and quote volume over 24 hours. The action is momentum that price and RSI agree on: BUY when the change
is positive and the RSI above 50, SELL when it is negative and the RSI below 50, else HOLD. The confidence is the
strength of that momentum, 1 - exp(-|change_percent| / 2): 0.63 at 2 %, 0.92 at 5 %, and 0 for HOLD. No probability.
"""

import math

from rl_models.features import indicators
from rl_models.features.continuity import Continuity
from rl_models.features.memory import DAY_S
from rl_models.features.schema import MAX_GAP_BARS
from trading.vocabulary import Action, Bar, Reading

RSI_BARS = 14
RSI_MIDDLE = 50.0
MOMENTUM_SCALE_PERCENT = 2.0


class SignalGenerator:
    """One symbol's signal, kept current bar by bar. A hole of more than MAX_GAP_BARS missing bars starts it anew."""

    def __init__(self, timeframe_s: int) -> None:
        if not 0 < timeframe_s <= DAY_S:
            raise ValueError(f"a timeframe of {timeframe_s} s is outside 1..{DAY_S}")
        self._continuity = Continuity(timeframe_s=timeframe_s, max_gap_bars=MAX_GAP_BARS)
        self._restart()

    def update(self, bar: Bar) -> Reading | None:
        """The signal at the close of this bar; None until 24 hours and RSI_BARS + 1 bars were seen.

        Raises ValueError for a bar that is not newer than the last.
        """
        if not self._continuity.accept(bar):
            self._restart()
        rsi, change_percent, volume_usd = self._rsi(bar), self._change_24h(bar), self._quote_volume_24h(bar)
        if not math.isfinite(rsi + change_percent + volume_usd):
            return None
        action = momentum(rsi, change_percent)
        return Reading(
            confidence=strength(change_percent) if action is not Action.HOLD else 0.0,
            rsi=min(max(rsi, 0.0), 100.0),
            change_percent=change_percent,
            volume_usd=volume_usd,
            action=action,
        )

    def _restart(self) -> None:
        self._rsi = indicators.rsi(RSI_BARS)
        self._change_24h = indicators.change_24h()
        self._quote_volume_24h = indicators.quote_volume_24h()


def momentum(rsi: float, change_percent: float) -> Action:
    """BUY or SELL when the change over 24 hours and the RSI point the same way, else HOLD."""
    if change_percent > 0.0 and rsi > RSI_MIDDLE:
        return Action.BUY
    if change_percent < 0.0 and rsi < RSI_MIDDLE:
        return Action.SELL
    return Action.HOLD


def strength(change_percent: float) -> float:
    """The confidence of a move of this size over 24 hours, 0..1."""
    return 1.0 - math.exp(-abs(change_percent) / MOMENTUM_SCALE_PERCENT)
