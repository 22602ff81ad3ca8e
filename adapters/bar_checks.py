"""The rules a bar from outside must keep: which prices are refused, and which way round its two volumes are."""

import math
from enum import StrEnum

from trading.vocabulary import Bar

# How far quote / base may lie outside [low, high], as a fraction: some venues round volumes to 0.01 of a coin.
VOLUME_TOLERANCE = 0.05


class VolumeOrder(StrEnum):
    """What quote volume / base volume, compared with the bar's prices, says about the two columns."""

    AS_NAMED = "as_named"
    SWAPPED = "swapped"
    EITHER = "either"
    NEITHER = "neither"
    NO_TRADES = "no_trades"


def broken_rule(bar: Bar) -> str | None:
    """The first rule this bar breaks, in words with its numbers; None when it keeps them all.

    Every number is finite, prices are above 0, volumes at least 0, and open and close lie within low..high.
    """
    prices = (bar.open, bar.high, bar.low, bar.close)
    volumes = (bar.volume_base, bar.volume_quote)
    if not all(map(math.isfinite, prices + volumes)):
        return f"a number is not finite: prices {prices}, volumes {volumes}"
    if min(prices) <= 0:
        return f"a price is not positive: {min(prices)}"
    if min(volumes) < 0:
        return f"a volume is negative: {min(volumes)}"
    if bar.high < bar.low:
        return f"high {bar.high} is below low {bar.low}"
    for name, price in (("open", bar.open), ("close", bar.close)):
        if not bar.low <= price <= bar.high:
            return f"{name} {price} is outside low {bar.low} .. high {bar.high}"
    return None


def volume_order(bar: Bar) -> VolumeOrder:
    """Which way round the volumes are; the average traded price, quote / base, must lie near the bar's range."""
    base, quote = bar.volume_base, bar.volume_quote
    if base == 0 and quote == 0:
        return VolumeOrder.NO_TRADES
    if base == 0 or quote == 0:
        return VolumeOrder.NEITHER
    as_named = _near_range(quote / base, bar)
    swapped = _near_range(base / quote, bar)
    if as_named and swapped:
        return VolumeOrder.EITHER
    if swapped:
        return VolumeOrder.SWAPPED
    return VolumeOrder.AS_NAMED if as_named else VolumeOrder.NEITHER


def _near_range(price: float, bar: Bar) -> bool:
    return bar.low * (1 - VOLUME_TOLERANCE) <= price <= bar.high * (1 + VOLUME_TOLERANCE)
