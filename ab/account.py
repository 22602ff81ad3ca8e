"""The as-if account: what a user's decisions would have earned had each been carried out at its close.

Served, shadow and blocked decisions are all marked by this one account and its one cost model. The account starts flat,
moves to each target at the decision's price and holds it until the next, on days without a decision too. Capital does
not compound: a target is a share of the capital allotted at the start, as orders are sized (trading/sizing.py), so that
no day weighs more than another because of what earlier ones earned, and a user's days add up.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from ab.outcomes import BPS, DAY_S, Advice, Allotment, AllotmentOf, Exposed, OutcomeState, Series, UnitDay, day_of

# A figure, or why there is none: LATE or MISSING.
_Known = float | OutcomeState


class Prices(Protocol):
    """The closes of bars, in quote currency, by market time (Unix seconds)."""

    def close_at(self, symbol: str, market_s: float) -> float | None:
        """The close of the last bar closed at this time; None when there is none that still says what a price is."""

    def complete_to_s(self, symbol: str) -> float:
        """Until when all bars are in that there will be; a later close that is not known may yet come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What trading costs, basis points of the traded value (>= 0): the venue's fee, and the spread from bid to ask."""

    fee_bps: float
    spread_bps: float

    @property
    def rate(self) -> float:
        """Cost of one unit of traded value, as a fraction: a trade at the mid price pays half the spread."""
        return (self.fee_bps + self.spread_bps / 2.0) * BPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """By what the days are marked, up to the market time `until_s` (Unix seconds).

    A change of exposure below `dead_band` (>= 0, a share of the symbol's capital) is not traded unless it leads to
    flat, as for orders (trading/gate.py).
    """

    costs: Costs
    dead_band: float
    prices: Prices
    allotment_of: AllotmentOf
    until_s: float


def mark_days(exposures: Iterable[Exposed], marking: Marking) -> Iterator[UnitDay]:
    """The days of `exposures`, one by one, as `mark_series` marks them."""
    grouped = groupby(exposures, key=attrgetter("user_id", "symbol"))
    return mark_series((_series(user_id, symbol, exposed) for (user_id, symbol), exposed in grouped), marking)


def mark_series(series: Iterable[Series], marking: Marking) -> Iterator[UnitDay]:
    """Each user's days from the first exposure to that of `until_s`, which is LATE as it is not over.

    `series` come one user after the other, each user's by symbol and then by time; exposures after `until_s` are left
    out. One user is kept in memory at a time. A user's capital is split over the symbols allotted, or over those
    exposed in where these are more. What needs a price that nobody has is MISSING, or LATE while it may yet come, and
    so are the days that depend on it.
    Raises ValueError for exposures out of order and for a price or target that is no finite number, or a price <= 0.
    """
    user: _UserAccount | None = None
    for one in series:
        advice = _until(one.advice, marking.until_s)
        if advice:
            if user is None or user.user_id != one.user_id:
                if user is not None:
                    yield from user.unit_days()
                user = _UserAccount(one.user_id, marking)
            user.follow(one.symbol, advice)
    if user is not None:
        yield from user.unit_days()


def _series(user_id: str, symbol: str, exposed: Iterable[Exposed]) -> Series:
    advice = [(each.market_at_s, each.price, each.target_exposure) for each in exposed]
    return Series(user_id=user_id, symbol=symbol, advice=advice)


def _until(advice: Sequence[Advice], until_s: float) -> Sequence[Advice]:
    if not advice or not advice[-1][0] > until_s:
        return advice
    return [each for each in advice if not each[0] > until_s]


class _Day:
    """Sums over the symbols, in shares of a symbol's capital; `doubt` is why the profit cannot be told."""

    __slots__ = ("costs", "doubt", "profit", "turnover")

    def __init__(self) -> None:
        self.profit = self.costs = self.turnover = 0.0
        self.doubt: OutcomeState | None = None

    def spoil(self, *figures: _Known) -> None:
        for figure in figures:
            if isinstance(figure, OutcomeState) and self.doubt is not OutcomeState.MISSING:
                self.doubt = figure


class _Days(dict[int, _Day]):
    def __missing__(self, day: int) -> _Day:
        self[day] = made = _Day()
        return made


class _SymbolAccount:
    """What is held of one symbol, in shares of its capital over the price, and the price it was last marked at."""

    __slots__ = ("_at_s", "_day", "_days", "_mark", "_marking", "_quantity", "_rate", "_symbol", "_today")

    def __init__(self, symbol: str, day: int, days: _Days, marking: Marking) -> None:
        self._symbol, self._marking, self._days = symbol, marking, days
        self._rate = marking.costs.rate
        self._day, self._today = day, days[day]
        self._at_s = -math.inf
        self._quantity: _Known = 0.0
        self._mark: _Known = OutcomeState.MISSING

    def follow(self, advice: Iterable[Advice]) -> None:
        last_s, midnight_s = self._at_s, (self._day + 1) * DAY_S
        for at_s, price, target in advice:
            if not at_s > last_s:
                raise ValueError(f"exposures in {self._symbol} are not ordered by time at {at_s}")
            last_s = at_s
            if at_s >= midnight_s:
                self._close_days(day_of(at_s))
                midnight_s = (self._day + 1) * DAY_S
            if target is None or (target == 0.0 and self._quantity == 0.0):
                continue
            if not -math.inf < target < math.inf:
                raise ValueError(f"{target} is no target exposure")
            known = self._close_by(at_s) if price is None else _checked(price)
            if isinstance(known, OutcomeState):
                self._trade_unseen(target, known)
            else:
                self._trade(target, known)
        self._at_s = last_s

    def close(self) -> None:
        until_s = self._marking.until_s
        self._close_days(day_of(until_s))
        if self._quantity != 0.0:
            close = self._marking.prices.close_at(self._symbol, until_s)
            self._mark_at(OutcomeState.LATE if close is None else _checked(close))

    def _close_days(self, day: int) -> None:
        while self._day < day:
            if self._quantity != 0.0:
                self._mark_at(self._close_by((self._day + 1) * DAY_S))
            self._day += 1
            self._today = self._days[self._day]

    def _close_by(self, at_s: float) -> _Known:
        prices = self._marking.prices
        if prices.complete_to_s(self._symbol) < at_s:
            return OutcomeState.LATE
        close = prices.close_at(self._symbol, at_s)
        return OutcomeState.MISSING if close is None else _checked(close)

    def _mark_at(self, price: _Known) -> None:
        held, mark = self._quantity, self._mark
        if isinstance(held, OutcomeState) or isinstance(mark, OutcomeState) or isinstance(price, OutcomeState):
            self._today.spoil(held, mark, price)
        else:
            self._today.profit += held * (price - mark)
        self._mark = price

    def _trade(self, target: float, price: float) -> None:
        held, today = self._quantity, self._today
        if held != 0.0:
            self._mark_at(price)
        self._mark = price
        if not isinstance(held, OutcomeState):
            change = abs(target - held * price)
            if change < self._marking.dead_band and target != 0.0:
                return
            cost = change * self._rate
            today.turnover += change
            today.costs += cost
            today.profit -= cost
        self._quantity = target / price

    def _trade_unseen(self, target: float, why: OutcomeState) -> None:
        if self._quantity == 0.0:
            self._today.spoil(why)
        else:
            self._mark_at(why)
        self._mark = why
        self._quantity = 0.0 if target == 0.0 else why


class _UserAccount:
    __slots__ = ("_account", "_days", "_marking", "_symbol", "_symbols", "user_id")

    def __init__(self, user_id: str, marking: Marking) -> None:
        self.user_id, self._marking = user_id, marking
        self._days, self._symbols = _Days(), set[str]()
        self._symbol: str | None = None
        self._account: _SymbolAccount | None = None

    def follow(self, symbol: str, advice: Sequence[Advice]) -> None:
        account = self._account
        if account is None or symbol != self._symbol:
            account = self._begin(symbol, advice[0][0])
        account.follow(advice)

    def unit_days(self) -> Iterator[UnitDay]:
        if self._account is not None:
            self._account.close()
        allotment = self._marking.allotment_of(self.user_id)
        last = day_of(self._marking.until_s)
        for day in range(min(self._days), last + 1):
            yield self._unit_day(day, self._days[day], allotment, last=last)

    def _begin(self, symbol: str, at_s: float) -> _SymbolAccount:
        if self._account is not None:
            self._account.close()
        if symbol in self._symbols:
            raise ValueError(f"exposures of {self.user_id} are not ordered by symbol at {symbol}")
        self._symbols.add(symbol)
        self._symbol = symbol
        self._account = _SymbolAccount(symbol, day_of(at_s), self._days, self._marking)
        return self._account

    def _unit_day(self, day: int, sums: _Day, allotment: Allotment, *, last: int) -> UnitDay:
        state = sums.doubt or OutcomeState.KNOWN
        if day == last and state is OutcomeState.KNOWN:
            state = OutcomeState.LATE
        to_bps = None if sums.doubt else 1.0 / (BPS * max(allotment.symbols, len(self._symbols)))
        return UnitDay(
            user_id=self.user_id,
            day=day,
            state=state,
            net_bps=None if to_bps is None else sums.profit * to_bps,
            fees_bps=None if to_bps is None else sums.costs * to_bps,
            turnover=None if to_bps is None else sums.turnover * to_bps * BPS,
            capital_usd=allotment.capital_usd,
        )


def _checked(price: float) -> float:
    if not 0.0 < price < math.inf:
        raise ValueError(f"{price} is no price")
    return price
