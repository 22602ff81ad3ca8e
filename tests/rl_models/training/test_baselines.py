"""A policy is compared with holding, with nothing, and with its own path without the timing."""

import numpy as np
import pytest

from rl_models.training.baselines import equal_turnover, flat, hold
from rl_models.training.costs import AccountPath, FloatArray, TradingCosts, follow

COSTS = TradingCosts()
RETURNS: FloatArray = np.random.default_rng(5).normal(0.0, 0.01, 400)


def shifted(policy: AccountPath) -> float:
    return equal_turnover(policy, RETURNS, COSTS, draws=200, rng=np.random.default_rng(1)).beaten


def test_holding_pays_the_cost_once_and_earns_the_market() -> None:
    account = hold(RETURNS, COSTS)
    assert account.equity[-1] == pytest.approx((1.0 - COSTS.rate) * np.prod(1.0 + RETURNS))


def test_staying_flat_neither_earns_nor_pays() -> None:
    account = flat(RETURNS, COSTS)
    assert account.equity.tolist() == [1.0] * 401
    assert account.costs.sum() == 0.0


def test_foresight_beats_every_random_account_of_equal_turnover() -> None:
    assert shifted(follow((RETURNS > 0).astype(float), RETURNS, COSTS)) == 1.0


def test_perfectly_wrong_timing_beats_none() -> None:
    assert shifted(follow((RETURNS < 0).astype(float), RETURNS, COSTS)) == 0.0


def test_a_policy_without_timing_cannot_beat_its_own_shifts() -> None:
    assert shifted(hold(RETURNS, COSTS)) == 0.0


def test_the_random_accounts_trade_as_much_as_the_policy() -> None:
    whole = TradingCosts(fee_bps=100.0, half_spread_bps=0.0)
    quiet = np.zeros(400)
    policy = follow((RETURNS > 0.01).astype(float), quiet, whole)
    random = equal_turnover(policy, quiet, whole, draws=50, rng=np.random.default_rng(1))
    assert random.mean_return == pytest.approx(policy.equity[-1] - 1.0, abs=0.02)
