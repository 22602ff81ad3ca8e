"""What is compared: users, the arm each was given, since when, and what each of their days earned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ab.outcomes import DAY_S, OutcomeRow
from ab.plan import Analysis
from trading.vocabulary import Arm

# Times are sums of floats: a look this close before midnight is at midnight.
ROUNDING_S = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class LookTime:
    """When one look is taken: the market time (Unix seconds), and how many days (>= 0) were over by then."""

    at_s: float
    days: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Units:
    """n users over some days: `treated` bool[n], `profit` float64[n, days] in bps, `entered` int64[n]: the first day.

    `present` bool[n, days] says which profits are known: a day before `entered` is nobody's, a later one that is not
    present is missing. ValueError for shapes that do not agree, a profit before the entry, and for NaN or infinity
    where a profit is said to be known.
    """

    users: tuple[str, ...]
    treated: NDArray[np.bool_]
    entered: NDArray[np.int64]
    profit: NDArray[np.float64]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        number = len(self.users)
        if len(set(self.users)) != number:
            raise ValueError("a user is there twice")
        if self.treated.shape != (number,) or self.entered.shape != (number,):
            raise ValueError("treated and entered need one value a user")
        if self.profit.shape != self.present.shape or self.profit.shape[:1] != (number,) or self.profit.ndim != 2:
            raise ValueError("profit and present need one row a user and one column a day")
        if not np.isfinite(self.profit[self.present]).all():
            raise ValueError("a profit that is said to be known is not finite")
        if (self.present & (np.arange(self.profit.shape[1]) < self.entered[:, None])).any():
            raise ValueError("a user has a profit before they entered")

    @property
    def missing(self) -> int:
        """User-days since the users entered that have no profit."""
        return int((np.arange(self.profit.shape[1]) >= self.entered[:, None]).sum() - self.present.sum())

    def means(
        self, looks: Sequence[LookTime], lowest_bps: float, highest_bps: float
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Mean profit of each user's known days before each look, float64[n, looks], and who has one, bool[n, looks].

        Each day is cut to the bounds first; the mean of a user with no known day is 0 and does not count.
        """
        cut = np.where(self.present, np.clip(np.where(self.present, self.profit, 0.0), lowest_bps, highest_bps), 0.0)
        width = self.profit.shape[1]
        until = [min(look.days, width) for look in looks]
        sums = _with_zero(cut.cumsum(axis=1))[:, until]
        known = _with_zero(self.present.cumsum(axis=1))[:, until]
        return sums / np.maximum(known, 1.0), known > 0


def units_from(rows: Iterable[OutcomeRow], first_day: int) -> Units:
    """Units of one row a user and day, in any order; a user's first row is the day they entered.

    `first_day` (UTC days since 1970-01-01) is column 0. ValueError for a row before it, a day given twice, a user in
    both arms or in neither, and a profit that is not finite.
    """
    arms: dict[str, Arm] = {}
    cells = list(rows)
    for row in cells:
        if row.day < first_day:
            raise ValueError(f"day {row.day} is before the comparison began, on day {first_day}")
        if arms.setdefault(row.user_id, row.arm) is not row.arm or row.arm not in (Arm.RL, Arm.FALLBACK):
            raise ValueError("a user has to be in one arm, the policy's or the rule's")
    places = {user: place for place, user in enumerate(arms)}
    place = np.array([places[row.user_id] for row in cells], dtype=np.int64)
    day = np.array([row.day - first_day for row in cells], dtype=np.int64)
    shape = len(arms), 1 + int(day.max(initial=-1))
    given = np.zeros(shape, dtype=np.int64)
    np.add.at(given, (place, day), 1)
    if (given > 1).any():
        raise ValueError(f"a user's day {first_day + int(np.argmax(given.max(axis=0) > 1))} is there twice")
    entered = np.full(len(arms), shape[1], dtype=np.int64)
    np.minimum.at(entered, place, day)
    profit, present = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
    profit[place, day] = np.array([row.net_bps for row in cells], dtype=np.float64)
    present[place, day] = [row.net_bps is not None for row in cells]
    treated = np.array([arm is Arm.RL for arm in arms.values()], dtype=np.bool_)
    return Units(users=tuple(arms), treated=treated, entered=entered, profit=profit, present=present)


def look_times(began_s: float, now_s: float, analysis: Analysis) -> tuple[LookTime, ...]:
    """The planned looks that are due by the market time `now_s`, of a comparison that began at `began_s`.

    A look sees the UTC days that are over: those of looks less than a day apart may see the same ones.
    """
    times = (began_s + number * analysis.look_days * DAY_S for number in range(1, analysis.looks + 1))
    first_day = began_s // DAY_S
    due = [at_s for at_s in times if at_s <= now_s + ROUNDING_S]
    return tuple(LookTime(at_s=at_s, days=int((at_s + ROUNDING_S) // DAY_S - first_day)) for at_s in due)


def _with_zero(sums: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.hstack([np.zeros((len(sums), 1)), sums.astype(np.float64)])
