"""The regime is a rule over past bars: a second computation over whole columns gives the same words."""

from dataclasses import replace

import numpy as np
import pytest

from rl_models.regime import HISTORY_BARS, SPAN_BARS, TRENDS, VOLATILITIES, WARMUP_BARS, RegimeStream
from tests.fakes.bars import random_bars
from tests.fakes.market import HOUR_S, bars_from_closes, flat_bar
from trading.vocabulary import Bar

BARS = random_bars(900)


def labels(bars: list[Bar]) -> list[str | None]:
    regime = RegimeStream(HOUR_S)
    found = []
    for bar in bars:
        regime.update(bar)
        found.append(regime.label)
    return found


def label_of_columns(bars: list[Bar]) -> str:
    closes = np.array([bar.close for bar in bars])
    spans = np.lib.stride_tricks.sliding_window_view(np.diff(np.log(closes)), SPAN_BARS)[-HISTORY_BARS:]
    volatility, change = spans.std(axis=1), spans.sum(axis=1)
    trend = change / (volatility * np.sqrt(SPAN_BARS))
    ranks = [(values < values[-1]).sum() / HISTORY_BARS for values in (trend, volatility)]
    direction = "up" if ranks[0] >= 2 / 3 and change[-1] > 0 else "down" if ranks[0] < 1 / 3 and change[-1] < 0 else ""
    return f"{direction or 'sideways'}/{VOLATILITIES[int(3 * ranks[1])]}"


def test_the_streamed_label_is_that_of_the_rule_over_whole_columns() -> None:
    found = labels(BARS)
    assert found[WARMUP_BARS - 1 :] == [label_of_columns(BARS[: end + 1]) for end in range(WARMUP_BARS - 1, len(BARS))]


def test_every_label_is_a_trend_and_a_volatility_and_all_three_of_each_occur() -> None:
    pairs = [label.split("/") for label in labels(BARS) if label is not None]
    assert {trend for trend, _ in pairs} == set(TRENDS)
    assert {volatility for _, volatility in pairs} == set(VOLATILITIES)


def test_there_is_no_label_before_the_warmup() -> None:
    found = labels(BARS[:WARMUP_BARS])
    assert found[:-1] == [None] * (WARMUP_BARS - 1)
    assert found[-1] is not None


def test_what_comes_after_a_bar_changes_nothing_at_it() -> None:
    cut = 500
    crashed = [replace(bar, close=bar.close / 9) for bar in BARS[cut:]]
    assert labels(BARS[:cut] + crashed)[:cut] == labels(BARS)[:cut]


def test_a_long_hole_starts_the_regime_anew() -> None:
    assert labels(BARS[:400] + BARS[405:450])[400:] == [None] * 45


def test_a_market_without_motion_is_sideways_and_normal() -> None:
    assert labels([flat_bar(place * HOUR_S) for place in range(WARMUP_BARS)])[-1] == "sideways/normal"


def test_a_market_that_only_falls_is_never_up() -> None:
    steps = np.random.default_rng(3).uniform(-0.02, -0.001, 600)
    falling = list(bars_from_closes((100.0 * np.exp(np.cumsum(steps))).tolist()))
    assert "up" not in {label.split("/")[0] for label in labels(falling) if label is not None}


def test_a_bar_that_is_not_newer_is_refused() -> None:
    regime = RegimeStream(HOUR_S)
    regime.update(BARS[1])
    with pytest.raises(ValueError, match="not newer"):
        regime.update(BARS[0])
