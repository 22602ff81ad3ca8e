"""Which constant effects the outcomes of one look do not contradict: the interval by inverting the test."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from ab.statistics.rerandomisation import Randomised
from ab.statistics.spending import TIE

# The first step out from the observed effect, in its standard errors; then doubled.
FIRST_STEP = 3.0
DOUBLINGS = 12
# Ends are exact to this part of a standard error, on the outer side.
PRECISION = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """One look of `Randomised`: each field float64[draws], row 0 as observed."""

    difference: NDArray[np.float64]
    difference_slope: NDArray[np.float64]
    error: NDArray[np.float64]
    error_slope: NDArray[np.float64]
    error_curve: NDArray[np.float64]

    def extreme(self, effect: float) -> int:
        """How many draws are at least as far from a constant `effect` as what was observed, itself among them."""
        observed = (self.difference[0] - effect) ** 2 / self.error[0] * (1.0 - TIE)
        distance = self.difference - effect * self.difference_slope
        error = self.error + effect * (effect * self.error_curve - 2.0 * self.error_slope)
        return int(np.count_nonzero(distance * distance >= observed * error))


def curves(randomised: Randomised, look: int) -> Curves:
    """The curves of the look with this index, each in one piece of memory."""
    parts = (randomised.difference, randomised.difference_slope, randomised.error)
    difference, slope, error = (np.ascontiguousarray(part[:, look]) for part in parts)
    more = (randomised.error_slope, randomised.error_curve)
    error_slope, error_curve = (np.ascontiguousarray(part[:, look]) for part in more)
    return Curves(
        difference=difference, difference_slope=slope, error=error, error_slope=error_slope, error_curve=error_curve
    )


def interval(look: Curves, rejected: int) -> tuple[float | None, float | None]:
    """Both ends of the effects of which more than `rejected` draws are as extreme; None where there is no end.

    With `rejected` from the boundary of the look this is a repeated confidence interval (Jennison & Turnbull, Journal
    of the Royal Statistical Society B 51 (1989) 305): all looks together hold the effect with 1 - alpha. Where nobody
    within the arms differs, only the observed effect is left.
    """
    if rejected < 1:
        return None, None
    if look.error[0] <= 0.0:
        observed = float(look.difference[0])
        return observed, observed
    return _end(look, rejected, -1.0), _end(look, rejected, 1.0)


def _end(look: Curves, rejected: int, side: float) -> float | None:
    effect, error = float(look.difference[0]), side * sqrt(look.error[0])
    inner, outer = 0.0, FIRST_STEP
    for _ in range(DOUBLINGS):
        if look.extreme(effect + outer * error) <= rejected:
            break
        inner, outer = outer, 2.0 * outer
    else:
        return None
    while outer - inner > PRECISION:
        middle = (inner + outer) / 2.0
        if look.extreme(effect + middle * error) <= rejected:
            outer = middle
        else:
            inner = middle
    return effect + outer * error
