"""Whether days are missing as often in one arm as in the other; if not, those that are left tell too much good.

Where nobody says how a bad day ended, what is known of an arm is better than what it earned. With days missing for
reasons that do not hang on the arm every toss of the users' coins was equally likely to give the shares that were seen
(Fisher 1935; Lehmann & Romano, Testing Statistical Hypotheses, 15.2).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ab.attainable import DRAWS, least_p
from ab.outcomes import OutcomeRow, OutcomeState
from ab.statistics.rerandomisation import coin_sums
from ab.statistics.spending import TIE
from trading.vocabulary import Arm

LEVEL = 0.01
# Of so many users all assignments are enumerated: no more of them than there would be draws.
ENUMERATED = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingShares:
    """The mean share of a user's days that are missing, by arm (0..1), and the chance of a difference so large.

    `differs`: it is too small for chance, at LEVEL; of so few users that none could be, as small as it can be.
    """

    policy: float
    rule: float
    p_value: float
    differs: bool


def missing_shares(rows: Iterable[OutcomeRow], *, seed: str) -> MissingShares | None:
    """The shares over the days that are known or missing; None where an arm has no user. Late days do not count.

    Beyond 13 users the assignments are drawn by the coins that `seed` fixes.
    """
    days: dict[tuple[str, Arm], list[bool]] = defaultdict(list)
    for row in rows:
        if row.state is not OutcomeState.LATE:
            days[row.user_id, row.arm].append(row.state is OutcomeState.MISSING)
    shares = np.array([sum(one) / len(one) for one in days.values()])
    treated = np.array([arm is Arm.RL for _, arm in days], dtype=np.bool_)
    if not treated.any() or treated.all():
        return None
    if not shares.any():
        return MissingShares(policy=0.0, rule=0.0, p_value=1.0, differs=False)
    users = tuple(user_id for user_id, _ in days)
    p_value = _p_value(shares, treated, users, seed)
    return MissingShares(
        policy=float(shares[treated].mean()),
        rule=float(shares[~treated].mean()),
        p_value=p_value,
        differs=p_value < LEVEL or p_value <= least_p(len(users)),
    )


def _p_value(shares: NDArray[np.float64], treated: NDArray[np.bool_], users: tuple[str, ...], seed: str) -> float:
    columns = np.column_stack([np.ones(len(shares)), shares])
    observed = _difference(treated.astype(np.float64)[None, :] @ columns, columns)[0]
    if len(users) <= ENUMERATED:
        arms = (np.arange(2 ** len(users))[:, None] >> np.arange(len(users))) & 1
        sums = arms.astype(np.float64) @ columns
    else:
        sums = coin_sums(columns, users, treated, seed=seed, draws=DRAWS)
    return float(np.mean(_difference(sums, columns) >= observed - TIE))


def _difference(sums: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    # Without a user in one of the arms there is no difference.
    rest = columns.sum(axis=0) - sums
    both = (sums[:, 0] > 0.5) & (rest[:, 0] > 0.5)
    means = [part[:, 1] / np.maximum(part[:, 0], 1.0) for part in (sums, rest)]
    difference: NDArray[np.float64] = np.where(both, np.abs(means[0] - means[1]), 0.0)
    return difference
