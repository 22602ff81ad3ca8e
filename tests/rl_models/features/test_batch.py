"""Observations over a whole history."""

import numpy as np
import pytest

from rl_models.features.batch import market_rows, observations
from rl_models.features.schema import FeatureSchema, FeatureSpec
from tests.fakes.bars import random_bars
from tests.fakes.market import HOUR_S
from trading.vocabulary import Action, Reading

CLOSE = FeatureSpec(name="close", feature="close")
CHANGE = FeatureSpec(name="change", feature="log_return", params={"n": 1})
CONFIDENCE = FeatureSpec(name="confidence", feature="signal_confidence")
READING = Reading(confidence=0.7, rsi=61.0, change_percent=-2.5, volume_usd=3e9, action=Action.SELL)
BARS = random_bars(12)


def test_a_row_is_nan_where_the_reading_it_needs_is_missing() -> None:
    schema = FeatureSchema(features=(CLOSE, CONFIDENCE))
    readings = [None if place == 5 else READING for place in range(12)]
    rows = observations(schema, BARS, readings, [0.0] * 12, timeframe_s=HOUR_S, warmup_bars=2)
    assert np.flatnonzero(np.isnan(rows).all(axis=1)).tolist() == [0, 5]
    assert np.isnan(rows).any(axis=1).sum() == 2


def test_a_long_hole_gives_rows_of_nan_until_warm_again() -> None:
    bars = BARS[:4] + BARS[9:]
    rows = observations(
        FeatureSchema(features=(CLOSE,)), bars, [None] * 7, [0.0] * 7, timeframe_s=HOUR_S, warmup_bars=3
    )
    assert np.isnan(rows[:, 0]).tolist() == [True, True, False, False, True, True, False]


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        observations(FeatureSchema(features=(CLOSE,)), BARS, [None] * 11, [0.0] * 12, timeframe_s=HOUR_S, warmup_bars=1)


def test_market_rows_hold_one_row_a_bar_whatever_the_window() -> None:
    schema = FeatureSchema(features=(CLOSE, CHANGE, CONFIDENCE), window=4)
    rows = market_rows(schema, BARS, timeframe_s=HOUR_S)
    assert rows.shape == (12, 2)
    assert rows[:, 0].tolist() == [bar.close for bar in BARS]
    assert np.isnan(rows[:, 1]).tolist() == [True] + [False] * 11
