"""Analyses and outcomes for the tests of the statistics."""

import numpy as np
from numpy.typing import NDArray

from ab.plan import Analysis, OutcomeSource
from ab.statistics.units import LookTime, Units


def analysis(*, looks: int, look_days: float = 1.0, alpha: float = 0.05, bound_bps: float = 10_000.0) -> Analysis:
    return Analysis(
        source=OutcomeSource.AS_IF,
        looks=looks,
        look_days=look_days,
        alpha=alpha,
        margin_bps=5.0,
        lowest_bps=-bound_bps,
        highest_bps=bound_bps,
    )


def after_days(*days: int) -> tuple[LookTime, ...]:
    return tuple(LookTime(at_s=day * 86_400.0, days=day) for day in days)


def everybody(profit: NDArray[np.float64], treated: NDArray[np.bool_]) -> Units:
    """Users who were there from the first day on, none of whose profits is missing."""
    return Units(
        users=tuple(f"user{number}" for number in range(len(profit))),
        treated=treated,
        entered=np.zeros(len(profit), dtype=np.int64),
        profit=profit,
        present=np.ones(profit.shape, dtype=np.bool_),
    )


def alike(difference: NDArray[np.float64], users: int = 40) -> Units:
    """Users who all trade as their arm does: each day the policy's earn so much more than the rule's, who earn 0."""
    treated = np.arange(users) % 2 == 0
    return everybody(np.where(treated[:, None], difference, 0.0), treated)
