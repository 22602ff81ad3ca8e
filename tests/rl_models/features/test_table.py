"""Every row of FEATURES against a second definition over whole columns."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import talib
from numpy.typing import NDArray

from rl_models.features.table import FEATURES, MarketFeature, Parameter, PositionFeature, SignalFeature
from tests.fakes.bars import random_bars
from tests.fakes.market import flat_bar
from trading.vocabulary import Action, Bar, Reading

Column = NDArray[np.float64]
BARS = random_bars(400)
READING = Reading(confidence=0.7, rsi=61.0, change_percent=-2.5, volume_usd=3e9, action=Action.SELL)


def column(name: str) -> Column:
    return np.array([getattr(bar, name) for bar in BARS], dtype=np.float64)


OPEN, HIGH, LOW, CLOSE = (column(name) for name in ("open", "high", "low", "close"))
BASE, QUOTE, TIME = column("volume_base"), column("volume_quote"), column("open_time_s")


def before(values: Column, n: int) -> Column:
    return np.concatenate([np.full(n, np.nan), values[:-n]])


def day_sum(values: Column) -> Column:
    return np.array([math.nan if end < 24 else values[end - 23 : end + 1].sum() for end in range(len(values))])


def stockstats_dx(n: int) -> Column:
    rise, fall = HIGH - before(HIGH, 1), before(LOW, 1) - LOW
    up = np.where((rise > fall) & (rise > 0), rise, 0.0)[1:]
    down = np.where((fall > rise) & (fall > 0), fall, 0.0)[1:]
    ups, downs = talib.EMA(up, n), talib.EMA(down, n)
    return np.concatenate([[np.nan], 100 * np.abs(ups - downs) / (ups + downs)])


def bands_position(n: int, k: float) -> Column:
    upper, middle, _ = talib.BBANDS(CLOSE, n, k, k)
    return (CLOSE - middle) / (upper - middle)


HOURS = 2 * np.pi * (TIME % 86400) / 86400
WEEKDAYS = 2 * np.pi * np.array([np.datetime64(int(t), "s").item().weekday() for t in TIME]) / 7

EXAMPLES: dict[str, tuple[dict[str, float], Callable[[], Column]]] = {
    "log_return": ({"n": 3}, lambda: np.log(CLOSE / before(CLOSE, 3))),
    "pct_change": ({"n": 2}, lambda: CLOSE / before(CLOSE, 2) - 1),
    "rsi": ({"n": 14}, lambda: talib.RSI(CLOSE, 14)),
    "atr_pct": ({"n": 14}, lambda: 100 * talib.ATR(HIGH, LOW, CLOSE, 14) / CLOSE),
    "macd_hist_pct": ({"fast": 12, "slow": 26, "signal": 9}, lambda: 100 * talib.MACD(CLOSE, 12, 26, 9)[2] / CLOSE),
    "bb_position": ({"n": 20, "k": 2.0}, lambda: bands_position(20, 2.0)),
    "sma_ratio": ({"n": 30}, lambda: CLOSE / talib.SMA(CLOSE, 30) - 1),
    "ema_ratio": ({"n": 30}, lambda: CLOSE / talib.EMA(CLOSE, 30) - 1),
    "volatility": ({"n": 24}, lambda: talib.STDDEV(np.log(CLOSE / before(CLOSE, 1)), 24)),
    "volume_ratio": ({"n": 24}, lambda: np.log((1 + QUOTE) / (1 + talib.SMA(QUOTE, 24)))),
    "volume_max_ratio": ({"n": 24}, lambda: QUOTE / talib.MAX(QUOTE, 24)),
    "change_24h": ({}, lambda: 100 * (CLOSE / before(CLOSE, 24) - 1)),
    "quote_volume_24h_log": ({}, lambda: np.log1p(day_sum(QUOTE))),
    "cci": ({"n": 20}, lambda: talib.CCI(HIGH, LOW, CLOSE, 20)),
    "dx": ({"n": 14}, lambda: talib.DX(HIGH, LOW, CLOSE, 14)),
    "dx_ema": ({"n": 14}, lambda: stockstats_dx(14)),
    "adx": ({"n": 14}, lambda: talib.ADX(HIGH, LOW, CLOSE, 14)),
    "open_ratio": ({}, lambda: OPEN / CLOSE),
    "high_ratio": ({}, lambda: HIGH / CLOSE),
    "low_ratio": ({}, lambda: LOW / CLOSE),
    "hour_sin": ({}, lambda: np.sin(HOURS)),
    "hour_cos": ({}, lambda: np.cos(HOURS)),
    "weekday_sin": ({}, lambda: np.sin(WEEKDAYS)),
    "weekday_cos": ({}, lambda: np.cos(WEEKDAYS)),
    "open": ({}, lambda: OPEN),
    "high": ({}, lambda: HIGH),
    "low": ({}, lambda: LOW),
    "close": ({}, lambda: CLOSE),
    "volume": ({}, lambda: BASE),
    "volume_quote": ({}, lambda: QUOTE),
    "price_diff": ({}, lambda: CLOSE - before(CLOSE, 1)),
    "sma": ({"n": 30}, lambda: talib.SMA(CLOSE, 30)),
    "ema": ({"n": 30}, lambda: talib.EMA(CLOSE, 30)),
    "macd": ({"fast": 12, "slow": 26, "signal": 9}, lambda: talib.MACD(CLOSE, 12, 26, 9)[0]),
    "boll_ub": ({"n": 20, "k": 2.0}, lambda: talib.BBANDS(CLOSE, 20, 2.0, 2.0)[0]),
    "boll_lb": ({"n": 20, "k": 2.0}, lambda: talib.BBANDS(CLOSE, 20, 2.0, 2.0)[2]),
}
SIGNAL_EXAMPLES = {
    "signal_confidence": 0.7,
    "signal_rsi": 61.0,
    "signal_change_percent": -2.5,
    "signal_log_volume": math.log(3e9 + 1),
    "signal_action": -1.0,
}
POSITION_EXAMPLES: dict[str, tuple[dict[str, float], float]] = {
    "position_exposure": ({}, 0.25),
    "position_cash": ({"capital": 1000.0}, 750.0),
    "position_shares": ({"capital": 1000.0}, 5.0),
}


def streamed(name: str, params: dict[str, float], bars: list[Bar]) -> Column:
    row = FEATURES[name]
    assert isinstance(row, MarketFeature)
    indicator = row.open(**params)
    return np.array([indicator(bar) for bar in bars])


@pytest.mark.parametrize("name", [name for name, row in FEATURES.items() if isinstance(row, MarketFeature)])
def test_a_market_feature_fed_bar_by_bar_equals_its_definition_over_whole_columns(name: str) -> None:
    params, definition = EXAMPLES[name]
    np.testing.assert_allclose(streamed(name, params, BARS), definition(), rtol=0.0, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("name", [name for name, row in FEATURES.items() if isinstance(row, SignalFeature)])
def test_a_signal_feature_reads_its_figure(name: str) -> None:
    row = FEATURES[name]
    assert isinstance(row, SignalFeature)
    assert row.read(READING) == pytest.approx(SIGNAL_EXAMPLES[name])


@pytest.mark.parametrize("name", [name for name, row in FEATURES.items() if isinstance(row, PositionFeature)])
def test_a_position_feature_follows_exposure_and_close(name: str) -> None:
    row = FEATURES[name]
    assert isinstance(row, PositionFeature)
    params, expected = POSITION_EXAMPLES[name]
    assert row.open(**params)(0.25, 50.0) == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(FEATURES))
def test_every_parameter_refuses_what_lies_outside_its_range(name: str) -> None:
    for parameter in FEATURES[name].parameters.values():
        assert parameter.check(parameter.lowest) == parameter.lowest
        for wrong in (parameter.lowest - 1, parameter.highest + 1, True, "14", math.nan, math.inf):
            with pytest.raises(ValueError, match=r"is (not|outside)"):
                parameter.check(wrong)


def test_a_whole_parameter_takes_a_float_without_fraction_as_the_int() -> None:
    period = Parameter(lowest=2, highest=9)
    assert isinstance(period.check(4.0), int)
    with pytest.raises(ValueError, match="whole"):
        period.check(4.5)


def test_the_24_hour_features_go_by_time_when_bars_are_missing() -> None:
    bars = [bar for place, bar in enumerate(BARS) if place not in (30, 31)]
    change = streamed("change_24h", {}, bars)
    # Bar 60 is now at place 58; its day began at bar 36.
    assert change[58] == pytest.approx(100 * (CLOSE[60] / CLOSE[36] - 1))
    # Bar 54 finds bar 30 missing and takes the last one before it.
    assert change[52] == pytest.approx(100 * (CLOSE[54] / CLOSE[29] - 1))
    volume = streamed("quote_volume_24h_log", {}, bars)
    assert volume[48] == pytest.approx(math.log1p(QUOTE[27:30].sum() + QUOTE[32:51].sum()))


def test_band_position_sees_motion_in_a_price_of_many_zeros() -> None:
    tiny = random_bars(100, start_price=5e-9)
    assert np.isfinite(streamed("bb_position", {"n": 20, "k": 2.0}, tiny)[20:]).all()


def test_band_position_of_a_market_without_motion_has_no_value() -> None:
    still = [flat_bar(place * 3600) for place in range(30)]
    assert np.isnan(streamed("bb_position", {"n": 20, "k": 2.0}, still)).all()


def test_macd_refuses_a_fast_period_that_is_not_below_the_slow_one() -> None:
    with pytest.raises(ValueError, match="below slow"):
        streamed("macd", {"fast": 26, "slow": 12, "signal": 9}, BARS)
