"""What does one running fake service know?"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.fakes.stack.book import Book
from tests.fakes.stack.candles import Candles
from tests.fakes.stack.faults import Faults
from tests.fakes.stack.terms import Terms
from tests.fakes.stack.windows import Windows

# The longest list of calls that is kept; the counts go on.
MOST_CALLS = 200_000


@dataclass(slots=True, kw_only=True)
class Call:
    """A request that arrived whole. `authorization`: None without such a header, else
    what its token stands behind: `bearer`, or `bare` for anything else. The token itself is not kept.
    """

    method: str
    path: str
    query: str
    at_s: float
    at_monotonic_s: float
    authorization: str | None
    status: int | None = None
    fault: str | None = None


@dataclass(slots=True)
class State:
    """Of one service: `version` is v1, v1m or v2 ("" where there is one only); `name` is which service it plays."""

    name: str
    version: str
    terms: Terms
    faults: Faults = field(default_factory=Faults)
    windows: Windows = field(default_factory=Windows)
    calls: list[Call] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    # What is begun anew by a reset: sessions and bots by user, thresholds by user and symbol.
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    bots: dict[str, dict[str, Any]] = field(default_factory=dict)
    thresholds: dict[tuple[str, str | None], dict[str, float]] = field(default_factory=dict)
    latched: bool = False
    started_at_s: float = field(default_factory=time.time)
    thawed: asyncio.Event = field(default_factory=asyncio.Event)
    frost: asyncio.TimerHandle | None = None
    candles: Candles = field(init=False)
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        self.candles = Candles(self.terms)
        self.book = Book(self.terms, self.price)
        self.thawed.set()

    def price(self, coin: str) -> Decimal:
        """USD now, to the cent or to six figures, as a venue quotes."""
        return Decimal(f"{self.candles.price(coin):.8g}")

    def arrived(self, call: Call) -> None:
        self.counts[f"{call.method} {call.path}"] += 1
        if len(self.calls) < MOST_CALLS:
            self.calls.append(call)

    def forget(self) -> None:
        """Begin anew, the terms apart."""
        self.book.clear()
        self.windows.clear()
        self.faults.rules.clear()
        self.calls.clear()
        self.counts.clear()
        self.sessions.clear()
        self.bots.clear()
        self.thresholds.clear()
        self.latched = False
        self.thaw()

    def freeze(self, for_s: float) -> None:
        """Nothing is worked on for so many seconds."""
        self.thaw()
        self.thawed.clear()
        self.frost = asyncio.get_running_loop().call_later(for_s, self.thawed.set)

    def thaw(self) -> None:
        if self.frost is not None:
            self.frost.cancel()
            self.frost = None
        self.thawed.set()
