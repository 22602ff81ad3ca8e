"""An account pays for what it trades and earns only what comes after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_models.training.costs import TradingCosts, follow, hold_for_a_bar

COSTS = TradingCosts(fee_bps=10.0, half_spread_bps=2.0)


def test_going_from_flat_to_fully_invested_costs_fee_and_half_spread() -> None:
    growth, position = hold_for_a_bar(0.0, 1.0, 0.1, COSTS.rate)
    assert growth == pytest.approx((1.0 - 0.0012) * 1.1)
    assert position == pytest.approx(1.0)


def test_a_half_position_drifts_up_with_the_price() -> None:
    _, position = hold_for_a_bar(0.5, 0.5, 0.1, COSTS.rate)
    assert position == pytest.approx(0.55 / 1.05)


def test_keeping_a_full_position_costs_nothing() -> None:
    path = follow(np.ones(3), np.array([0.1, -0.2, 0.05]), COSTS)
    assert path.turnover.tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert path.equity[-1] == pytest.approx((1.0 - 0.0012) * 1.1 * 0.8 * 1.05)


def test_cost_paid_is_what_is_missing_from_an_account_without_costs() -> None:
    targets, returns = np.array([1.0, 0.0, 1.0, 0.0]), np.zeros(4)
    path = follow(targets, returns, COSTS)
    assert path.costs.sum() == pytest.approx(1.0 - path.equity[-1])


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.floats(-0.3, 0.3)), min_size=1, max_size=30))
def test_following_targets_at_once_equals_trading_bar_by_bar(bars: list[tuple[float, float]]) -> None:
    equity, position = 1.0, 0.0
    for target, bar_return in bars:
        growth, position = hold_for_a_bar(position, target, bar_return, COSTS.rate)
        equity *= growth
    targets, returns = np.array(bars).T
    assert follow(targets, returns, COSTS).equity[-1] == pytest.approx(equity, rel=1e-12)
