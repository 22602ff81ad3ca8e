"""The closes of a market's bars over the time of an experiment; keeps ab.account.Prices."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.live_market import LiveMarket
from adapters.store.bars import newer_bars
from trading.ports import Market
from trading.vocabulary import STALE_TIMEFRAMES, Bar
from wiring.stores import OpenStore

# More than any market has: all of them after a time.
_ALL = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolCloses:
    """The closes of one symbol, oldest first; `complete_to_s` is until when all are in that there will be."""

    times_s: Sequence[int]
    closes: Sequence[float]
    complete_to_s: float


class Closes:
    """What each symbol closed at. A symbol without bars has no price, and will have none."""

    def __init__(self, by_symbol: Mapping[str, SymbolCloses], timeframe_s: int) -> None:
        self._by_symbol = by_symbol
        self._longest_s = STALE_TIMEFRAMES * timeframe_s

    def close_at(self, symbol: str, market_s: float) -> float | None:
        """See Prices."""
        known = self._by_symbol.get(symbol)
        place = 0 if known is None else bisect_right(known.times_s, market_s)
        if known is None or place == 0 or market_s - known.times_s[place - 1] > self._longest_s:
            return None
        return known.closes[place - 1]

    def complete_to_s(self, symbol: str) -> float:
        """See Prices."""
        known = self._by_symbol.get(symbol)
        return float("inf") if known is None else known.complete_to_s


def closes_since(market: Market, store: OpenStore, since_s: float, *, at_s: float) -> Closes:
    """The closes from a market time on, and those just before it, as they are known at `at_s` (Unix seconds)."""
    after_s = int(since_s) - 3 * market.timeframe_s
    if isinstance(market, LiveMarket):
        # It remembers few bars, and none before it was asked to; the store has those of a month.
        bars = store.read(newer_bars(market.timeframe_s, dict.fromkeys(market.symbols(), after_s)))
        live = {symbol: bars.get(symbol, []) for symbol in market.symbols()}
        return Closes({symbol: _live(found, market.timeframe_s) for symbol, found in live.items()}, market.timeframe_s)
    found = {symbol: market.closed_bars(symbol, after_s=after_s, limit=_ALL) for symbol in market.symbols()}
    by_symbol = {symbol: _closes(bars, market.timeframe_s, at_s) for symbol, bars in found.items()}
    return Closes(by_symbol, market.timeframe_s)


def _live(bars: Sequence[Bar], timeframe_s: int) -> SymbolCloses:
    # They come one after the other: nothing is ever put before a bar that is there.
    return _closes(bars, timeframe_s, bars[-1].open_time_s + timeframe_s if bars else float("-inf"))


def _closes(bars: Sequence[Bar], timeframe_s: int, complete_to_s: float) -> SymbolCloses:
    return SymbolCloses(
        times_s=[bar.open_time_s + timeframe_s for bar in bars],
        closes=[bar.close for bar in bars],
        complete_to_s=complete_to_s,
    )
