"""What do the market routes of V1 answer, and those of V2?"""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.stack.answers import iso, object_error, success
from tests.fakes.stack.bodies import whole
from tests.fakes.stack.candles import INTERVALS_S
from tests.fakes.stack.coins import BINANCE, COINS
from tests.fakes.stack.state import State


class MarketV1:
    """Averaged prices, and a transparent proxy to Binance: raw bodies, no envelope."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/market/prices", self.prices),
            Route("/api/v1/market/watchlist", self.watchlist, methods=["GET", "PUT"]),
            Route("/api/v1/proxy/binance/api/v3/klines", self.klines),
            Route("/api/v1/proxy/binance/api/v3/ticker/price", self.ticker),
            Route("/api/v1/proxy/coingecko/{path:path}", self.coingecko),
        ]

    async def prices(self, request: Request) -> Response:
        asked = request.query_params.get("symbols", "BTC,ETH").split(",")
        rows = [self._row(symbol) for symbol in asked if symbol in COINS] if self._state.terms.binance_up else []
        sources = {"coingecko": "available", "binance": "available"}
        return success(rows, sources=sources, timestamp=iso(time.time()))

    def _row(self, coin: str) -> dict[str, Any]:
        """`change_24h` is an amount; volume is in base units, unless CoinGecko answers as well: then in USD."""
        price, day = self._state.candles.price(coin), self._state.candles.day(coin)
        row = {
            "symbol": coin,
            "price": price,
            "change_24h": price - day["open"],
            "change_percent_24h": (price / day["open"] - 1) * 100,
            "volume_24h": day["volume"],
            "source": "binance",
        }
        if self._state.terms.coingecko_up:
            row |= {"volume_24h": day["quote"], "market_cap": price * 2e7, "source": "averaged"}
        return row

    async def watchlist(self, request: Request) -> Response:
        return object_error(401, "UNAUTHORIZED", "User not authenticated")

    async def klines(self, request: Request) -> Response:
        if not self._state.terms.binance_up:
            return object_error(500, "PROXY_ERROR", "Failed to proxy request to Binance")
        asked = request.query_params
        coin, interval = BINANCE.get(asked.get("symbol", "")), asked.get("interval", "")
        if coin is None:
            return _binance_error(-1121, "Invalid symbol.")
        if interval not in INTERVALS_S:
            return _binance_error(-1120, "Invalid interval.")
        end_s = int(asked["endTime"]) / 1000 if "endTime" in asked else None
        rows = self._state.candles.klines(coin, interval, whole(asked.get("limit"), 500), end_s)
        if "startTime" in asked:
            rows = [row for row in rows if row[0] >= int(asked["startTime"])]
        return JSONResponse(rows)

    async def ticker(self, request: Request) -> Response:
        if not self._state.terms.binance_up:
            return object_error(500, "PROXY_ERROR", "Failed to proxy request to Binance")
        symbol = request.query_params.get("symbol", "")
        if symbol not in BINANCE:
            return _binance_error(-1121, "Invalid symbol.")
        return JSONResponse({"symbol": symbol, "price": f"{self._state.candles.price(BINANCE[symbol]):.8f}"})

    async def coingecko(self, request: Request) -> Response:
        return object_error(500, "COINGECKO_ERROR", "Failed to proxy request to CoinGecko")


def _binance_error(code: int, text: str) -> Response:
    return object_error(400, "BINANCE_ERROR", text, {"code": code, "msg": text})
