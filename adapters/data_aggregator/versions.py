"""What each version of the DataAggregator is asked, and where in its answers bars and prices are.

Both pass on Binance's klines: base units in column 5, quote currency (USDT, taken for USD) in column 7. Both give
prices in USD. Their 24 h changes and volumes have different units, and are not used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adapters.data_aggregator.klines import number
from adapters.data_aggregator.refusal import Fault, MarketDataRefused
from adapters.symbols import Spelling, spell, understand

PRICES = "/api/v1/market/prices"
# What V1m calls the source of prices it has made up.
MADE_UP = "fallback"


class Version(StrEnum):
    """Which server answers."""

    V1 = "v1"
    V1M = "v1m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A price as it was told, in quote currency; `at_s` (Unix seconds) is None where the version does not say."""

    price: float
    source: str
    at_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one version is asked for candles, and where its answer has them."""

    klines_path: str
    klines_spelling: Spelling
    rows: Callable[[object, str, str], object]


def venue_symbol(symbol: str, spelling: Spelling) -> str:
    """One of our symbols as it is spelt there. Raises MarketDataRefused for one that is not traded there."""
    spelled = spell(symbol, spelling)
    if spelled is None:
        raise MarketDataRefused(Fault.OTHER_MARKET, f"{symbol} has no name there")
    return spelled


def told_price(body: object, symbol: str) -> Told:
    """The price of one of our symbols in an answer of PRICES. Raises MarketDataRefused, also for a made-up one."""
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise MarketDataRefused(Fault.SHAPE, "no list of prices")
    found = [row for row in rows if isinstance(row, dict) and understand(str(row.get("symbol"))) == symbol]
    if len(found) != 1:
        raise MarketDataRefused(Fault.EMPTY, f"{len(found)} prices of {symbol}")
    (row,) = found
    source = row.get("source")
    if not isinstance(source, str) or not source or MADE_UP in source.lower():
        raise MarketDataRefused(Fault.MADE_UP, f"the price of {symbol} has no source")
    price = number(row.get("price"))
    if price <= 0:
        raise MarketDataRefused(Fault.IMPOSSIBLE, f"the price of {symbol} is {price}")
    return Told(price=price, source=source, at_s=_time_s(row.get("timestamp")))


def _time_s(told: object) -> float | None:
    try:
        moment = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    # Without an offset it could be anybody's local time.
    return None if moment is None or moment.tzinfo is None else moment.timestamp()


def _enveloped(body: object, symbol: str, interval: str) -> object:
    if not isinstance(body, dict):
        raise MarketDataRefused(Fault.SHAPE, "no envelope")
    for field, expected in (("symbol", spell(symbol, Spelling.USDT)), ("interval", interval)):
        if body.get(field) != expected:
            raise MarketDataRefused(Fault.OTHER_MARKET, f"asked for {expected}, told {str(body.get(field))[:40]!r}")
    if body.get("source") == MADE_UP:
        raise MarketDataRefused(Fault.MADE_UP, f"the candles of {symbol} have no source")
    return body.get("data")


def _raw(body: object, symbol: str, interval: str) -> object:
    return body


DIALECTS: Mapping[Version, Dialect] = {
    Version.V1M: Dialect(klines_path="/api/v1/binance/klines", klines_spelling=Spelling.PLAIN, rows=_enveloped),
    Version.V1: Dialect(klines_path="/api/v1/proxy/binance/api/v3/klines", klines_spelling=Spelling.USDT, rows=_raw),
}
