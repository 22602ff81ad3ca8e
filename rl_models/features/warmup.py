"""How many bars a schema needs before its features no longer depend on where the history began."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rl_models.features.batch import market_rows
from rl_models.features.schema import FeatureSchema
from trading.vocabulary import Bar

TOLERANCE = 1e-9

# Of a value: what TA-Lib's running sums lose to rounding over tens of thousands of bars (measured 1.4e-14 for BBANDS).
ROUNDING = 1e-13

STARTS = 128
SHORTEST_LOOK_BARS = 512


def minimal_warmup(
    schema: FeatureSchema, bars: Sequence[Bar], tolerance: float = TOLERANCE, *, timeframe_s: int
) -> int:
    """The smallest W such that a stream started W bars before t observes the same at t as one with the whole history.

    Measured from up to STARTS places in the last two thirds of `bars`: the last bar after a start at which any market
    feature differs by more than `tolerance`, or by more than rounding. Each start is followed for W and a third of it,
    so it is a figure of these bars, not a bound. Raises ValueError when `bars` are too few for that.
    """
    whole = market_rows(schema, bars, timeframe_s=timeframe_s)
    look_bars, longest = SHORTEST_LOOK_BARS, len(bars) // 3
    while look_bars <= longest:
        settled_bars = 0
        for start in np.unique(np.linspace(longest, len(bars) - look_bars, STARTS, dtype=int)):
            fresh = market_rows(schema, bars[start : start + look_bars], timeframe_s=timeframe_s)
            settled_bars = max(settled_bars, _last_difference(fresh, whole[start : start + look_bars], tolerance))
        if 4 * settled_bars <= 3 * look_bars:
            return settled_bars + schema.window
        look_bars *= 2
    raise ValueError(f"{len(bars)} bars are too few to measure the warm-up of this schema")


def _last_difference(fresh: NDArray[np.float64], whole: NDArray[np.float64], tolerance: float) -> int:
    allowed = np.maximum(tolerance, ROUNDING * np.abs(whole))
    missing_in_both = np.isnan(fresh) & np.isnan(whole)
    differs = ~((np.abs(fresh - whole) <= allowed) | missing_in_both).all(axis=1)
    places = np.flatnonzero(differs)
    return int(places[-1]) + 1 if places.size else 0
