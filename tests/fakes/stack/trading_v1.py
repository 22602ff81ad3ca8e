"""What do the trading routes of V1 answer? Its order routes are stubs: nothing is ever placed."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.stack.answers import iso, message, success
from tests.fakes.stack.bodies import body_of, whole
from tests.fakes.stack.state import State

PREFIX = "/api/v1/trading"
# There is no auth layer: whoever asks, the user is this, and all share one session.
USER = "undefined"
ZEROS = (
    "totalReturnPercent",
    "sharpeRatio",
    "maxDrawdown",
    "winRate",
    "totalTrades",
    "avgTradeReturn",
    "bestTrade",
    "worstTrade",
)


class TradingV1:
    """Answers as if it worked."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        plain = [
            ("GET", "/status", self.status),
            ("POST", "/start", self.start),
            ("POST", "/stop", self.stop),
            ("PUT", "/settings", self.settings),
            ("GET", "/signals", self.nothing),
            ("POST", "/orders", self.order),
            ("GET", "/orders", self.nothing),
            ("DELETE", "/orders/{order_id}", self.cancel),
            ("GET", "/positions", self.nothing),
            ("POST", "/positions/{symbol}/close", self.close),
            ("GET", "/performance", self.performance),
        ]
        return [Route(PREFIX + path, answer, methods=[verb]) for verb, path, answer in plain]

    async def status(self, request: Request) -> Response:
        """`uptime` in milliseconds, growing after the stop as well; `lastTrade` is now."""
        session = self._state.sessions.get(USER)
        uptime_ms = 0 if session is None else int((time.time() - session["started_at_s"]) * 1000)
        active = session is not None and session["status"] == "active"
        told = {"active": active, "uptime": uptime_ms, "lastTrade": iso(time.time())}
        return success(told | {"activePairs": 0, "pendingOrders": 0})

    async def start(self, request: Request) -> Response:
        await body_of(request)
        self._state.sessions[USER] = {"started_at_s": time.time(), "status": "active"}
        return message("Trading bot started successfully")

    async def stop(self, request: Request) -> Response:
        self._state.sessions.get(USER, {})["status"] = "stopped"
        return message("Trading bot stopped successfully")

    async def settings(self, request: Request) -> Response:
        await body_of(request)
        return message("Trading settings updated successfully")

    async def nothing(self, request: Request) -> Response:
        return success([])

    async def order(self, request: Request) -> Response:
        body = await body_of(request)
        now_s = time.time()
        limit = whole(str(body.get("price", 0)), 0)
        told: dict[str, Any] = {
            "id": f"order_{int(now_s * 1000)}",
            "symbol": body.get("symbol"),
            "side": body.get("side"),
            "quantity": float(body.get("quantity", 0)),
            "price": limit,
            "type": body.get("type", "market"),
            "status": "pending",
        }
        filled = {"filledQuantity": 0, "filledPrice": 0, "createdAt": iso(now_s), "updatedAt": iso(now_s)}
        return success(told | filled)

    async def cancel(self, request: Request) -> Response:
        return message("Order cancelled successfully")

    async def close(self, request: Request) -> Response:
        return success({"symbol": request.path_params["symbol"], "percentage": 100, "status": "pending"})

    async def performance(self, request: Request) -> Response:
        period = request.query_params.get("period", "24h")
        return success({"period": period} | dict.fromkeys(ZEROS, 0))
