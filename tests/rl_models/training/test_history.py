"""A history holds the observations that serving would build, and training sees no others."""

import numpy as np
import pytest

from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.features.stream import FeatureStream
from rl_models.signal_generator import SignalGenerator
from rl_models.training.history import (
    History,
    Series,
    build_history,
    fit_normalisation,
    position_columns,
)
from rl_models.training.study import SCHEMA
from tests.fakes.bars import random_bars
from tests.fakes.market import EPOCH_S, HOUR_S
from trading.vocabulary import Bar

WARMUP_BARS = 200
END_S = EPOCH_S + 10_000 * HOUR_S


def history(bars: list[Bar]) -> History:
    return build_history(Series(symbol="BTC", timeframe_s=HOUR_S, bars=bars), SCHEMA, WARMUP_BARS)


def test_every_row_is_the_observation_of_a_stream_at_that_bar() -> None:
    bars = random_bars(260)
    rows = history(bars).observations
    stream, generator = FeatureStream(SCHEMA, HOUR_S, WARMUP_BARS), SignalGenerator(HOUR_S)
    for place, bar in enumerate(bars):
        stream.push(bar)
        reading = generator.update(bar)
        if stream.ready:
            assert rows[place].tolist() == stream.observe(reading, 0.0).tolist()
        else:
            assert np.isnan(rows[place]).all()


def test_bars_that_come_later_change_no_row_before_them() -> None:
    bars = random_bars(300)
    whole, cut = history(bars).observations, history(bars[:250]).observations
    np.testing.assert_array_equal(whole[:250], cut)


def test_a_hole_ends_a_stretch_and_the_next_starts_after_the_warm_up() -> None:
    bars = random_bars(700)
    past = history([*bars[:300], *bars[320:]])
    stretches = past.stretches(0, END_S, fit_normalisation(past.rows(0, END_S), SCHEMA))
    assert [len(stretch.observations) for stretch in stretches] == [101, 181]
    assert [len(stretch.bar_returns) for stretch in stretches] == [100, 180]


def test_a_stretch_stays_inside_the_times_asked_for() -> None:
    past = history(random_bars(400))
    normalisation = fit_normalisation(past.rows(0, END_S), SCHEMA)
    start_s, end_s = EPOCH_S + 250 * HOUR_S, EPOCH_S + 300 * HOUR_S
    [stretch] = past.stretches(start_s, end_s, normalisation)
    assert len(stretch.observations) == 50
    assert stretch.bar_returns.tolist() == (past.closes[251:300] / past.closes[250:299] - 1.0).tolist()


def test_normalised_rows_have_mean_0_and_deviation_1_but_for_the_exposure() -> None:
    past = history(random_bars(1_000))
    normalisation = fit_normalisation(past.rows(0, END_S), SCHEMA)
    [stretch] = past.stretches(0, END_S, normalisation)
    [exposure] = position_columns(SCHEMA)
    features = np.delete(stretch.observations, exposure, axis=1)
    assert np.abs(features.mean(axis=0)).max() < 0.05
    assert features.std(axis=0) == pytest.approx(1.0, abs=0.05)
    assert (normalisation.mean[exposure], normalisation.std[exposure]) == (0.0, 1.0)


def test_a_position_feature_that_the_environment_cannot_give_is_refused() -> None:
    cash = FeatureSpec(name="cash", feature="position_cash", params={"capital": 1_000.0})
    close = FeatureSpec(name="close", feature="close")
    with pytest.raises(ValueError, match="position_cash"):
        position_columns(FeatureSchema(features=(close, cash)))


def test_the_exposure_is_found_after_a_window_of_market_features() -> None:
    close, exposure = FeatureSpec(name="close", feature="close"), FeatureSpec(name="e", feature="position_exposure")
    schema = FeatureSchema(features=(close, exposure), window=4)
    assert schema.names[position_columns(schema)[0]] == "e"
