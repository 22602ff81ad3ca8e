"""Seeded random bars for tests that need a market with motion in it."""

import numpy as np

from tests.fakes.market import EPOCH_S, HOUR_S
from trading.vocabulary import Bar


def random_bars(count: int, *, seed: int = 7, timeframe_s: int = HOUR_S, start_price: float = 100.0) -> list[Bar]:
    """Bars in a row whose close is a random walk of 1 % a bar and whose quote volume is around a million."""
    rng = np.random.default_rng(seed)
    closes = start_price * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    opens = closes * np.exp(rng.normal(0.0, 0.003, count))
    highs = np.maximum(opens, closes) * np.exp(np.abs(rng.normal(0.0, 0.003, count)))
    lows = np.minimum(opens, closes) * np.exp(-np.abs(rng.normal(0.0, 0.003, count)))
    volumes = rng.lognormal(np.log(1e6), 0.5, count)
    columns = zip(opens.tolist(), highs.tolist(), lows.tolist(), closes.tolist(), volumes.tolist(), strict=True)
    return [
        Bar(
            open_time_s=EPOCH_S + place * timeframe_s,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume_base=volume / close,
            volume_quote=volume,
        )
        for place, (opened, high, low, close, volume) in enumerate(columns)
    ]
