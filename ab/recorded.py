"""User-days from profit that was recorded elsewhere: callers report what their decisions earned."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ab.outcomes import DAY_S, AllotmentOf, Entry, OutcomeState, UnitDay, day_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A decision that acted, at `market_at_s` (market time, Unix seconds), and what its caller says it earned.

    `net_bps` is after costs, of the user's allotted capital; None as long as nobody has said.
    """

    user_id: str
    market_at_s: float
    net_bps: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """For whom days are made, up to the market time `until_s`, and how long after a day's end what is not yet told is
    waited for: `grace_s` (>= 0)."""

    entries: Mapping[str, Entry]
    allotment_of: AllotmentOf
    until_s: float
    grace_s: float


@dataclass(slots=True)
class _Sums:
    net_bps: float = 0.0
    untold: bool = False


_UserDay = tuple[str, int]


def reported_days(decisions: Iterable[Expected], due: Due) -> Iterator[UnitDay]:
    """What callers reported of each user in the comparison, on the day of the decision that earned it.

    A day without a decision that acted earned 0. With one that nobody has reported it is LATE, and after the grace
    MISSING. Costs and turnover are not reported: None. Raises ValueError for a profit that is no finite number.
    """
    sums: dict[_UserDay, _Sums] = defaultdict(_Sums)
    for decision in decisions:
        entry = due.entries.get(decision.user_id)
        if entry is None or decision.market_at_s < entry.since_s:
            continue
        day = sums[decision.user_id, day_of(decision.market_at_s)]
        if decision.net_bps is None:
            day.untold = True
        else:
            day.net_bps += _finite(decision.net_bps)
    return _unit_days(sums, due)


def _unit_days(sums: Mapping[_UserDay, _Sums], due: Due) -> Iterator[UnitDay]:
    last, nothing = day_of(due.until_s), _Sums()
    for user_id, entry in due.entries.items():
        capital_usd = due.allotment_of(user_id).capital_usd
        for day in range(day_of(entry.since_s), last + 1):
            told = sums.get((user_id, day), nothing)
            yield UnitDay(
                user_id=user_id,
                day=day,
                state=_state(due.until_s - (day + 1) * DAY_S, due.grace_s, untold=told.untold),
                net_bps=None if told.untold else told.net_bps,
                fees_bps=None,
                turnover=None,
                capital_usd=capital_usd,
            )


def _state(over_s: float, grace_s: float, *, untold: bool) -> OutcomeState:
    if over_s < 0.0 or (untold and over_s < grace_s):
        return OutcomeState.LATE
    return OutcomeState.MISSING if untold else OutcomeState.KNOWN


def _finite(amount: float) -> float:
    if not math.isfinite(amount):
        raise ValueError(f"{amount} is no profit")
    return amount
