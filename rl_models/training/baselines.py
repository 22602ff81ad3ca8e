"""What a policy has to beat: holding, staying out, and its own path with the timing taken away."""

from dataclasses import dataclass

import numpy as np

from rl_models.training.costs import AccountPath, FloatArray, TradingCosts, follow


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomBaseline:
    """Total returns of many random accounts; `beaten` is the share of them that the policy did better than."""

    draws: int
    mean_return: float
    low_return: float
    high_return: float
    beaten: float


def hold(bar_returns: FloatArray, costs: TradingCosts) -> AccountPath:
    """Buy at the first close and keep."""
    return follow(np.ones_like(bar_returns), bar_returns, costs)


def flat(bar_returns: FloatArray, costs: TradingCosts) -> AccountPath:
    """Never hold anything."""
    return follow(np.zeros_like(bar_returns), bar_returns, costs)


def equal_turnover(
    policy: AccountPath, bar_returns: FloatArray, costs: TradingCosts, *, draws: int, rng: np.random.Generator
) -> RandomBaseline:
    """Accounts that follow the policy's own targets turned by a random number of bars.

    A circular shift keeps the time at each exposure and, but for the seam, every change between exposures; what it
    takes away is the timing. `low_return` and `high_return` are the 5th and 95th percentile.
    """
    shifts = rng.integers(1, max(len(bar_returns), 2), size=draws)
    returns = np.array(
        [follow(np.roll(policy.targets, shift), bar_returns, costs).equity[-1] - 1.0 for shift in shifts]
    )
    return RandomBaseline(
        draws=draws,
        mean_return=float(np.mean(returns)),
        low_return=float(np.percentile(returns, 5)),
        high_return=float(np.percentile(returns, 95)),
        beaten=float(np.mean(returns < policy.equity[-1] - 1.0)),
    )
