"""The figures of an account are those its equity gives by hand."""

import numpy as np
import pytest

from rl_models.training.costs import TradingCosts, follow
from rl_models.training.metrics import action_mix, annualised_sharpe, drawdown, measure

HOUR_S = 3600
FREE = TradingCosts(fee_bps=0.0, half_spread_bps=0.0)


def test_the_drawdown_is_measured_from_the_highest_equity_so_far() -> None:
    assert drawdown(np.array([1.0, 2.0, 1.0, 4.0, 3.0])).tolist() == [0.0, 0.0, 0.5, 0.0, 0.25]


def test_an_account_that_never_moves_has_no_sharpe() -> None:
    assert annualised_sharpe(np.ones(10), HOUR_S) is None


def test_the_sharpe_of_hourly_bars_is_scaled_to_a_year_of_hours() -> None:
    equity = np.cumprod(np.array([1.0, 1.01, 0.99, 1.01, 0.99, 1.02]))
    returns = equity[1:] / equity[:-1] - 1.0
    assert annualised_sharpe(equity, HOUR_S) == pytest.approx(returns.mean() / returns.std() * np.sqrt(24 * 365.25))


def test_turnover_is_per_day_and_exposure_is_the_mean_target() -> None:
    targets = np.tile([1.0, 0.0], 24)
    figures = measure(follow(targets, np.zeros(48), FREE), HOUR_S)
    assert figures.turnover_per_day == pytest.approx(24.0)
    assert figures.mean_exposure == pytest.approx(0.5)
    assert figures.total_return == 0.0


def test_putting_drift_back_is_not_counted_as_an_action() -> None:
    path = follow(np.array([0.5, 0.5, 1.0, 0.0]), np.array([0.2, 0.2, 0.2, 0.0]), FREE)
    assert action_mix(path) == {"BUY": 0.5, "SELL": 0.25, "HOLD": 0.25}


def test_keeping_what_drifted_and_then_putting_it_back_are_no_actions() -> None:
    drifted = 0.5 * 1.2 / 1.1
    path = follow(np.array([0.5, drifted, 0.5, 0.0]), np.array([0.2, 0.0, 0.0, 0.0]), FREE)
    assert action_mix(path) == {"BUY": 0.25, "SELL": 0.25, "HOLD": 0.5}
