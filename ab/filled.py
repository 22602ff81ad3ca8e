"""User-days from the ledger: what a user's fills earned, what is held marked at the closes at which days end.

A day earned what is held at its end less what was held at its beginning, less what was paid for what was bought on it,
plus what was received for what was sold, less fees: so a loss counts while its position is open, and a user's days add
up to what was realised, and is not yet, after fees. A fill counts on the market day of the decision that ordered it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from ab.account import Prices
from ab.outcomes import BPS, DAY_S, AllotmentOf, Entry, OutcomeState, UnitDay, day_of
from trading.agents import ExecutionMode
from trading.ledger import EXACT
from trading.orders import ZERO

# A figure, or why there is none: LATE or MISSING.
_Known = float | OutcomeState
_NOTHING = 0.0
_WORST_FIRST = (OutcomeState.MISSING, OutcomeState.LATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One row of the ledger: `bought` base units, < 0 sold, at `price` for `fee`, both in quote currency.

    `held` is the position after it, exactly. `market_s` is when the order was decided (market time, Unix seconds). The
    ledger's oldest rows say neither: None. `fee` is None until the venue tells it.
    """

    user_id: str
    symbol: str
    mode: ExecutionMode
    market_s: float | None
    bought: Decimal
    held: Decimal | None
    price: float
    fee: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingTerms:
    """How a user's agent first traded under the experiment: its mode, and `capital_usd` (> 0), None when not known.

    `changed_s` is the close of the first bar (market time, Unix seconds) with another mode that trades or another
    capital; None: there is none.
    """

    mode: ExecutionMode
    capital_usd: float | None
    changed_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """By what the days are made, up to the market time `until_s` (Unix seconds).

    Of users without `terms` no agent traded. `working_s` are the orders that may still be filled: by user, when they
    were decided (market time). What a venue has not told is waited for until `grace_s` (>= 0) after a day's end.
    """

    entries: Mapping[str, Entry]
    terms: Mapping[str, TradingTerms]
    working_s: Mapping[str, Sequence[float]]
    allotment_of: AllotmentOf
    prices: Prices
    until_s: float
    grace_s: float


def filled_days(fills: Iterable[Filled], books: Books) -> Iterator[UnitDay]:
    """What each user in the comparison earned from the entry on, to the day of `until_s`, which is LATE.

    `fills` come one user after the other, each user's by symbol, mode and order of booking; one user is kept in memory
    at a time. What was held at the entry, or ordered before it, is left out until that position is flat. LATE, and
    after the grace MISSING, is a day with a fee that is not told, and each from that of an order that may still be
    filled on. MISSING is each day on and after one on which the fills do not add up to what is held, or mode or capital
    are others than at first. A user who never traded earned 0. `fees_bps` are fees alone: the spread is in the prices.
    Raises ValueError for fills out of order, and for a price or a fee that is no finite number, or a price <= 0.
    """
    seen = set[str]()
    for user_id, theirs in groupby(fills, key=lambda fill: fill.user_id):
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
    for account, rows in groupby(fills, key=lambda fill: (fill.symbol, fill.mode)):
        if account in seen:
            raise ValueError(f"fills of {user_id} are not ordered by symbol and mode at {account[0]}")
        seen.add(account)
        user.mark(account[0], _own_fills(rows, user))
    return user.unit_days()


class _Day:
    """Sums over the symbols, in quote currency; `doubt` is why the profit cannot be told, whatever is waited for."""

    __slots__ = ("doubt", "fees", "profit", "traded", "untold")

    def __init__(self) -> None:
        self.profit = self.fees = self.traded = 0.0
        self.untold = False
        self.doubt: OutcomeState | None = None


class _User:
    """One user's days, from the entry's to that of `until_s`."""

    __slots__ = ("_days", "_missing_from", "_terms", "_user_id", "_working_from", "books", "first", "since_s")

    def __init__(self, user_id: str, books: Books) -> None:
        self._user_id, self.books = user_id, books
        self.since_s = books.entries[user_id].since_s
        self.first = day_of(self.since_s)
        self._days = {day: _Day() for day in range(self.first, day_of(books.until_s) + 1)}
        self._terms = books.terms.get(user_id)
        changed_s = None if self._terms is None else self._terms.changed_s
        self._missing_from = self._first_day(() if changed_s is None else (changed_s,))
        self._working_from = self._first_day(books.working_s.get(user_id, ()))

    def miss_from(self, day: int) -> None:
        self._missing_from = min(self._missing_from, day)

    def mark(self, symbol: str, fills: Iterable[tuple[int, Filled]]) -> None:
        bought: dict[int, Decimal] = {}
        terms = self._terms
        for day, fill in fills:
            if terms is None or terms.capital_usd is None or fill.mode is not terms.mode:
                self.miss_from(day)
            bought[day] = EXACT.add(bought.get(day, ZERO), fill.bought)
            self._enter(self._days[day], fill)
        if bought:
            self._hold(symbol, bought)

    def unit_days(self) -> Iterator[UnitDay]:
        terms, last = self._terms, day_of(self.books.until_s)
        capital_usd = self.books.allotment_of(self._user_id).capital_usd if terms is None else terms.capital_usd
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

    def _first_day(self, times_s: Sequence[float]) -> float:
        counted = (day_of(at_s) for at_s in times_s if self.since_s <= at_s <= self.books.until_s)
        return min(counted, default=math.inf)

    def _doubt(self, day: int, sums: _Day) -> OutcomeState | None:
        if day >= self._missing_from or sums.doubt is OutcomeState.MISSING:
            return OutcomeState.MISSING
        if sums.untold or day >= self._working_from:
            waited_s = self.books.until_s - (day + 1) * DAY_S
            return OutcomeState.LATE if waited_s < self.books.grace_s else OutcomeState.MISSING
        return sums.doubt

    def _enter(self, sums: _Day, fill: Filled) -> None:
        paid = float(fill.bought) * _price(fill.price)
        sums.profit -= paid
        sums.traded += abs(paid)
        if fill.fee is None:
            sums.untold = True
        else:
            sums.profit -= fill.fee
            sums.fees += fill.fee

    def _hold(self, symbol: str, bought: Mapping[int, Decimal]) -> None:
        held: Decimal = ZERO
        before: _Known = _NOTHING
        for day, sums in self._days.items():
            held = EXACT.add(held, bought.get(day, ZERO))
            after = self._value(symbol, held, day)
            if isinstance(before, OutcomeState) or isinstance(after, OutcomeState):
                doubts = {before, after}
                sums.doubt = next(one for one in _WORST_FIRST if one in doubts | {sums.doubt})
            else:
                sums.profit += after - before
            before = after

    def _value(self, symbol: str, held: Decimal, day: int) -> _Known:
        # At the day's end, or now.
        if held == ZERO:
            return _NOTHING
        prices, until_s, end_s = self.books.prices, self.books.until_s, float((day + 1) * DAY_S)
        if end_s <= until_s and prices.complete_to_s(symbol) < end_s:
            return OutcomeState.LATE
        close = prices.close_at(symbol, min(end_s, until_s))
        if close is None:
            return OutcomeState.MISSING if end_s <= until_s else OutcomeState.LATE
        return float(held) * _price(close)


def _own_fills(rows: Iterable[Filled], user: _User) -> Iterator[tuple[int, Filled]]:
    # Those of positions opened since the entry, with their days. A gap may hide fills since the last row before it.
    held: Decimal | None = None
    foreign, last = False, user.first
    for fill in rows:
        before = None if fill.held is None else EXACT.subtract(fill.held, fill.bought)
        if before is None or fill.market_s is None or (held is not None and before != held):
            user.miss_from(last)
            return
        if held is None:
            foreign = before != ZERO
        if fill.market_s < user.since_s:
            if before != ZERO and not foreign:
                # Ordered before the entry, filled into what was opened after it: nobody can part them.
                user.miss_from(user.first)
                return
            foreign = True
        elif fill.market_s <= user.books.until_s:
            last = day_of(fill.market_s)
            if not foreign:
                yield last, fill
        held = fill.held
        foreign = foreign and held != ZERO


def _price(price: float) -> float:
    if not 0.0 < price < math.inf:
        raise ValueError(f"{price} is no price")
    return price


def _finite(profit: float) -> float:
    if not math.isfinite(profit):
        raise ValueError(f"{profit} is no profit")
    return profit
