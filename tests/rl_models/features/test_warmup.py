"""The measured warm-up is enough and no bar too long."""

import csv
from pathlib import Path

import numpy as np
import pytest

from rl_models.features.batch import market_rows, observations
from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.features.warmup import minimal_warmup
from tests.fakes.bars import random_bars
from tests.fakes.market import HOUR_S
from trading.vocabulary import Bar

CLOSE = FeatureSpec(name="close", feature="close")
RETURN = FeatureSpec(name="return", feature="log_return", params={"n": 10})
RSI = FeatureSpec(name="rsi", feature="rsi", params={"n": 14})
POSITION = FeatureSpec(name="position", feature="position_exposure")
BARS = random_bars(3_000)


@pytest.mark.parametrize(
    ("features", "window", "bars"),
    [((CLOSE,), 1, 1), ((CLOSE,), 4, 4), ((CLOSE, RETURN), 1, 11), ((RETURN, POSITION), 5, 15)],
)
def test_features_of_bounded_memory_need_exactly_their_bars(
    features: tuple[FeatureSpec, ...], window: int, bars: int
) -> None:
    assert minimal_warmup(FeatureSchema(features=features, window=window), BARS, timeframe_s=HOUR_S) == bars


def test_a_stream_started_one_warmup_earlier_observes_what_the_whole_history_does() -> None:
    schema = FeatureSchema(features=(RSI, RETURN), window=2)
    warmup = minimal_warmup(schema, BARS, timeframe_s=HOUR_S)
    whole = market_rows(schema, BARS, timeframe_s=HOUR_S)
    for end in range(1_000, 3_000, 97):
        late = BARS[end - warmup : end]
        nothing = [None] * warmup
        last = observations(schema, late, nothing, [0.0] * warmup, timeframe_s=HOUR_S, warmup_bars=warmup)[-1]
        np.testing.assert_allclose(last, whole[end - 2 : end].ravel(), rtol=0.0, atol=3e-9)


def test_a_looser_tolerance_needs_fewer_bars() -> None:
    schema = FeatureSchema(features=(RSI,))
    loose, strict = (minimal_warmup(schema, BARS, tolerance, timeframe_s=HOUR_S) for tolerance in (1e-3, 1e-9))
    assert 100 < loose < strict < 512


def test_too_few_bars_to_tell_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        minimal_warmup(FeatureSchema(features=(RSI,)), BARS[:1_000], timeframe_s=HOUR_S)


def test_rsi_14_on_real_hourly_bars_needs_between_300_and_400(shared_data: Path) -> None:
    with (shared_data / "crypto/BTCUSD_1h_2019-07_2022-02_raw.csv").open(newline="") as file:
        rows = [{name: row[name] for name in ("unix", "open", "high", "low", "close")} for row in csv.DictReader(file)]
    bars = [
        Bar(
            open_time_s=int(row["unix"]),
            open=float(row["open"]),
            high=float(row["high"]),
            low=float(row["low"]),
            close=float(row["close"]),
            volume_base=0.0,
            volume_quote=0.0,
        )
        for row in reversed(rows)
    ]
    assert 300 <= minimal_warmup(FeatureSchema(features=(RSI,)), bars, timeframe_s=HOUR_S) <= 400
