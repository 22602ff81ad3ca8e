"""The signal depends on closed bars alone, and on no more of them than it says."""

from dataclasses import replace

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_models.signal_generator import RSI_BARS, SignalGenerator, momentum, strength
from tests.fakes.bars import random_bars
from tests.fakes.market import HOUR_S, bars_from_closes, flat_bar
from trading.vocabulary import Action, Bar, Reading

BARS = random_bars(120)


def readings(bars: list[Bar], timeframe_s: int = HOUR_S) -> list[Reading | None]:
    generator = SignalGenerator(timeframe_s)
    return [generator.update(bar) for bar in bars]


def test_a_reading_is_rsi_change_and_volume_over_24_hours() -> None:
    closes = np.array([bar.close for bar in BARS])
    last = readings(BARS)[-1]
    assert last is not None
    assert last.rsi == pytest.approx(talib.RSI(closes, RSI_BARS)[-1], abs=1e-9)
    assert last.change_percent == pytest.approx(100 * (closes[-1] / closes[-25] - 1), abs=1e-9)
    assert last.volume_usd == pytest.approx(sum(bar.volume_quote for bar in BARS[-24:]))


@pytest.mark.parametrize(("timeframe_s", "first"), [(HOUR_S, 24), (4 * HOUR_S, 14), (24 * HOUR_S, 14), (900, 96)])
def test_the_first_reading_comes_with_a_whole_day_and_a_first_rsi(timeframe_s: int, first: int) -> None:
    given_readings = readings(random_bars(120, timeframe_s=timeframe_s), timeframe_s)
    assert [reading is None for reading in given_readings] == [True] * first + [False] * (120 - first)


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(min_value=25, max_value=len(BARS)))
def test_what_comes_after_a_bar_changes_nothing_at_it(cut: int) -> None:
    crashed = [replace(bar, low=0.01, close=0.01) for bar in BARS[cut:]]
    assert readings(BARS[:cut] + crashed)[:cut] == readings(BARS)[:cut] == readings(BARS[:cut])


def test_a_long_hole_starts_the_signal_anew() -> None:
    after = BARS[70:]
    assert readings(BARS[:60] + after)[60:] == readings(after)


def test_a_bar_that_is_not_newer_is_refused() -> None:
    generator = SignalGenerator(HOUR_S)
    generator.update(BARS[1])
    with pytest.raises(ValueError, match="not newer"):
        generator.update(BARS[0])


def test_a_market_without_motion_says_hold_without_confidence() -> None:
    last = readings([flat_bar(place * HOUR_S) for place in range(40)])[-1]
    assert last is not None
    assert (last.action, last.confidence, last.change_percent) == (Action.HOLD, 0.0, 0.0)


def test_a_hold_has_no_confidence_however_large_the_move() -> None:
    crash, recovery = [300.0 - 10.0 * place for place in range(21)], [100.0 + 0.2 * place for place in range(1, 25)]
    last = readings(list(bars_from_closes(crash + recovery)))[-1]
    assert last is not None
    assert (last.action, last.confidence) == (Action.HOLD, 0.0)
    assert last.change_percent == pytest.approx(4.8)
    assert last.rsi < 50.0


@pytest.mark.parametrize(
    ("rsi", "change_percent", "action"),
    [
        (60.0, 1.0, Action.BUY),
        (40.0, -1.0, Action.SELL),
        (60.0, -1.0, Action.HOLD),
        (40.0, 1.0, Action.HOLD),
        (50.0, 1.0, Action.HOLD),
        (50.0, -1.0, Action.HOLD),
        (60.0, 0.0, Action.HOLD),
    ],
)
def test_momentum_acts_only_where_change_and_rsi_agree(rsi: float, change_percent: float, action: Action) -> None:
    assert momentum(rsi, change_percent) is action


def test_the_confidence_grows_with_the_move_in_either_direction() -> None:
    assert [round(strength(change), 2) for change in (0.0, 2.0, -2.0, 5.0)] == [0.0, 0.63, 0.63, 0.92]
    assert strength(1e9) == 1.0


@pytest.mark.parametrize("timeframe_s", [0, -60, 86_401])
def test_a_timeframe_that_no_day_holds_is_refused(timeframe_s: int) -> None:
    with pytest.raises(ValueError, match="timeframe"):
        SignalGenerator(timeframe_s)
