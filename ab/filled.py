"""User-days from the ledger: what a user's fills earned, what is held marked at the closes at which days end.

A day earned what is held at its end less what was held at its beginning, less what was paid for what was bought on it,
plus what was received for what was sold, less fees: so a loss counts while its position is open, and a user's days add
up to what was realised, and is not yet, after fees. The first day begins at the entry with what was held there, at the
close of that bar: were it left out until it is sold, the arm would say how much of a user's trading counts. A fill
counts on the market day of the decision that ordered it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from operator import itemgetter

from ab.books import Books, Filled, RunFills
from ab.outcomes import BPS, DAY_S, OutcomeState, UnitDay, day_of
from trading.agents import ExecutionMode
from trading.ledger import EXACT
from trading.orders import ZERO

# A figure, or why there is none: LATE or MISSING.
_Known = float | OutcomeState
_NOTHING = 0.0
_WORST_FIRST = (OutcomeState.MISSING, OutcomeState.LATE)


def filled_days(fills: Iterable[Filled], books: Books) -> Iterator[UnitDay]:
    """What each user in the comparison earned from the entry on, to the day of `until_s`, which is LATE.

    `fills` come one user after the other, each user's by symbol, mode and order of booking, all since the user's
    `came_s`, those after the run as well; one user is kept in memory at a time. What the first fill of the run found is
    what was held at the entry, or what is held now where there is none; without the close of the entry the first day
    cannot be told. An order from before the entry that is filled after one of the run counts on the day of the entry.
    LATE, and after the grace MISSING, is a day with a fee that is not told, and each from that of an order that may
    still be filled on. MISSING is each day on and after one on which the fills do not add up to what is held, or mode
    or capital are others than at first. A user who never traded earned 0. `fees_bps` are fees alone: the spread is in
    the prices.
    Raises ValueError for fills out of order, and for a price or a fee that is no finite number, or a price <= 0.
    """
    seen = set[str]()
    for user_id, theirs in groupby(fills, key=itemgetter(0)):
        if user_id in seen:
            raise ValueError(f"fills are not ordered by user at {user_id}")
        seen.add(user_id)
        if user_id in books.entries:
            yield from _days_of(user_id, theirs, books)
    for user_id in books.entries:
        if user_id not in seen:
            yield from _days_of(user_id, (), books)


def _days_of(user_id: str, fills: Iterable[Filled], books: Books) -> Iterator[UnitDay]:
    user, seen = _User(user_id, books), set[tuple[str, ExecutionMode]]()
    for (symbol, mode), rows in groupby(fills, key=lambda fill: fill[1:3]):
        if (symbol, mode) in seen:
            raise ValueError(f"fills of {user_id} are not ordered by symbol and mode at {symbol}")
        seen.add((symbol, mode))
        user.follow(symbol, mode, rows)
    user.keep()
    return user.unit_days()


class _Day:
    """Sums over the symbols, in quote currency; `doubt` is why the profit cannot be told, whatever is waited for."""

    __slots__ = ("doubt", "fees", "profit", "traded", "untold")

    def __init__(self) -> None:
        self.profit = self.fees = self.traded = 0.0
        self.untold = False
        self.doubt: OutcomeState | None = None

    def enter(self, fill: Filled) -> None:
        paid = float(fill.bought) * _price(fill.price)
        self.profit -= paid
        self.traded += abs(paid)
        if fill.fee is None:
            self.untold = True
        else:
            self.profit -= fill.fee
            self.fees += fill.fee


class _User:
    """One user's days, from the entry's to that of `until_s`."""

    __slots__ = (
        "_books",
        "_days",
        "_first",
        "_missing_from",
        "_since_s",
        "_terms",
        "_unmoved",
        "_user_id",
        "_working_from",
    )

    def __init__(self, user_id: str, books: Books) -> None:
        self._user_id, self._books = user_id, books
        self._since_s = books.entries[user_id].since_s
        self._first = day_of(self._since_s)
        self._days = {day: _Day() for day in range(self._first, day_of(books.until_s) + 1)}
        self._terms = books.terms.get(user_id)
        self._unmoved = {} if self._terms is None else dict(books.held.get(user_id, {}))
        changed_s = None if self._terms is None else self._terms.changed_s
        self._missing_from = self._first_day(() if changed_s is None else (changed_s,))
        self._working_from = self._first_day(books.working_s.get(user_id, ()))

    def follow(self, symbol: str, mode: ExecutionMode, rows: Iterable[Filled]) -> None:
        terms, account = self._terms, RunFills(rows, self._since_s, self._books)
        self._miss_from(account.gap)
        if terms is None or mode is not terms.mode:
            self._miss_from(min((day for day, _ in account.fills), default=math.inf))
            return
        now = self._unmoved.pop(symbol, ZERO)
        bought: dict[int, Decimal] = {}
        for day, fill in account.fills:
            bought[day] = EXACT.add(bought.get(day, ZERO), fill.bought)
            self._days[day].enter(fill)
        self._hold(symbol, now if account.opening is None else account.opening, bought)

    def keep(self) -> None:
        for symbol, quantity in self._unmoved.items():
            self._hold(symbol, quantity, {})

    def unit_days(self) -> Iterator[UnitDay]:
        terms, last = self._terms, day_of(self._books.until_s)
        capital_usd = self._books.allotment_of(self._user_id).capital_usd if terms is None else terms.capital_usd
        # Where nobody knows the capital, days on which something was traded are missing.
        to_bps = 0.0 if capital_usd is None else 1.0 / (BPS * capital_usd)
        for day, sums in self._days.items():
            doubt = self._doubt(day, sums)
            yield UnitDay(
                user_id=self._user_id,
                day=day,
                state=doubt or (OutcomeState.LATE if day == last else OutcomeState.KNOWN),
                net_bps=None if doubt else _finite(sums.profit * to_bps),
                fees_bps=None if doubt else sums.fees * to_bps,
                turnover=None if doubt else sums.traded * to_bps * BPS,
                capital_usd=capital_usd,
            )

    def _miss_from(self, day: float) -> None:
        self._missing_from = min(self._missing_from, day)

    def _first_day(self, times_s: Sequence[float]) -> float:
        counted = (day_of(at_s) for at_s in times_s if self._since_s <= at_s <= self._books.until_s)
        return min(counted, default=math.inf)

    def _doubt(self, day: int, sums: _Day) -> OutcomeState | None:
        if day >= self._missing_from or sums.doubt is OutcomeState.MISSING:
            return OutcomeState.MISSING
        if sums.untold or day >= self._working_from:
            waited_s = self._books.until_s - (day + 1) * DAY_S
            return OutcomeState.LATE if waited_s < self._books.grace_s else OutcomeState.MISSING
        return sums.doubt

    def _hold(self, symbol: str, opening: Decimal, bought: Mapping[int, Decimal]) -> None:
        if self._terms is None or (not bought and opening == ZERO):
            return
        if self._terms.capital_usd is None:
            self._miss_from(min(bought) if opening == ZERO else self._first)
        held = opening
        before = self._value(symbol, held, self._since_s)
        for day, sums in self._days.items():
            held = EXACT.add(held, bought.get(day, ZERO))
            after = self._value(symbol, held, float((day + 1) * DAY_S))
            if isinstance(before, OutcomeState) or isinstance(after, OutcomeState):
                doubts = {before, after}
                sums.doubt = next(one for one in _WORST_FIRST if one in doubts | {sums.doubt})
            else:
                sums.profit += after - before
            before = after

    def _value(self, symbol: str, held: Decimal, at_s: float) -> _Known:
        # At a time before the present, or now where it comes after it.
        if held == ZERO:
            return _NOTHING
        prices, until_s = self._books.prices, self._books.until_s
        if at_s <= until_s and prices.complete_to_s(symbol) < at_s:
            return OutcomeState.LATE
        close = prices.close_at(symbol, min(at_s, until_s))
        if close is None:
            return OutcomeState.MISSING if at_s <= until_s else OutcomeState.LATE
        return float(held) * _price(close)


def _price(price: float) -> float:
    if not 0.0 < price < math.inf:
        raise ValueError(f"{price} is no price")
    return price


def _finite(profit: float) -> float:
    if not math.isfinite(profit):
        raise ValueError(f"{profit} is no profit")
    return profit
