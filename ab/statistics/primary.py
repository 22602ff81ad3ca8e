"""The primary result: the arms' mean daily profit tested over users and over days, and what may be concluded.

The test over users asks whether the difference is an accident of who was assigned, the one over days whether it is an
accident of what the market did meanwhile. Either accident would be taken for the policy's skill, so both have to be
rejected; the level of that is the level of either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ab.attainable import DRAWS, least_p
from ab.plan import Analysis
from ab.results import Look, Primary
from ab.statistics.days import DayTest, day_test
from ab.statistics.interval import curves, interval
from ab.statistics.rerandomisation import Randomised, randomise
from ab.statistics.spending import Boundary, Ranked, allowed, boundary
from ab.statistics.uncut import as_earned
from ab.statistics.units import LookTime, Units
from ab.statistics.verdict import FEWEST_IN_AN_ARM, conclude, within

# All draws of hundreds of looks are gigabytes, those of so many 100 MB.
LOOKS_AT_ONCE = 16


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
    units: Units,
    analysis: Analysis,
    looks: Sequence[LookTime],
    *,
    seed: str,
    draws: int,
    earlier: Boundary | None = None,
) -> SequentialTest:
    """The test at each of these looks, its error spent as `spending` says. ValueError: more looks than planned.

    `earlier` is the boundary of the looks before these, None where there is none.
    """
    taken = 0 if earlier is None else earlier.taken
    if taken + len(looks) > analysis.looks:
        raise ValueError(f"{taken + len(looks)} looks, but {analysis.looks} were planned")
    outcomes, compared = units.means(looks, analysis.lowest_bps, analysis.highest_bps)
    randomised = randomise(outcomes, compared, units.users, units.treated, seed=seed, draws=draws)
    squared = randomised.squared()
    allowance = allowed(analysis.alpha, taken + len(looks), analysis.looks, draws + 1)[taken:]
    return SequentialTest(randomised=randomised, squared=squared, boundary=boundary(squared, allowance, earlier))


def judge(units: Units, analysis: Analysis, looks: Sequence[LookTime], *, seed: str, draws: int = DRAWS) -> Primary:
    """The primary result of the looks so far, oldest first. ValueError: more looks than planned.

    `seed` fixes the coins of each user and day, so that later looks extend the same draws: it may not change within a
    run of an experiment.
    """
    rows: list[Look] = []
    by_day_bps: list[float] = []
    for users, days, some in _tests(units, analysis, looks, seed=seed, draws=draws):
        rows += [_look(users, days, place, time) for place, time in enumerate(some)]
        by_day_bps += [days.mean_bps(place) for place in range(len(some))]
    marked = tuple(_marked(rows, by_day_bps, analysis.margin_bps))
    conclusion, reason = conclude(marked, analysis)
    primary = Primary(looks=marked, planned_looks=analysis.looks, conclusion=conclusion, reason=reason)
    return as_earned(primary, units, analysis, looks[-1].days) if looks else primary


def _tests(
    units: Units, analysis: Analysis, looks: Sequence[LookTime], *, seed: str, draws: int
) -> Iterator[tuple[SequentialTest, DayTest, Sequence[LookTime]]]:
    # Both tests, of a few looks at a time.
    of_users = of_days = None
    for start in range(0, len(looks), LOOKS_AT_ONCE):
        some = looks[start : start + LOOKS_AT_ONCE]
        users = sequential_test(units, analysis, some, seed=seed, draws=draws, earlier=of_users)
        days = day_test(units, analysis, some, seed=seed, draws=draws, earlier=of_days)
        yield users, days, some
        of_users, of_days = users.boundary, days.boundary


def _marked(looks: Sequence[Look], by_day_bps: Sequence[float], margin_bps: float) -> Iterator[Look]:
    # Both tests hold their level over all looks, whichever sign they reject with at whichever look.
    by_users = by_days = 0.0
    worse = False
    for place, look in enumerate(looks):
        sign = float(np.sign(look.effect_bps or 0.0))
        if within(look.p_value, look.level):
            by_users = sign
        if within(look.p_value_days, look.level_days):
            by_days = float(np.sign(by_day_bps[place]))
        # What was rejected before the effect turned says nothing of where it is now.
        by_users, by_days = (by_users if by_users == sign else 0.0), (by_days if by_days == sign else 0.0)
        rejected = sign != 0.0 and by_users == by_days == sign
        worse = worse or (rejected and sign < 0.0)
        gained = rejected and not worse and look.low_bps is not None and look.low_bps > -margin_bps
        yield replace(look, significant=gained or (worse and sign < 0.0))


def _look(users: SequentialTest, days: DayTest, place: int, time: LookTime) -> Look:
    draws, known, varies = len(users.squared), users.exists(place), days.varies(place)
    low, high = _wider(users, days, place) if known and varies else (None, None)
    smallest = max(users.smallest_p(place), days.smallest_p(place) if varies else 0.0)
    return Look(
        number=users.boundary.before + place + 1,
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
        significant=False,
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
