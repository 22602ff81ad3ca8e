"""How much of the error may be spent by each look, and which statistics are beyond the boundary that follows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

# Two draws that split the users alike have the same statistic but for rounding: closer than this is equal.
TIE = 1e-9
ROUNDING = 1e-6
# Of a test that has few days: what it spends early it lacks at the end.
LATE = 4


def spent(alpha: float, fraction: float) -> float:
    """The two-sided error spent by `fraction` (0..1) of the planned looks: 2 (1 - Phi(z / sqrt(fraction))).

    z is the normal quantile of 1 - alpha / 2. The spending function of O'Brien-Fleming type of Lan & DeMets,
    Biometrika 70 (1983) 659.
    """
    if fraction <= 0.0:
        return 0.0
    normal = NormalDist()
    return 2.0 * normal.cdf(normal.inv_cdf(alpha / 2.0) / sqrt(min(fraction, 1.0)))


def spent_late(alpha: float, fraction: float) -> float:
    """The error spent by `fraction` (0..1) of the planned looks where nearly all is kept for the end.

    alpha x fraction^4, of the power family of Kim & DeMets, Biometrika 74 (1987) 149.
    """
    return alpha * min(max(fraction, 0.0), 1.0) ** LATE


def allowed(
    alpha: float, looks: int, planned: int, number: int, by: Callable[[float, float], float] = spent
) -> list[int]:
    """How many of `number` equally likely statistics may be rejected by each of the first `looks` of `planned`.

    `by` says how much of alpha is spent by a fraction of them.
    """
    return [floor(by(alpha, look / planned) * number + ROUNDING) for look in range(1, looks + 1)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boundary:
    """`critical` float64[looks]: what a statistic has to exceed; `rejected_at` int64[draws]: the look, -1 for never.

    `before` is the number of looks before these: the first of these is that look in `rejected_at`.
    """

    critical: NDArray[np.float64]
    rejected_at: NDArray[np.int64]
    before: int

    @property
    def taken(self) -> int:
        """The number of looks so far."""
        return self.before + len(self.critical)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranked:
    """A test at successive looks: squared statistics float64[draws + 1, looks] (row 0: as observed), their boundary."""

    squared: NDArray[np.float64]
    boundary: Boundary

    @property
    def rejected_at(self) -> int | None:
        """The index, among all looks, of the one at which the observed statistic was rejected; None: at none so far."""
        look = int(self.boundary.rejected_at[0])
        return look if look >= 0 else None

    def level_count(self, look: int) -> int:
        """How many statistics are beyond the boundary of this look alone."""
        return int(np.count_nonzero(exceeds(self.squared[:, look], self.boundary.critical[look])))

    def extreme_count(self, look: int) -> int:
        """How many statistics are at least as large as the observed one, itself among them."""
        column = self.squared[:, look]
        return int(np.count_nonzero(column >= column[0] * (1.0 - TIE)))


def boundary(statistics: NDArray[np.float64], allowance: Sequence[int], earlier: Boundary | None = None) -> Boundary:
    """The sequential boundary in `statistics` float64[draws, looks], all >= 0, which are equally likely rows.

    `earlier` is that of the looks before these; `allowance` is of these.

    At each look the largest of those not yet rejected are rejected until `allowance` are in all. Where statistics tie
    at the end of the allowance none of them is: so at most allowance / draws of the error is spent, exactly.
    """
    draws, looks = statistics.shape
    before = 0 if earlier is None else earlier.taken
    rejected_at = np.full(draws, -1, dtype=np.int64) if earlier is None else earlier.rejected_at.copy()
    critical = np.full(looks, np.inf)
    for look in range(looks):
        column = statistics[:, look]
        free = np.flatnonzero(rejected_at < 0)
        room = allowance[look] - (draws - len(free))
        if room < len(free):
            critical[look] = np.partition(column[free], len(free) - 1 - room)[len(free) - 1 - room]
        else:
            critical[look] = 0.0
        rejected_at[free[exceeds(column[free], critical[look])]] = before + look
    return Boundary(critical=critical, rejected_at=rejected_at, before=before)


def exceeds(statistics: NDArray[np.float64], critical: float) -> NDArray[np.bool_]:
    """Which statistics are larger than the critical one, and not only by rounding."""
    return statistics > critical * (1.0 + TIE)
