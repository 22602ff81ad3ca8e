"""What the test over users can find: its power, the effect it finds four times in five, and the users that needs.

A verdict needs the test over days as well. What that can find depends on how much the arms differ with the market, and
no number of users makes up for too few days.
"""

from dataclasses import dataclass, replace
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ab.attainable import DRAWS, fewest_coins, least_p
from ab.plan import Analysis
from ab.power_checks import check_expected
from ab.statistics.cut import CutDay
from ab.statistics.spending import allowed, boundary, exceeds
from ab.statistics.world import Tails, noise

Matrix = NDArray[np.float64]

USUAL_POWER = 0.8
# From here on the law of the statistic hardly changes with the number of users or looks, only its scale does.
MOST_USERS = 100
MOST_LOOKS = 60
MOST_DAYS_A_LOOK = 4
# User-days in all simulated worlds together: about half a second of work.
BUDGET = 6_000_000
# Effects up to this one are tried (bps), each to a thousandth of itself.
LARGEST_EFFECT_BPS, PRECISION = 1e9, 1e-3
FEWEST_WORLDS, MOST_WORLDS = 100, 2_000
# Ways to split the users of each world into arms: one more costs far less than one more world.
SPLITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What is expected: `effect_bps` more a day, with `deviation_bps` the standard deviation of a user-day, and tails.

    Both as they are earned, before a user-day is cut to the bounds of the analysis.

    Raises InvalidField outside the ranges of ab.power_checks.
    """

    effect_bps: float
    deviation_bps: float
    users_per_arm: int
    tails: Tails

    def __post_init__(self) -> None:
        check_expected(effect_bps=self.effect_bps, deviation_bps=self.deviation_bps, users_per_arm=self.users_per_arm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Chances (0..1) that the test over users rejects: at `single`, one look at the end, and at the `planned` looks.

    `standard_error` is that of the simulation (at most). `smallest_detectable_bps` is the effect that the planned looks
    find with a chance of 0.8; None where the bounds leave too little of any. `users_needed` an arm give a single look
    that chance at the expected effect; None when no effect is expected, or the bounds leave nothing of it. `reason`
    says why so few users can find nothing, whatever the effect; the figures of what they find are None then.
    """

    single: float | None
    planned: float | None
    standard_error: float | None
    smallest_detectable_bps: float | None
    users_needed: int | None
    days: float
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Worlds:
    # Without an effect: difference of the arms and its standard error, float64[worlds x splits, looks], of cut days.
    day: CutDay
    difference: Matrix
    error: Matrix

    def squared(self, effect_bps: float) -> Matrix:
        distance = self.difference + self.shift_bps(effect_bps)
        return np.divide(distance, self.error, out=np.zeros_like(distance), where=self.error > 0.0) ** 2

    def shift_bps(self, effect_bps: float) -> float:
        # The cut changes the effect, and the deviation of the arm that has it: in deviations of arms without an effect.
        deviations = self.day.effect_bps(effect_bps) / self.day.arms_deviation_bps(effect_bps)
        return deviations * self.day.arms_deviation_bps(0.0)


def power(design: Design, analysis: Analysis, *, seed: int = 0) -> Power:
    """Power by simulation of worlds in which all users enter on the first day and differ by chance only.

    The boundary is that of the same worlds without the effect, so heavy tails are in it; user-days are independent, and
    the bounds of the analysis cut them with the effect that is in them.
    """
    days = analysis.looks * analysis.look_days
    day = CutDay(
        deviation_bps=design.deviation_bps,
        lowest_bps=analysis.lowest_bps,
        highest_bps=analysis.highest_bps,
        tails=design.tails,
    )
    cut_bps = day.arms_deviation_bps(design.effect_bps)
    needed = users_needed(day.effect_bps(design.effect_bps), cut_bps / sqrt(days), analysis.alpha)
    nothing = Power(
        single=None,
        planned=None,
        standard_error=None,
        smallest_detectable_bps=None,
        users_needed=needed,
        days=days,
        reason=_why_nothing(design.users_per_arm, analysis.alpha),
    )
    if nothing.reason is not None:
        return nothing
    worlds = _simulate(design, day, analysis, np.random.default_rng(seed))
    null = worlds.squared(0.0)
    number, looks = null.shape
    planned = boundary(null, allowed(analysis.alpha, looks, looks, number)).critical
    single = boundary(null[:, -1:], allowed(analysis.alpha, 1, 1, number)).critical
    found = worlds.squared(design.effect_bps)
    return replace(
        nothing,
        single=_found(found[:, -1:], single),
        planned=_found(found, planned),
        standard_error=sqrt(0.25 * SPLITS / number),
        smallest_detectable_bps=_smallest(worlds, planned),
    )


def _why_nothing(users_per_arm: int, alpha: float) -> str | None:
    # The draws of the test bound its p-value as well, not only the ways in which so few users can fall into arms.
    smallest = max(least_p(2 * users_per_arm), 1.0 / (DRAWS + 1))
    if smallest <= alpha:
        return None
    return (
        f"With {users_per_arm} users an arm no result can have a p-value below {smallest:.2g}, and only {alpha:.2g} "
        "may be spent."
    )


def users_needed(effect_bps: float, deviation_bps: float, alpha: float, chance: float = USUAL_POWER) -> int | None:
    """Users an arm with which one two-sided test finds the effect: 2 (z(1 - alpha/2) + z(chance))^2 (sd / effect)^2.

    `deviation_bps` is that of a user's mean. The usual normal formula: Chow, Shao & Wang, Sample Size Calculations in
    Clinical Research, 3.2.1. Never fewer than those with whom a result can be significant at all. None for no effect.
    """
    if effect_bps == 0.0:
        return None
    normal = NormalDist()
    quantiles = normal.inv_cdf(1.0 - alpha / 2.0) + normal.inv_cdf(chance)
    fewest = max(2, ceil(fewest_coins(alpha) / 2))
    return max(fewest, ceil(2.0 * (quantiles * deviation_bps / effect_bps) ** 2))


def _simulate(design: Design, day: CutDay, analysis: Analysis, chance: np.random.Generator) -> _Worlds:
    users, looks = min(design.users_per_arm, MOST_USERS), min(analysis.looks, MOST_LOOKS)
    apart = analysis.looks * analysis.look_days / looks
    parts = max(1, min(round(apart), MOST_DAYS_A_LOOK))
    number = max(FEWEST_WORLDS, min(MOST_WORLDS, BUDGET // (2 * users * looks * parts)))
    arms = np.argsort(chance.random((SPLITS, 2 * users)), axis=1) < users
    # Fewer, longer days of the same total variance stand for many; a standard error shrinks with the root of the users.
    scale = sqrt(parts / apart) * sqrt(users / design.users_per_arm)
    elapsed = parts * np.arange(1, looks + 1)
    differences, errors = [], []
    for _ in range(number):
        days = design.deviation_bps * noise((2 * users, looks, parts), design.tails, chance)
        means = np.clip(days, analysis.lowest_bps, analysis.highest_bps).sum(axis=2).cumsum(axis=1) / elapsed
        difference, error = _arms_apart(means, arms.astype(np.float64), users)
        differences.append(scale * difference)
        errors.append(scale * error)
    return _Worlds(day=day, difference=np.concatenate(differences), error=np.concatenate(errors))


def _arms_apart(means: Matrix, arms: Matrix, users: int) -> tuple[Matrix, Matrix]:
    first, squares = arms @ means, arms @ means**2
    second, other_squares = means.sum(axis=0) - first, (means**2).sum(axis=0) - squares
    within = squares - first**2 / users + other_squares - second**2 / users
    return (first - second) / users, np.sqrt(np.maximum(within, 0.0) / (users - 1) / users)


def _found(squared: Matrix, critical: Matrix) -> float:
    beyond = np.column_stack([exceeds(squared[:, look], limit) for look, limit in enumerate(critical)])
    return float(beyond.any(axis=1).mean())


def _smallest(worlds: _Worlds, critical: Matrix) -> float | None:
    # Each world finds every shift from some size on: the smallest at which one of its looks is beyond its boundary.
    needed = (np.sqrt(critical) * worlds.error - worlds.difference).min(axis=1)
    shift_bps = float(np.quantile(needed, USUAL_POWER))
    low, high = 0.0, max(shift_bps, 0.0)
    while worlds.shift_bps(high) < shift_bps:
        low, high = high, 2.0 * high
        if high > LARGEST_EFFECT_BPS:
            return None
    while high - low > PRECISION * high:
        middle = (low + high) / 2.0
        low, high = (low, middle) if worlds.shift_bps(middle) >= shift_bps else (middle, high)
    return high
