"""What do the market routes of V1m answer?"""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.stack.answers import iso, object_error, success
from tests.fakes.stack.bodies import whole
from tests.fakes.stack.candles import INTERVALS_S
from tests.fakes.stack.coins import COINS
from tests.fakes.stack.state import State

# What it says a coin costs when no market answers it.
MADE_UP = {"BTC": 43250, "ETH": 2750}
MADE_UP_OTHERS = 95


class MarketV1m:
    """Candles by short symbol, and prices that are made up when there is no market."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/binance/klines", self.klines),
            Route("/api/v1/binance/market-data", self.market_data),
            Route("/api/v1/binance/market/{symbol}", self.market),
            Route("/api/v1/market/prices", self.prices),
        ]

    async def klines(self, request: Request) -> Response:
        asked = request.query_params
        symbol, interval = asked.get("symbol", "BTC"), asked.get("interval", "1h")
        if not self._state.terms.binance_up or symbol not in COINS or interval not in INTERVALS_S:
            return object_error(500, "BINANCE_KLINES_ERROR", "Failed to fetch klines data from Binance")
        rows = self._state.candles.klines(symbol, interval, whole(asked.get("limit"), 200))
        beside = {"symbol": symbol + "USDT", "interval": interval, "count": len(rows)}
        return success(rows, **beside, timestamp=iso(time.time()))

    async def market_data(self, request: Request) -> Response:
        if not self._state.terms.binance_up:
            return object_error(500, "BINANCE_ERROR", "Failed to fetch market data from Binance")
        rows = []
        for coin in self._asked(request):
            day = self._state.candles.day(coin)
            seen = {"high_24h": day["high"], "low_24h": day["low"], "open_price": day["open"], "count": 100_000}
            rows.append(self._row(coin) | seen)
        return success(rows, timestamp=iso(time.time()))

    async def market(self, request: Request) -> Response:
        coin = request.path_params["symbol"].upper()
        if coin not in COINS or not self._state.terms.binance_up:
            return _nothing()
        price, day = self._state.candles.price(coin), self._state.candles.day(coin)
        return success(
            {
                "symbol": coin,
                "price": price,
                "change": price - day["open"],
                "changePercent": (price / day["open"] - 1) * 100,
                "volume": day["volume"],
                "high": day["high"],
                "low": day["low"],
                "timestamp": iso(self._state.candles.now_s()),
            }
        )

    async def prices(self, request: Request) -> Response:
        up = self._state.terms.binance_up
        rows = [self._row(coin) if up else self._made_up(coin) for coin in self._asked(request)]
        return success(rows, sources=["binance" if up else "fallback"], timestamp=iso(time.time()))

    def _asked(self, request: Request) -> list[str]:
        asked = request.query_params.get("symbols")
        return [part for part in (asked.split(",") if asked else COINS) if part in COINS]

    def _row(self, coin: str) -> dict[str, Any]:
        """`change_24h` in percent, `volume_24h` in USD."""
        price, day = self._state.candles.price(coin), self._state.candles.day(coin)
        return {
            "symbol": coin,
            "price": price,
            "change_24h": (price / day["open"] - 1) * 100,
            "volume_24h": day["quote"],
            "source": "binance",
            "timestamp": iso(self._state.candles.now_s()),
        }

    def _made_up(self, coin: str) -> dict[str, Any]:
        return {
            "symbol": coin,
            "price": MADE_UP.get(coin, MADE_UP_OTHERS),
            "change_24h": 0,
            "volume_24h": 1_000_000,
            "source": "fallback",
            "timestamp": iso(self._state.candles.now_s()),
        }


def _nothing() -> Response:
    """`data` is there, and is null."""
    return success(**{"data": None})
