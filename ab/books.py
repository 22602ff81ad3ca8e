"""What the ledger tells of a run's users, and which of its fills are the run's, on which day.

A fill is the run's when its order was made in it: who is asked while an order works does not change what it was for.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from ab.account import Prices
from ab.outcomes import AllotmentOf, Entry, day_of
from trading.agents import ExecutionMode
from trading.ledger import EXACT


class Filled(NamedTuple):
    """One row of the ledger: `bought` base units, < 0 sold, at `price` for `fee`, both in quote currency.

    `held` is the position after it, exactly. The order was made at `ordered_s` (wall time, Unix seconds) and decided at
    `market_s` (market time, Unix seconds). The ledger's oldest rows say neither `market_s` nor `held`: None. `fee` is
    None until the venue tells it. A tuple: a million of them are read at once.
    """

    user_id: str
    symbol: str
    mode: ExecutionMode
    ordered_s: float
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

    Of users without `terms` no agent traded. `held` is what each user of the others holds now, in the mode of the
    terms: base units by symbol. Orders are the run's from `came_s` of their user to `ended_s` (wall times, Unix
    seconds; None: it goes on). `working_s` are those that may still be filled: by user, when they were decided (market
    time). What a venue has not told is waited for until `grace_s` (>= 0) after a day's end.
    """

    entries: Mapping[str, Entry]
    came_s: Mapping[str, float]
    ended_s: float | None
    terms: Mapping[str, TradingTerms]
    held: Mapping[str, Mapping[str, Decimal]]
    working_s: Mapping[str, Sequence[float]]
    allotment_of: AllotmentOf
    prices: Prices
    until_s: float
    grace_s: float


class RunFills:
    """The fills of one user in one symbol and mode: `fills` are those of the run, each with its day.

    `opening` is what was held at the entry, None where no fill says it. From the day `gap` on some may be hidden; inf:
    none is.
    """

    __slots__ = ("fills", "gap", "opening")

    def __init__(self, rows: Iterable[Filled], since_s: float, books: Books) -> None:
        self.opening: Decimal | None = None
        self.fills: list[tuple[int, Filled]] = []
        self.gap = math.inf
        self._read(rows, since_s, books)

    def _read(self, rows: Iterable[Filled], since_s: float, books: Books) -> None:
        ended_s = math.inf if books.ended_s is None else books.ended_s
        held: Decimal | None = None
        last = first = day_of(since_s)
        for fill in rows:
            market_s, later = fill.market_s, fill.ordered_s > ended_s
            earlier = fill.ordered_s < books.came_s[fill.user_id]
            earlier = earlier or (market_s is not None and market_s < since_s and not later)
            if earlier and held is None:
                self.opening = fill.held
                continue
            before = None if fill.held is None else EXACT.subtract(fill.held, fill.bought)
            undated = market_s is None and not (earlier or later)
            if before is None or undated or (held is not None and held != before):
                # It may hide fills since the last row before it.
                self.gap = last
                return
            if held is None:
                self.opening = before
            held = fill.held
            if earlier:
                self.fills.append((first, fill))
            elif market_s is not None and market_s <= books.until_s and not later:
                last = day_of(market_s)
                self.fills.append((last, fill))
