"""Asks the DataAggregator for bars and prices, whichever version answers; what is not sound is refused.

It is never sent a token: its proxy would hand it on to Binance as an API key.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from adapters.data_aggregator.klines import INTERVALS, MOST_ROWS, Clocks, closed_bars
from adapters.data_aggregator.refusal import Fault, MarketDataRefused
from adapters.data_aggregator.versions import DIALECTS, PRICES, Dialect, Version, told_price, venue_symbol
from adapters.symbols import Spelling
from adapters.upstream.answers import Answer
from adapters.upstream.client import Upstream
from trading.errors import InvalidSetting, NotSent, UpstreamRefused
from trading.vocabulary import Bar

# What metrics, health and logs call it.
SERVICE = "data_aggregator"
# Its route classes: see adapters.upstream.breakers.
CANDLES = "candles"
READ = "read"
# A price told to be older than this, or from further ahead, is not the price now.
PRICE_MAX_AGE_S = 60.0
PRICE_SKEW_S = 60.0
# How far a price may be from the last close, as a fraction: beyond, one of them is wrong.
PRICE_MAX_GAP = 0.2
# A thousand klines are 200 KB.
MOST_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price in quote currency, with who says so.

    `at_s` is when it was so, `received_at_s` when we were told (Unix seconds); where its source does not say, both are
    the latter.
    """

    price: float
    source: str
    at_s: float
    received_at_s: float


class DataAggregator:
    """The service at the other end of `upstream`; `version` None finds out which it is at the first call."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        version: Version | None,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._stated = version
        self._found: Version | None = None
        self._finding = asyncio.Lock()
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s

    @property
    def version(self) -> Version | None:
        """Which version answers; None while that is not known."""
        return self._stated or self._found

    async def closed_bars(self, symbol: str, timeframe_s: int, *, limit: int, deadline_s: float) -> list[Bar]:
        """The last closed bars of a symbol, oldest first, at least one; `limit` (2..1000) counts the open one.

        Raises MarketDataRefused for bars that are not sound, the newest being stale included, and UpstreamUnavailable.
        """
        by_s = self._monotonic_s() + deadline_s
        interval = INTERVALS[timeframe_s]
        dialect = DIALECTS[await self._find_version(by_s)]
        try:
            answer = await self._candles(dialect, symbol, interval, limit, by_s)
        except UpstreamRefused as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                self._found = None  # another version has taken its place
            raise
        clocks = Clocks(now_s=self._wall_s(), theirs_s=_date_s(answer.headers))
        return closed_bars(dialect.rows(answer.body, symbol, interval), timeframe_s, clocks)

    async def price(self, symbol: str, *, last_close: float, deadline_s: float) -> Price:
        """The price now, for checks before a trade; `last_close` is that of the last closed bar.

        Raises MarketDataRefused for one that is made up, too old or far from the close, and UpstreamUnavailable.
        """
        query = {"symbols": venue_symbol(symbol, Spelling.PLAIN)}
        answer = await self._upstream.get(PRICES, deadline_s=deadline_s, route=READ, query=query)
        now_s = self._wall_s()
        told = told_price(answer.body, symbol)
        at_s = now_s if told.at_s is None else told.at_s
        if now_s - at_s > PRICE_MAX_AGE_S:
            raise MarketDataRefused(Fault.STALE, f"the price of {symbol} is {now_s - at_s:.0f} s old")
        if at_s - now_s > PRICE_SKEW_S:
            raise MarketDataRefused(Fault.FUTURE, f"the price of {symbol} is from {at_s - now_s:.0f} s ahead")
        if abs(told.price / last_close - 1) > PRICE_MAX_GAP:
            raise MarketDataRefused(Fault.FAR_FROM_CLOSE, f"{symbol} at {told.price}, last close {last_close}")
        return Price(price=told.price, source=told.source, at_s=at_s, received_at_s=now_s)

    async def _find_version(self, by_s: float) -> Version:
        async with self._finding:
            known = self.version
            if known is None:
                known = self._found = await self._probe(by_s)
            return known

    async def _probe(self, by_s: float) -> Version:
        # V1 has no klines of its own, V1m no proxy: the route that is there tells.
        try:
            await self._candles(DIALECTS[Version.V1M], "BTC", "1h", 2, by_s)
        except UpstreamRefused as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND:
                raise
            await self._candles(DIALECTS[Version.V1], "BTC", "1h", 2, by_s)
            return Version.V1
        return Version.V1M

    async def _candles(self, dialect: Dialect, symbol: str, interval: str, limit: int, by_s: float) -> Answer:
        query = {
            "symbol": venue_symbol(symbol, dialect.klines_spelling),
            "interval": interval,
            "limit": str(min(limit, MOST_ROWS)),
        }
        left_s = by_s - self._monotonic_s()
        if left_s <= 0:
            raise NotSent("no time is left")
        return await self._upstream.get(
            dialect.klines_path, deadline_s=left_s, route=CANDLES, query=query, max_bytes=MOST_BYTES
        )


def require_interval(timeframe_s: int) -> None:
    """Raises InvalidSetting for a timeframe that Binance has no klines of."""
    if timeframe_s not in INTERVALS:
        known = ", ".join(map(str, INTERVALS))
        raise InvalidSetting(f"MARKET_TIMEFRAME_S: the live market has bars of {known} seconds")


def require_listed(symbols: tuple[str, ...]) -> None:
    """Raises InvalidSetting for symbols that are not known there."""
    try:
        for symbol in symbols:
            venue_symbol(symbol, Spelling.USDT)
    except MarketDataRefused as refusal:
        raise InvalidSetting(f"MARKET_SYMBOLS: {refusal}") from None


def _date_s(headers: Mapping[str, str]) -> float | None:
    # When the answer was made on their clock, to the second below: https://www.rfc-editor.org/rfc/rfc9110#name-date
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return None
