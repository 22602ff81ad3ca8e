"""The test over days: whether the difference of the arms is an accident of the days on which they were compared.

All users of an arm meet the same market, and where they trade alike no number of them tells more than one of them. If
the policies differ by luck only, the arms' difference on a day is as likely to have one sign as the other, whatever it
was on other days: so the rank of what was observed among sums with signs by coins is exact (Fisher 1935; Lehmann &
Romano, Testing Statistical Hypotheses, 15.2; near to exact for means of other laws: Canay, Romano & Shaikh,
Econometrica 85 (2017) 1013). Days may differ in how much they vary; they have to be independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ab.attainable import least_p
from ab.plan import Analysis
from ab.statistics.rerandomisation import coin_sums
from ab.statistics.spending import Boundary, Ranked, allowed, boundary, spent_late
from ab.statistics.units import LookTime, Units

Matrix = NDArray[np.float64]

# What is left of a difference of equal numbers after rounding, relative to their size.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayTest(Ranked):
    """The looks so far: `kept` int64 and `kept_sum` float64[draws + 1, looks], the days whose sign a draw keeps.

    Row 0, as observed, keeps all: its counts are the days of each look. Statistics are 0 where no day differs.
    """

    kept: NDArray[np.int64]
    kept_sum: Matrix

    def days(self, look: int) -> int:
        """How many days this look compares."""
        return int(self.kept[0, look])

    def mean_bps(self, look: int) -> float:
        """The mean daily difference of the arms, each day alike; 0 where there is no day."""
        return float(self.kept_sum[0, look]) / max(self.days(look), 1)

    def varies(self, look: int) -> bool:
        """False where the arms differ on no day, and there is nothing to test."""
        return bool(self.squared[:, look].any())

    def smallest_p(self, look: int) -> float:
        """The least p that so many days and draws can give."""
        return max(1.0 / len(self.squared), least_p(self.days(look)))

    def interval(self, look: int) -> tuple[float | None, float | None]:
        """Both ends of the constant differences that are not rejected at this look; None where there is no end.

        With a constant taken off each day, a draw is as extreme as what was observed up to the larger of the means of
        the days it keeps and of those it flips, and down to the smaller (Hartigan, Journal of the American Statistical
        Association 64 (1969) 1303): the ends are order statistics of these. Repeated over the looks as in `interval`.
        """
        rejected = self.level_count(look)
        if rejected < 1:
            return None, None
        kept, count = self.kept_sum[:, look], self.kept[:, look]
        flipped, flips = kept[0] - kept, count[0] - count
        one = np.divide(kept, count, out=np.full_like(kept, np.inf), where=(count > 0) & (flips > 0))
        other = np.divide(flipped, flips, out=np.full_like(kept, -np.inf), where=(count > 0) & (flips > 0))
        low = float(np.partition(np.minimum(one, other), rejected)[rejected])
        high = -float(np.partition(-np.maximum(one, other), rejected)[rejected])
        return low if np.isfinite(low) else None, high if np.isfinite(high) else None


def day_test(
    units: Units,
    analysis: Analysis,
    looks: Sequence[LookTime],
    *,
    seed: str,
    draws: int,
    earlier: Boundary | None = None,
) -> DayTest:
    """The test at each of these looks, its error spent as `spending` says; later looks extend the same coins.

    `earlier` is the boundary of the looks before these, None where there is none.
    """
    difference, compared = day_differences(units, analysis.lowest_bps, analysis.highest_bps)
    columns = np.flatnonzero(compared)
    until = np.array([look.days for look in looks], dtype=np.int64)
    before = (columns[:, None] < until).astype(np.float64)
    sums = coin_sums(
        np.hstack([before, before * difference[columns, None]]),
        tuple(f"day {column}" for column in columns),
        np.ones(len(columns), dtype=np.bool_),
        seed=seed,
        draws=draws,
    )
    kept, kept_sum = np.hsplit(sums, 2)
    # Over the sum of squares, which no sign changes, it would have the same ranks at each look.
    squared = (2.0 * kept_sum - kept_sum[0]) ** 2
    taken = 0 if earlier is None else earlier.taken
    allowance = allowed(analysis.alpha, taken + len(looks), analysis.looks, draws + 1, spent_late)[taken:]
    return DayTest(
        squared=squared,
        boundary=boundary(squared, allowance, earlier),
        kept=kept.round().astype(np.int64),
        kept_sum=kept_sum,
    )


def day_differences(units: Units, lowest_bps: float, highest_bps: float) -> tuple[Matrix, NDArray[np.bool_]]:
    """The arms' difference of mean profit on each day, float64[days], and on which days both have one, bool[days].

    Profits are cut to the bounds first; the difference is 0 where it does not exist, or is nothing but rounding.
    """
    cut = np.clip(np.where(units.present, units.profit, 0.0), lowest_bps, highest_bps) * units.present
    arms = [units.present & arm[:, None] for arm in (units.treated, ~units.treated)]
    counts = [arm.sum(axis=0) for arm in arms]
    means = [(cut * arm).sum(axis=0) / np.maximum(count, 1) for arm, count in zip(arms, counts, strict=True)]
    compared = (counts[0] > 0) & (counts[1] > 0)
    difference = np.where(compared, means[0] - means[1], 0.0)
    difference[np.abs(difference) <= ROUNDING * np.abs(cut).max(axis=0, initial=0.0)] = 0.0
    return difference, compared
