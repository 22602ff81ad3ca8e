"""The templates against the environments' own formulas, written out over whole columns."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from rl_models.features.batch import observations
from rl_models.features.schema import FeatureSchema
from rl_models.features.templates import finrl_single_stock, gym_anytrading, gym_trading_env
from tests.fakes.bars import random_bars
from tests.fakes.market import HOUR_S

BARS = random_bars(1_200)
OPEN, HIGH, LOW, CLOSE, QUOTE = (
    np.array([getattr(bar, name) for bar in BARS]) for name in ("open", "high", "low", "close", "volume_quote")
)


def last_observation(schema: FeatureSchema, exposure: float) -> NDArray[np.float64]:
    count = len(BARS)
    rows = observations(schema, BARS, [None] * count, [exposure] * count, timeframe_s=HOUR_S, warmup_bars=count)
    last: NDArray[np.float64] = rows[-1]
    return last


def adjusted_mean(values: NDArray[np.float64], alpha: float) -> float:
    """The last value of pandas' `ewm(alpha=alpha, adjust=True).mean()`."""
    weights = (1.0 - alpha) ** np.arange(len(values))[::-1]
    return float((values * weights).sum() / weights.sum())


def test_gym_anytrading_rows_are_close_and_difference() -> None:
    signal_features = np.column_stack((CLOSE, np.insert(np.diff(CLOSE), 0, 0)))
    np.testing.assert_allclose(
        last_observation(gym_anytrading(10), 0.0), signal_features[-10:].flatten(), rtol=0.0, atol=1e-9
    )


def test_gym_trading_env_is_five_ratios_and_the_position_twice() -> None:
    expected = [
        CLOSE[-1] / CLOSE[-2] - 1,
        OPEN[-1] / CLOSE[-1],
        HIGH[-1] / CLOSE[-1],
        LOW[-1] / CLOSE[-1],
        QUOTE[-1] / QUOTE[-168:].max(),
        0.5,
        0.5,
    ]
    np.testing.assert_allclose(last_observation(gym_trading_env(), 0.5), expected, rtol=0.0, atol=1e-9)


def finrl_indicators() -> list[float]:
    macd = adjusted_mean(CLOSE, 2 / 13) - adjusted_mean(CLOSE, 2 / 27)
    middle, deviation = CLOSE[-20:].mean(), CLOSE[-20:].std(ddof=1)
    moves = np.diff(CLOSE)
    gain, loss = adjusted_mean(np.maximum(moves, 0), 1 / 30), adjusted_mean(np.maximum(-moves, 0), 1 / 30)
    typical = ((HIGH + LOW + CLOSE) / 3)[-30:]
    cci = (typical[-1] - typical.mean()) / (0.015 * np.abs(typical - typical.mean()).mean())
    rise, fall = np.maximum(np.diff(HIGH), 0), np.maximum(-np.diff(LOW), 0)
    up = adjusted_mean(np.where(rise > fall, rise, 0), 2 / 31)
    down = adjusted_mean(np.where(fall > rise, fall, 0), 2 / 31)
    return [
        macd,
        middle + 2 * deviation,
        middle - 2 * deviation,
        100 - 100 / (1 + gain / loss),
        cci,
        100 * abs(up - down) / (up + down),
        CLOSE[-30:].mean(),
        CLOSE[-60:].mean(),
    ]


def test_finrl_state_is_cash_close_shares_and_the_indicators_of_stockstats() -> None:
    state = last_observation(finrl_single_stock(1_000.0), 0.25)
    assert state[:3].tolist() == pytest.approx([750.0, CLOSE[-1], 250.0 / CLOSE[-1]])
    np.testing.assert_allclose(state[3:], finrl_indicators(), rtol=0.0, atol=1e-8)
    assert math.isclose(state[0] + state[1] * state[2], 1_000.0)
