"""The stream that trains, tests and serves: the same bars give the same observation, whatever comes after them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_models.features.batch import observations
from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.features.stream import FeatureStream
from tests.fakes.bars import random_bars
from tests.fakes.market import HOUR_S, flat_bar
from trading.errors import FeaturesMissing, FeaturesWarmingUp
from trading.vocabulary import Action, Bar, Reading

SCHEMA = FeatureSchema(
    features=(
        FeatureSpec(name="close", feature="close"),
        FeatureSpec(name="rsi", feature="rsi", params={"n": 14}),
        FeatureSpec(name="volatility", feature="volatility", params={"n": 24}),
        FeatureSpec(name="macd", feature="macd_hist_pct", params={"fast": 12, "slow": 26, "signal": 9}),
        FeatureSpec(name="change", feature="change_24h"),
        FeatureSpec(name="confidence", feature="signal_confidence"),
        FeatureSpec(name="position", feature="position_exposure"),
    ),
    window=3,
)
CLOSE_ONLY = FeatureSchema(features=(FeatureSpec(name="close", feature="close"),))
BANDS = FeatureSchema(
    features=(FeatureSpec(name="bands", feature="bb_position", params={"n": 20, "k": 2.0}),), window=2
)
WARMUP = 40
READING = Reading(confidence=0.7, rsi=61.0, change_percent=-2.5, volume_usd=3e9, action=Action.SELL)
BARS = random_bars(160)


def pushed(schema: FeatureSchema, bars: list[Bar], *, warmup_bars: int = WARMUP) -> FeatureStream:
    stream = FeatureStream(schema, HOUR_S, warmup_bars)
    for bar in bars:
        stream.push(bar)
    return stream


def batch(bars: list[Bar]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    readings = [replace(READING, confidence=(place % 10) / 10) for place in range(len(bars))]
    exposures = [(place % 3) / 2 for place in range(len(bars))]
    return observations(SCHEMA, bars, readings, exposures, timeframe_s=HOUR_S, warmup_bars=WARMUP)


def test_an_observation_holds_the_last_bars_oldest_first_then_signal_and_position() -> None:
    seen = dict(zip(SCHEMA.names, pushed(SCHEMA, BARS).observe(READING, 0.5), strict=True))
    assert [seen[f"close[{time}]"] for time in ("t-2", "t-1", "t")] == [bar.close for bar in BARS[-3:]]
    assert (seen["confidence"], seen["position"]) == (0.7, 0.5)


def test_with_a_window_of_one_elements_keep_the_listed_order() -> None:
    cash = FeatureSpec(name="cash", feature="position_cash", params={"capital": 100.0})
    schema = FeatureSchema(features=(cash, FeatureSpec(name="close", feature="close")))
    assert pushed(schema, BARS).observe(None, 0.25).tolist() == [75.0, BARS[-1].close]


def test_batch_and_stream_agree_on_every_bar() -> None:
    rows = batch(BARS)
    stream = FeatureStream(SCHEMA, HOUR_S, WARMUP)
    for place, bar in enumerate(BARS):
        stream.push(bar)
        if stream.ready:
            live = stream.observe(replace(READING, confidence=(place % 10) / 10), (place % 3) / 2)
            np.testing.assert_allclose(live, rows[place], rtol=0.0, atol=1e-9)
    assert np.isnan(rows[: WARMUP - 1]).all()
    assert np.isfinite(rows[WARMUP - 1 :]).all()


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(min_value=WARMUP, max_value=len(BARS)))
def test_what_comes_after_a_bar_changes_nothing_at_it(cut: int) -> None:
    crashed = [
        replace(bar, open=bar.open / 9, high=bar.high / 9, low=bar.low / 9, close=bar.close / 9, volume_quote=0.0)
        for bar in BARS[cut:]
    ]
    whole, cut_short, other_future = batch(BARS), batch(BARS[:cut]), batch(BARS[:cut] + crashed)
    np.testing.assert_array_equal(cut_short, whole[:cut])
    np.testing.assert_array_equal(other_future[:cut], whole[:cut])


def test_the_observation_is_the_callers_to_keep() -> None:
    stream = pushed(SCHEMA, BARS)
    first = stream.observe(READING, 0.0)
    kept = first.copy()
    stream.push(replace(BARS[-1], open_time_s=BARS[-1].open_time_s + HOUR_S, close=1.0))
    stream.observe(READING, 1.0)
    np.testing.assert_array_equal(first, kept)


def test_before_the_warmup_is_over_there_is_no_observation() -> None:
    stream = pushed(SCHEMA, BARS[: WARMUP - 1])
    assert not stream.ready
    with pytest.raises(FeaturesWarmingUp, match="39 of 40"):
        stream.observe(READING, 0.0)
    stream.push(BARS[WARMUP - 1])
    assert stream.ready
    assert stream.observe(READING, 0.0).shape == (SCHEMA.size,)


def test_a_warmup_shorter_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than the window"):
        FeatureStream(SCHEMA, HOUR_S, 2)


@pytest.mark.parametrize(("missing", "seen"), [(SCHEMA.max_gap_bars, 81), (SCHEMA.max_gap_bars + 1, 1)])
def test_only_a_hole_longer_than_the_schema_allows_restarts_the_warmup(missing: int, seen: int) -> None:
    stream = pushed(SCHEMA, [*BARS[:80], BARS[80 + missing]])
    assert stream.bars_seen == seen


def test_after_a_restart_the_observation_is_that_of_the_new_bars_alone() -> None:
    after = BARS[90:150]
    np.testing.assert_array_equal(
        pushed(SCHEMA, [*BARS[:80], *after]).observe(READING, 0.5), pushed(SCHEMA, after).observe(READING, 0.5)
    )


@pytest.mark.parametrize("step_s", [0, -HOUR_S])
def test_a_bar_that_is_not_newer_is_refused_and_changes_nothing(step_s: int) -> None:
    stream = pushed(CLOSE_ONLY, BARS)
    with pytest.raises(ValueError, match="not newer"):
        stream.push(replace(BARS[-1], open_time_s=BARS[-1].open_time_s + step_s, close=1.0))
    assert stream.observe(None, 0.0).tolist() == [BARS[-1].close]


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume_base", "volume_quote"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_bar_that_is_not_finite_is_refused_and_changes_nothing(field: str, value: float) -> None:
    stream = pushed(SCHEMA, BARS[:100])
    expected = pushed(SCHEMA, BARS[:101]).observe(READING, 0.5)
    with pytest.raises(ValueError, match="not finite"):
        stream.push(replace(BARS[100], **{field: value}))
    stream.push(BARS[100])
    np.testing.assert_array_equal(stream.observe(READING, 0.5), expected)


@pytest.mark.parametrize("field", ["open", "high", "low", "close"])
def test_a_price_that_is_not_positive_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="not positive"):
        pushed(SCHEMA, [replace(BARS[0], **{field: 0.0})])


def test_a_signal_feature_without_a_reading_is_missing_not_zero() -> None:
    with pytest.raises(FeaturesMissing, match="no reading"):
        pushed(SCHEMA, BARS).observe(None, 0.0)


@pytest.mark.parametrize(("reading", "exposure"), [(replace(READING, confidence=math.nan), 0.0), (READING, math.nan)])
def test_a_signal_or_position_that_is_not_finite_is_missing(reading: Reading, exposure: float) -> None:
    with pytest.raises(FeaturesMissing, match="no finite value"):
        pushed(SCHEMA, BARS).observe(reading, exposure)


def test_a_feature_without_a_finite_value_is_missing_by_name_until_it_has_left_the_window() -> None:
    still = [flat_bar(place * HOUR_S) for place in range(30)]
    stream = pushed(BANDS, still, warmup_bars=20)
    stream.push(flat_bar(30 * HOUR_S, close=101.0))
    with pytest.raises(FeaturesMissing, match=r"no finite value for bands\[t-1\]"):
        stream.observe(None, 0.0)
    stream.push(flat_bar(31 * HOUR_S, close=102.0))
    assert np.isfinite(stream.observe(None, 0.0)).all()


def test_push_gives_the_market_features_of_its_bar() -> None:
    stream = FeatureStream(SCHEMA, HOUR_S, WARMUP)
    rows = [stream.push(bar) for bar in BARS[:60]]
    assert math.isnan(rows[0][1])
    assert rows[-1] == stream.observe(READING, 0.0)[10:15].tolist()
