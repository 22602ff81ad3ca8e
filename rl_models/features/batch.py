"""Observations over a whole history, through the same stream that serves."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rl_models.features.schema import FeatureSchema
from rl_models.features.stream import FeatureStream
from trading.errors import FeaturesMissing, FeaturesWarmingUp
from trading.vocabulary import Bar, Reading


def observations(
    schema: FeatureSchema,
    bars: Sequence[Bar],
    readings: Sequence[Reading | None],
    exposures: Sequence[float],
    *,
    timeframe_s: int,
    warmup_bars: int,
) -> NDArray[np.float64]:
    """The raw observation at each bar, float64[len(bars), size]; a row of NaN where there is none.

    `readings` and `exposures` are those at the close of the bar of the same index. A row is NaN while warming up, after
    a long hole, and where a feature (or the reading it needs) is missing.
    """
    stream = FeatureStream(schema, timeframe_s, warmup_bars)
    rows = np.full((len(bars), schema.size), math.nan)
    for place, (bar, reading, exposure) in enumerate(zip(bars, readings, exposures, strict=True)):
        stream.push(bar)
        try:
            rows[place] = stream.observe(reading, exposure)
        except (FeaturesWarmingUp, FeaturesMissing):
            continue
    return rows


def market_rows(schema: FeatureSchema, bars: Sequence[Bar], *, timeframe_s: int) -> NDArray[np.float64]:
    """The market features of each bar alone, without window or warm-up, float64[len(bars), market features].

    NaN where an indicator has not enough bars yet.
    """
    stream = FeatureStream(schema, timeframe_s, schema.window)
    return np.array([stream.push(bar) for bar in bars])
