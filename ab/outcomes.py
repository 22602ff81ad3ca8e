"""What a user's day under an experiment earned: the words for it, and from days to the rows the statistics take.

The unit is one user on one market day (UTC), counted for the arm the user was assigned when first compared, whatever
answered later (intention to treat).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from trading.vocabulary import Arm

DAY_S = 86_400
BPS = 1e-4


class OutcomeState(StrEnum):
    """Whether a day's profit is known. late: the day is not over, or what it needs may yet come; missing: not so."""

    KNOWN = "known"
    LATE = "late"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A decision under an experiment, at `market_at_s`: the close of the bar decided on (market time, Unix seconds).

    `target_exposure` is the share of the symbol's capital to hold, None to keep what is held. `price` is that close in
    quote currency, None when it is not known. `arm` is the assigned one.
    """

    user_id: str
    symbol: str
    market_at_s: float
    price: float | None
    target_exposure: float | None
    arm: Arm


# Market time, price and target exposure as in Exposed. A bare tuple: a million of them are marked at once.
Advice: TypeAlias = tuple[float, float | None, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Decisions under an experiment for one user and one symbol, by time; those after them may be in another one."""

    user_id: str
    symbol: str
    advice: Sequence[Advice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The arm a user was assigned when first compared, at `since_s` (market time, Unix seconds)."""

    arm: Arm
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """What a user trades with: `capital_usd` (> 0), None when nobody said, split equally over `symbols` (>= 1)."""

    symbols: int
    capital_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDay:
    """What one user's market day earned; `day` counts UTC days since 1970-01-01.

    `net_bps` is after costs and `fees_bps` the costs (fees and half the spread; by the ledger fees alone), basis points
    of the user's allotted capital at the start: profit is not reinvested. `turnover` is traded value over that capital.
    When LATE they are what is known so far, if that can be told; None when not, and always when MISSING.
    """

    user_id: str
    day: int
    state: OutcomeState
    net_bps: float | None
    fees_bps: float | None
    turnover: float | None
    capital_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """One unit as the primary test takes it: `net_bps` as in UnitDay when KNOWN, else None."""

    user_id: str
    arm: Arm
    day: int
    net_bps: float | None
    state: OutcomeState


AllotmentOf = Callable[[str], Allotment]


def day_of(market_s: float) -> int:
    """The UTC day since 1970-01-01 in which a market time (Unix seconds) is; midnight begins one."""
    return int(market_s // DAY_S)


def outcome_rows(days: Iterable[UnitDay], entries: Mapping[str, Entry]) -> Iterator[OutcomeRow]:
    """The rows of the users in the comparison, from the day of their entry on, each for the arm of the entry."""
    for unit in days:
        entry = entries.get(unit.user_id)
        if entry is not None and unit.day >= day_of(entry.since_s):
            yield OutcomeRow(
                user_id=unit.user_id,
                arm=entry.arm,
                day=unit.day,
                net_bps=unit.net_bps if unit.state is OutcomeState.KNOWN else None,
                state=unit.state,
            )


def all_known(rows: Iterable[OutcomeRow], *, until_s: float, accepted_through: int | None) -> bool:
    """True when the profit of every day that was over at the market time `until_s` is known, or accepted as missing.

    Those up to the day `accepted_through` are accepted, None for none; what is late may yet come all the same.
    """
    today = day_of(until_s)

    def accepted(row: OutcomeRow) -> bool:
        return row.state is OutcomeState.MISSING and accepted_through is not None and row.day <= accepted_through

    return all(row.state is OutcomeState.KNOWN or accepted(row) for row in rows if row.day < today)
