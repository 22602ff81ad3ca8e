"""The studentised difference of the arms, as it was and as it would have been under other coins for the same users.

The hash says when a user enters and, independently, in which arm: given who is compared and since when, the arms are
fair coins, through any history of the ramp. With no effect on anybody every toss of the coins was equally likely, so
the rank of the observed statistic among re-tossed ones is exact (Fisher 1935; Lehmann & Romano, Testing Statistical
Hypotheses, 15.2); studentised it also holds for arms of the same mean and unequal variance (Janssen, Statistics &
Probability Letters 36 (1997) 9; Chung & Romano, Annals of Statistics 41 (2013) 484).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import shake_128

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# Draws are kept as float64 for the matrix product only for so many rows at a time: 20 MB at 9,999 draws.
ROWS_AT_ONCE = 256
# What is left of a difference of equal numbers after rounding, relative to their size.
ROUNDING = 1e-12


def coins(seed: str, key: str, number: int) -> NDArray[np.uint8]:
    """`number` fair coins (0 or 1) of a user or a day: the same for ever, the first ones the same for any `number`."""
    stream = shake_128(f"{seed}\0{key}".encode()).digest((number + 7) // 8)
    return np.unpackbits(np.frombuffer(stream, dtype=np.uint8), count=number)


def coin_sums(columns: Matrix, keys: Sequence[str], observed: NDArray[np.bool_], *, seed: str, draws: int) -> Matrix:
    """Sums over the rows of `columns` float64[n, c] whose coin is 1: float64[draws + 1, c], row 0 for `observed`.

    `keys` say whose coins those of each row are.
    """
    sums = np.zeros((draws + 1, columns.shape[1]))
    for start in range(0, len(keys), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        tossed = np.array([coins(seed, key, draws) for key in keys[some]], dtype=np.float64)
        sums[1:] += tossed.T @ columns[some]
    sums[0] = observed.astype(np.float64) @ columns
    return sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Randomised:
    """Difference of means and its squared error under each draw (row 0: as observed) and look: float64[draws, looks].

    For a constant effect tau on each treated user, taken off the observed outcomes and added to those of the draw, the
    difference less tau is difference - tau x difference_slope and its squared error
    error - 2 tau x error_slope + tau^2 x error_curve. A draw with fewer than two users in an arm has difference 0 and
    error 1: it is never extreme. `users_rl` and `users_control` int64[looks] count the observed arms; `varies`
    bool[looks] is False where all outcomes are equal.
    """

    difference: Matrix
    difference_slope: Matrix
    error: Matrix
    error_slope: Matrix
    error_curve: Matrix
    users_rl: NDArray[np.int64]
    users_control: NDArray[np.int64]
    varies: NDArray[np.bool_]

    def squared(self) -> Matrix:
        """The squared statistics with no effect: infinite where the arms differ and nobody within them does."""
        square = self.difference**2
        ratio = np.divide(square, self.error, out=np.full_like(square, np.inf), where=self.error > 0.0)
        ratio[square == 0.0] = 0.0
        return ratio


def randomise(
    outcomes: Matrix,
    compared: NDArray[np.bool_],
    users: tuple[str, ...],
    treated: NDArray[np.bool_],
    *,
    seed: str,
    draws: int,
) -> Randomised:
    """Re-randomise `outcomes` float64[n, looks] of those `compared` bool[n, looks], `treated` bool[n], by coins."""
    centred, varies = _centred(outcomes, compared)
    arm = treated.astype(np.float64)[:, None] * compared
    columns = np.hstack([compared.astype(np.float64), centred, centred**2, arm, arm * centred])
    rl = np.hsplit(coin_sums(columns, users, treated, seed=seed, draws=draws), 5)
    totals = np.hsplit(columns.sum(axis=0), 5)
    control = [total - part for total, part in zip(totals, rl, strict=True)]
    # Counts are whole numbers: half a user is far from any rounding.
    exists = (rl[0] > 1.5) & (control[0] > 1.5)
    first, second = _moments(rl, exists), _moments(control, exists)
    number = np.maximum(totals[0], 1.0)
    nothing = ROUNDING * totals[2] / number
    difference, error = first[0] - second[0], first[2] + second[2]
    difference[difference**2 <= ROUNDING * nothing] = 0.0
    error[error <= nothing / number] = 0.0
    return Randomised(
        difference=np.where(exists, difference, 0.0),
        difference_slope=np.where(exists, first[1] - second[1], 0.0),
        error=np.where(exists, error, 1.0),
        error_slope=np.where(exists, first[3] + second[3], 0.0),
        error_curve=np.where(exists, first[4] + second[4], 0.0),
        users_rl=rl[0][0].round().astype(np.int64),
        users_control=control[0][0].round().astype(np.int64),
        varies=varies,
    )


def _centred(outcomes: Matrix, compared: NDArray[np.bool_]) -> tuple[Matrix, NDArray[np.bool_]]:
    # About their mean, or sums of squares would lose what differs.
    centre = (outcomes * compared).sum(axis=0) / np.maximum(compared.sum(axis=0), 1)
    centred = np.where(compared, outcomes - centre, 0.0)
    largest = np.abs(outcomes * compared).max(axis=0, initial=0.0)
    centred[np.abs(centred) <= ROUNDING * largest] = 0.0
    return centred, (centred != 0.0).any(axis=0)


def _moments(sums: list[Matrix], exists: NDArray[np.bool_]) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix]:
    # Means of outcome and arm; then the variances and the covariance of these two means.
    count, outcome, square, arm, product = sums
    number = np.where(exists, count, 2.0)
    weight = 1.0 / (number * (number - 1.0))
    mean, treated = outcome / number, arm / number
    return (
        mean,
        treated,
        (square - outcome * mean) * weight,
        (product - outcome * treated) * weight,
        (arm - arm * treated) * weight,
    )
