"""Which holes in a series of bars are believed to be the market's own, and which may yet be filled."""

from collections.abc import Sequence
from itertools import pairwise

from adapters.data_aggregator.refusal import Fault, MarketDataRefused
from trading.vocabulary import Bar

# Missing bars in a row that the features live through; after a longer hole they warm up again.
SHORT_HOLE_BARS = 3
# Bars after a hole from which on nobody will fill it any more.
SHORT_SETTLED_BARS = 2
LONG_SETTLED_BARS = 12


def require_settled(bars: Sequence[Bar], timeframe_s: int, *, after_s: int | None, usable_bars: int) -> None:
    """Refuse bars with a hole in what follows the last bar kept before, opened at `after_s`, unless it has settled.

    Bars are only ever added at the end, so a hole that is passed on stays. Without bars from before, what follows the
    last long hole must be `usable_bars` long. Raises MarketDataRefused.
    """
    opens = [bar.open_time_s for bar in bars if after_s is None or bar.open_time_s > after_s]
    series = opens if after_s is None else [after_s, *opens]
    for place, (earlier_s, later_s) in enumerate(pairwise(series), start=1):
        missing = (later_s - earlier_s) // timeframe_s - 1
        if missing == 0:
            continue
        following = len(series) - place
        if missing <= SHORT_HOLE_BARS:
            needed = SHORT_SETTLED_BARS
        else:
            needed = usable_bars if after_s is None else LONG_SETTLED_BARS
        if following < needed:
            raise MarketDataRefused(Fault.GAP, f"{missing} candles are missing after {earlier_s}, {following} follow")
