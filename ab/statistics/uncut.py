"""What the arms earned before their days were cut to the bounds, and what may not be said because of it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ab.plan import Analysis
from ab.results import GOOD_ENOUGH, Conclusion, Primary
from ab.statistics.units import Units


def as_earned(primary: Primary, units: Units, analysis: Analysis, days: int) -> Primary:
    """The result of a look at the first `days`, as far as what was earned on them without the cut bears it out.

    The cut keeps one day from deciding, and hides what a policy loses on few: nothing good is said of one whose mean
    user-day, uncut, is worse than the rule's by the margin, nor that it is better where that mean is the lower one.
    """
    effect_bps = primary.looks[-1].effect_bps
    number = _cut_days(units, analysis, days)
    if effect_bps is None:
        return primary
    bounds = f"{analysis.lowest_bps:g}..{analysis.highest_bps:g} bps"
    reason = primary.reason
    if number:
        reason = f"{reason} Days are cut to {bounds} a user-day; {number:,} of them were beyond."
    if primary.conclusion not in GOOD_ENOUGH:
        return replace(primary, reason=reason)
    uncut_bps = uncut_difference_bps(units, days)
    better = primary.conclusion is Conclusion.BETTER
    if uncut_bps is not None and uncut_bps > -analysis.margin_bps and not (better and uncut_bps < 0.0):
        return replace(primary, reason=reason)
    earned = "not known" if uncut_bps is None else f"{uncut_bps:.2f} bps"
    why = (
        f"Cut to {bounds} a user-day, the days show an effect of {effect_bps:.2f} bps a day; what the policy's "
        f"user-days really earned, less the rule's, is {earned} a day, and nothing good is said on the cut alone."
    )
    return replace(primary, conclusion=Conclusion.UNDECIDED, reason=f"{why} {reason}")


def uncut_difference_bps(units: Units, days: int) -> float | None:
    """The arms' difference of the mean profit of their known user-days among the first `days`, nothing cut.

    None where an arm has none.
    """
    present = units.present[:, :days]
    means = [_mean(units.profit[:, :days], present & arm[:, None]) for arm in (units.treated, ~units.treated)]
    policy, rule = means
    return None if policy is None or rule is None else policy - rule


def _mean(profit: NDArray[np.float64], some: NDArray[np.bool_]) -> float | None:
    return float(profit[some].mean()) if some.any() else None


def _cut_days(units: Units, analysis: Analysis, days: int) -> int:
    known = units.profit[:, :days][units.present[:, :days]]
    return int(np.count_nonzero((known < analysis.lowest_bps) | (known > analysis.highest_bps)))
