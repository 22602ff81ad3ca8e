"""Closes of bars as a test wants them: implements ab.account.Prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class FakeCloses:
    """`closes` by symbol and close time; nothing between them has a price. All there will be, unless `complete_to`."""

    closes: Mapping[tuple[str, float], float] = field(default_factory=dict)
    complete_to: Mapping[str, float] = field(default_factory=dict)

    def close_at(self, symbol: str, market_s: float) -> float | None:
        return self.closes.get((symbol, market_s))

    def complete_to_s(self, symbol: str) -> float:
        return self.complete_to.get(symbol, float("inf"))
