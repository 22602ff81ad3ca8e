"""Numbers, times and names as a reader sees them; what is not known is said, never shown as a number."""

import math
from datetime import UTC, date, datetime

from ab.alarms import GUARD_WORDS
from ab.plan import Guard, OutcomeSource, Response
from ab.results import Conclusion
from trading.vocabulary import Arm

NOT_KNOWN = "not known"
CANNOT_BE_TOLD = "cannot be told"
MINUS = "\N{MINUS SIGN}"
LEAST_SHOWN = 0.0001

# The two arms that are compared, in the order in which they are shown.
ARMS = {Arm.RL: "Policy", Arm.FALLBACK: "Rule"}

_SHARES = frozenset({Guard.REJECTED_ORDERS, Guard.ERRORS})
# The name and the unit of each guard as they begin a row; shares are shown in percent.
GUARDS = {
    guard: (f"{name[0].upper()}{name[1:]}", "%" if guard in _SHARES else unit.strip())
    for guard, (name, unit) in GUARD_WORDS.items()
}

RESPONSES = {
    Response.HOLD: "holds",
    Response.PAUSE: "pauses",
    Response.ROLL_BACK: "rolls back",
    Response.KILL: "kills",
}

CONCLUSIONS = {
    Conclusion.BETTER: "better",
    Conclusion.WORSE: "worse",
    Conclusion.NOT_WORSE: "not worse",
    Conclusion.UNDECIDED: "not decided yet",
    Conclusion.INCONCLUSIVE: "inconclusive",
    Conclusion.CANNOT_CONCLUDE: "cannot conclude",
}

SOURCES = {
    OutcomeSource.AS_IF: (
        "the as-if account: one account and one cost model mark served, shadow and blocked decisions alike at market "
        "prices, whether or not an order was sent"
    ),
    OutcomeSource.REPORTED: "reports: what callers told the service their decisions earned",
    OutcomeSource.LEDGER: (
        "the ledger: what the fills of the users' agents earned, at their own prices and fees, with what is held "
        "marked at market prices"
    ),
}

# By whose account the money of an arm is.
ACCOUNTS = {
    OutcomeSource.AS_IF: "by the as-if account",
    OutcomeSource.REPORTED: "by what callers reported",
    OutcomeSource.LEDGER: "by the ledger",
}

# When nobody can say any more what a user-day earned.
MISSING = {
    OutcomeSource.AS_IF: "a market day is missing where there is no price to mark the account at",
    OutcomeSource.REPORTED: (
        "a market day is missing where a day after its end a decision that could be traded has not been reported"
    ),
    OutcomeSource.LEDGER: (
        "a market day is missing where a day after its end a fee is not told or an order may still be filled, where "
        "there is no price to mark what is held at, from where the fills do not add up to what is held, and from where "
        "the agent trades with another capital or in another mode"
    ),
}


def finite(value: float | None) -> float | None:
    """The value where it is a number; None stands for everything that is not."""
    return value if value is not None and math.isfinite(value) else None


def number(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """With so many decimals, thousands apart and a true minus; `signed` writes the plus of a gain as well."""
    shown = finite(value)
    if shown is None:
        return NOT_KNOWN
    rounded = round(shown, digits)
    sign = MINUS if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}{abs(rounded):,.{digits}f}"


def dollars(value: float | None) -> str:
    """Whole dollars from 100 on, cents below."""
    return number(value, 0 if value is not None and abs(value) >= 100 else 2, signed=True)


def percent(share: float | None) -> str:
    """A share (0..1) in percent, with at most two decimals."""
    shown = finite(share)
    return NOT_KNOWN if shown is None else f"{round(100 * shown, 2):g} %"


def chance(probability: float | None) -> str:
    """A p-value or a level: four decimals, or that it is smaller than they can show."""
    shown = finite(probability)
    if shown is None:
        return NOT_KNOWN
    return f"< {LEAST_SHOWN}" if shown < LEAST_SHOWN else f"{shown:.4f}"


def guard_value(guard: Guard, value: float | None) -> str:
    """A reading or a limit of this guard, without its unit."""
    shown = finite(value)
    if shown is None:
        return CANNOT_BE_TOLD
    return f"{round(100 * shown, 2):g}" if guard in _SHARES else number(shown, 2 if guard is Guard.TURNOVER else 1)


def interval(low_bps: float | None, high_bps: float | None) -> str:
    """An interval in basis points; an end that is None is unbounded."""
    low, high = finite(low_bps), finite(high_bps)
    if low is None and high is None:
        return "unbounded"
    if low is None:
        return f"up to {number(high, signed=True)}, no lower end"
    if high is None:
        return f"from {number(low, signed=True)}, no upper end"
    return f"{number(low, signed=True)} to {number(high, signed=True)}"


def moment(at_s: float) -> str:
    """A time (Unix seconds) to the minute, UTC."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M}"


def short_day(day: date) -> str:
    """A day for an axis: 31 Jan."""
    return f"{day.day} {day:%b}"


def day_of(at_s: float) -> date:
    """The market day of a time (Unix seconds), UTC."""
    return datetime.fromtimestamp(at_s, UTC).date()
