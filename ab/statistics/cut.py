"""What the bounds leave of a user-day's mean and deviation, and so of an effect that was earned before the cut."""

from dataclasses import dataclass
from math import atan, exp, pi, sqrt
from statistics import NormalDist

from ab.statistics.world import Tails

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class CutDay:
    """A user-day of mean 0 and standard deviation `deviation_bps` (> 0), cut to `lowest_bps` (< 0)..`highest_bps`."""

    deviation_bps: float
    lowest_bps: float
    highest_bps: float
    tails: Tails

    def effect_bps(self, earned_bps: float) -> float:
        """How far apart the means of the arms are after the cut, where one earned so much more before it."""
        return self._moments(earned_bps)[0] - self._moments(0.0)[0]

    def arms_deviation_bps(self, earned_bps: float) -> float:
        """The root of the mean of both arms' variances after the cut, where one earned so much more before it."""
        return sqrt((self._moments(earned_bps)[1] + self._moments(0.0)[1]) / 2.0)

    def _moments(self, mean_bps: float) -> tuple[float, float]:
        # Mean and variance: each bound with the chance of being beyond it, and the partial moments between them.
        low, high = ((bound - mean_bps) / self.deviation_bps for bound in (self.lowest_bps, self.highest_bps))
        below, first_low, second_low = _partial(low, self.tails)
        upto, first_high, second_high = _partial(high, self.tails)
        above, between = _partial(-high, self.tails)[0], upto - below
        first = self.deviation_bps * (first_high - first_low)
        second = self.deviation_bps**2 * (second_high - second_low)
        mean = self.lowest_bps * below + self.highest_bps * above + mean_bps * between + first
        away = mean_bps - mean
        variance = (self.lowest_bps - mean) ** 2 * below + (self.highest_bps - mean) ** 2 * above
        variance += away**2 * between + 2.0 * away * first + second
        return mean, max(variance, 0.0)


def _partial(until: float, tails: Tails) -> tuple[float, float, float]:
    # The integrals of 1, z and z^2 over the density of `noise` from minus infinity to `until`. That of Student's t with
    # 3 degrees of freedom, divided by its deviation, is 2 / (pi (1 + z^2)^2).
    if tails is Tails.NORMAL:
        density = exp(-min(until * until, 1400.0) / 2.0) / sqrt(2.0 * pi)
        chance = _NORMAL.cdf(until)
        return chance, -density, chance - until * density
    part, angle = until / (1.0 + until * until), atan(until)
    return 0.5 + (angle + part) / pi, -1.0 / (pi * (1.0 + until * until)), 0.5 + (angle - part) / pi
