"""The primary result: the arms' mean daily profit tested over users and over days, and what may be concluded.

The test over users asks whether the difference is an accident of who was assigned, the one over days whether it is an
accident of what the market did meanwhile. Either accident would be taken for the policy's skill, so both have to be
rejected; the level of that is the level of either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ab.attainable import DRAWS, least_p
from ab.plan import Analysis
from ab.results import Look, Primary
from ab.statistics.days import DayTest, day_test
from ab.statistics.interval import curves, interval
from ab.statistics.rerandomisation import Randomised, randomise
from ab.statistics.spending import Ranked, allowed, boundary
from ab.statistics.units import LookTime, Units
from ab.statistics.verdict import FEWEST_IN_AN_ARM, conclude


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequentialTest(Ranked):
    """The test over users at the looks so far."""

    randomised: Randomised

    def exists(self, look: int) -> bool:
        """False where there are too few users, or all of them earned the same."""
        fewest = min(self.randomised.users_rl[look], self.randomised.users_control[look])
        return bool(fewest >= FEWEST_IN_AN_ARM and self.randomised.varies[look])

    def smallest_p(self, look: int) -> float:
        """The least p that so many users and draws can give."""
        users = int(self.randomised.users_rl[look] + self.randomised.users_control[look])
        return max(1.0 / len(self.squared), least_p(users))


def sequential_test(
    units: Units, analysis: Analysis, looks: Sequence[LookTime], *, seed: str, draws: int
) -> SequentialTest:
    """The test at each look so far, its error spent as `spending` says. ValueError: more looks than planned."""
    if len(looks) > analysis.looks:
        raise ValueError(f"{len(looks)} looks, but {analysis.looks} were planned")
    outcomes, compared = units.means(looks, analysis.lowest_bps, analysis.highest_bps)
    randomised = randomise(outcomes, compared, units.users, units.treated, seed=seed, draws=draws)
    squared = randomised.squared()
    allowance = allowed(analysis.alpha, len(looks), analysis.looks, draws + 1)
    return SequentialTest(randomised=randomised, squared=squared, boundary=boundary(squared, allowance))


def judge(units: Units, analysis: Analysis, looks: Sequence[LookTime], *, seed: str, draws: int = DRAWS) -> Primary:
    """The primary result of the looks so far, oldest first. ValueError: more looks than planned.

    `seed` fixes the coins of each user and day, so that later looks extend the same draws: it may not change within a
    run of an experiment. What was significant once stays significant.
    """
    users = sequential_test(units, analysis, looks, seed=seed, draws=draws)
    days = day_test(units, analysis, looks, seed=seed, draws=draws)
    since = _significant_from(users, days)
    rows = tuple(
        _look(users, days, place, time, significant=since is not None and place >= since)
        for place, time in enumerate(looks)
    )
    conclusion, reason = conclude(rows, analysis)
    return Primary(looks=rows, planned_looks=analysis.looks, conclusion=conclusion, reason=reason)


def _significant_from(users: SequentialTest, days: DayTest) -> int | None:
    if users.rejected_at is None or days.rejected_at is None:
        return None
    signs = np.sign(users.randomised.difference[0])
    by_days = np.sign(days.mean_bps(days.rejected_at))
    if signs[users.rejected_at] != by_days:
        return None
    # The tests may reject looks apart: what is said of the effect has to be so at the look from which it is said.
    both = max(users.rejected_at, days.rejected_at)
    agreeing = np.flatnonzero(signs[both:] == by_days)
    return both + int(agreeing[0]) if len(agreeing) else None


def _look(users: SequentialTest, days: DayTest, place: int, time: LookTime, *, significant: bool) -> Look:
    draws, known, varies = len(users.squared), users.exists(place), days.varies(place)
    low, high = _wider(users, days, place) if known and varies else (None, None)
    smallest = max(users.smallest_p(place), days.smallest_p(place) if varies else 0.0)
    return Look(
        number=place + 1,
        at_s=time.at_s,
        users_rl=int(users.randomised.users_rl[place]),
        users_control=int(users.randomised.users_control[place]),
        effect_bps=float(users.randomised.difference[0, place]) if known else None,
        low_bps=low,
        high_bps=high,
        p_value=users.extreme_count(place) / draws if known else None,
        level=users.level_count(place) / draws if known else None,
        days=days.days(place),
        p_value_days=days.extreme_count(place) / draws if varies else None,
        level_days=days.level_count(place) / draws if varies else None,
        smallest_p=smallest if known else None,
        significant=significant,
    )


def _wider(users: SequentialTest, days: DayTest, place: int) -> tuple[float | None, float | None]:
    low_days, high_days = days.interval(place)
    if low_days is None and high_days is None:
        return None, None
    low, high = interval(curves(users.randomised, place), users.level_count(place))
    return (
        None if low is None or low_days is None else min(low, low_days),
        None if high is None or high_days is None else max(high, high_days),
    )
