"""From Binance's klines, as every version passes them on, to closed bars: what is not sound is refused as a whole.

A row is [open time ms, open, high, low, close, volume in base units, close time ms, volume in quote currency, ...].
The numbers come as text or as JSON numbers: https://developers.binance.com/docs/binance-spot-api-docs/rest-api
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from adapters.bar_checks import VolumeOrder, broken_rule, volume_order
from adapters.data_aggregator.refusal import Fault, MarketDataRefused
from trading.vocabulary import Bar

INTERVALS = {
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1800: "30m",
    3600: "1h",
    7200: "2h",
    14400: "4h",
    21600: "6h",
    28800: "8h",
    43200: "12h",
    86400: "1d",
}
# The most rows Binance gives at once.
MOST_ROWS = 1000
# How far the other clock may be ahead of ours.
SKEW_S = 5.0
# The newest row may change for so long after its close; once another row follows it, it does not.
SETTLE_S = 2.0
# What trading.vocabulary.MarketView calls stale, in timeframes: such bars are of no use.
STALE_AFTER = 1.5

_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?", re.ASCII)
_LEAST_FIELDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The time of an answer on our clock and, where the answer has one, on theirs (Unix seconds)."""

    now_s: float
    theirs_s: float | None


def closed_bars(rows: object, timeframe_s: int, clocks: Clocks) -> list[Bar]:
    """The closed bars of an answer, oldest first, at least one; holes are left for `require_settled`.

    A bar counts as closed when our clock says so and, for the last row, theirs too. Raises MarketDataRefused.
    """
    if not isinstance(rows, list):
        raise MarketDataRefused(Fault.SHAPE, "no list of candles")
    bars = [_bar(row, timeframe_s) for row in rows]
    _require_order(bars)
    if bars and bars[-1].open_time_s > clocks.now_s + SKEW_S:
        raise MarketDataRefused(Fault.FUTURE, f"a candle opens at {bars[-1].open_time_s}, now is {clocks.now_s:.0f}")
    closed = _closed(bars, timeframe_s, clocks)
    if not closed:
        raise MarketDataRefused(Fault.EMPTY, "no closed candle")
    for bar in closed:
        if (problem := broken_rule(bar)) is not None:
            raise MarketDataRefused(Fault.IMPOSSIBLE, f"candle opened at {bar.open_time_s}: {problem}")
    _require_units(closed)
    if clocks.now_s - (closed[-1].open_time_s + timeframe_s) > STALE_AFTER * timeframe_s:
        raise MarketDataRefused(Fault.STALE, f"the newest closed candle opened at {closed[-1].open_time_s}")
    return closed


def _closed(bars: Sequence[Bar], timeframe_s: int, clocks: Clocks) -> list[Bar]:
    last_s = clocks.now_s if clocks.theirs_s is None else min(clocks.now_s, clocks.theirs_s)
    closed = [bar for bar in bars[:-1] if bar.open_time_s + timeframe_s <= clocks.now_s]
    return closed + [bar for bar in bars[-1:] if bar.open_time_s + timeframe_s + SETTLE_S <= last_s]


def _bar(row: object, timeframe_s: int) -> Bar:
    if not isinstance(row, list) or len(row) < _LEAST_FIELDS:
        raise MarketDataRefused(Fault.SHAPE, f"a candle has not the {_LEAST_FIELDS} fields it must have")
    opened_ms, first, high, low, last, base, closed_ms, quote = map(number, row[:_LEAST_FIELDS])
    if opened_ms % (timeframe_s * 1000) or closed_ms != opened_ms + timeframe_s * 1000 - 1:
        raise MarketDataRefused(Fault.OFF_GRID, f"a candle from {opened_ms:.0f} to {closed_ms:.0f} ms")
    return Bar(
        open_time_s=int(opened_ms) // 1000,
        open=first,
        high=high,
        low=low,
        close=last,
        volume_base=base,
        volume_quote=quote,
    )


def number(value: object) -> float:
    """A JSON number, or text that is one, as a float that is finite. Raises MarketDataRefused."""
    told = repr(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if isinstance(told, str) and _NUMBER.fullmatch(told) and math.isfinite(parsed := float(told)):
        return parsed
    raise MarketDataRefused(Fault.NOT_A_NUMBER, f"not a number: {str(value)[:40]!r}")


def _require_order(bars: Sequence[Bar]) -> None:
    for earlier, later in pairwise(bars):
        if later.open_time_s == earlier.open_time_s:
            raise MarketDataRefused(Fault.DUPLICATE, f"two candles open at {later.open_time_s}")
        if later.open_time_s < earlier.open_time_s:
            raise MarketDataRefused(Fault.UNSORTED, f"{later.open_time_s} comes after {earlier.open_time_s}")


def _require_units(bars: Sequence[Bar]) -> None:
    # A few thin bars may round to a price outside their range; when most do, the columns are not what they should be.
    found = Counter(volume_order(bar) for bar in bars)
    if found[VolumeOrder.SWAPPED] + found[VolumeOrder.NEITHER] > found[VolumeOrder.AS_NAMED]:
        raise MarketDataRefused(Fault.VOLUMES, "quote volume / base volume is not near the prices")
