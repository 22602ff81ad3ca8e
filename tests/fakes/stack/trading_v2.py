"""What do the other routes of TradingService V2 answer?"""

import time
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.stack.answers import iso, message, string_error, success
from tests.fakes.stack.bodies import body_of, stripped, whole
from tests.fakes.stack.state import State
from tests.fakes.stack.tokens import optional, required

PREFIX = "/api/v1/trading"
SETTINGS: dict[str, Any] = {
    "maxPositions": 5,
    "maxPositionSize": 0.1,
    "minConfidence": 0.7,
    "stopLossPercent": 0.05,
    "takeProfitPercent": 0.15,
    "trailingStopPercent": 0.03,
    "weeklyTarget": 4,
    "maxDrawdown": 0.15,
    "orderType": "market",
    "watchlist": ["bitcoin", "ethereum"],
    "enabledStrategies": ["momentum", "mean_reversion"],
    "validatorEnabled": True,
    "strategyWeightBalance": 0.5,
}
NOT_IMPLEMENTED = (
    ("POST", "/orders", "Manual order placement not implemented"),
    ("DELETE", "/orders/{order_id}", "Order cancellation not implemented"),
    ("POST", "/positions/{position_id}/close", "Manual position closing not implemented"),
    ("GET", "/market-data/{symbol}", "Market data endpoint not implemented, use the WebSocket"),
)


class NoSession(Exception):
    """500, with the service's own words."""


class Trading:
    """`/api/v1/trading/...`: a token is optional, whoever has no valid one is `demo`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        plain = [
            ("GET", "/status", self.status),
            ("POST", "/start", self.start),
            ("POST", "/stop", self.stop),
            ("PUT", "/settings", self.settings),
            ("POST", "/pause", self.pause),
            ("POST", "/resume", self.resume),
            ("POST", "/emergency-stop", self.emergency_stop),
            ("GET", "/signals", self.signals),
            ("GET", "/orders", self.orders),
            ("GET", "/positions", self.positions),
            ("GET", "/performance", self.performance),
            ("GET", "/risk-metrics", self.risk_metrics),
            ("GET", "/health", self.health),
        ]
        absent = [Route(PREFIX + path, _absent(text), methods=[verb]) for verb, path, text in NOT_IMPLEMENTED]
        return [Route(PREFIX + path, answer, methods=[verb]) for verb, path, answer in plain] + absent

    def _user(self, request: Request) -> str:
        return optional(request, self._state.terms.jwt_secret)

    def _session(self, request: Request) -> dict[str, Any]:
        user = self._user(request)
        if user not in self._state.sessions:
            raise NoSession(f"No session found for user {user}")
        return self._state.sessions[user]

    async def status(self, request: Request) -> Response:
        session = self._state.sessions.get(self._user(request))
        if session is None:
            return success({"active": False, "status": "stopped"})
        return success(
            {
                "active": session["status"] == "active",
                "status": session["status"],
                "startedAt": iso(session["started_at_s"]),
                "lastActivity": iso(time.time()),
                "totalPnL": 0,
                "weeklyPnL": 0,
                "activeTrades": 0,
                "settings": session["settings"],
            }
        )

    async def start(self, request: Request) -> Response:
        user = self._user(request)
        settings = stripped(await body_of(request)).get("settings") or {}
        if not settings.get("watchlist"):
            return string_error(400, "Watchlist is required")
        session = self._state.sessions.get(user)
        if session is None or session["status"] == "stopped":
            session = {
                "id": str(uuid.uuid4()),
                "status": "active",
                "started_at_s": time.time(),
                "settings": SETTINGS | settings,
            }
            self._state.sessions[user] = session
        started = {"sessionId": session["id"], "status": session["status"]}
        return message("Trading bot started successfully", data=started)

    async def stop(self, request: Request) -> Response:
        session = self._state.sessions.get(self._user(request))
        if session is not None:
            session["status"] = "stopped"
        return message("Trading bot stopped successfully")

    async def settings(self, request: Request) -> Response:
        session = self._session(request)
        session["settings"] = session["settings"] | stripped(await body_of(request))
        return message("Trading settings updated successfully")

    async def pause(self, request: Request) -> Response:
        self._session(request)["status"] = "paused"
        return message("Trading paused successfully")

    async def resume(self, request: Request) -> Response:
        self._session(request)["status"] = "active"
        return message("Trading resumed successfully")

    async def emergency_stop(self, request: Request) -> Response:
        everyone = bool((await body_of(request)).get("stopAll"))
        stopped = (
            self._state.sessions if everyone else {self._user(request): self._state.sessions.get(self._user(request))}
        )
        for session in stopped.values():
            if session is not None:
                session["status"] = "stopped"
        return message("Emergency stop executed successfully")

    async def signals(self, request: Request) -> Response:
        return string_error(500, "this.stateManager.getRecentData is not a function")

    async def orders(self, request: Request) -> Response:
        user, asked = self._user(request), request.query_params
        limit, offset = whole(asked.get("limit"), 50), whole(asked.get("offset"), 0)
        found = [
            order
            for order in self._state.terms.engine_orders
            if order["userId"] == user
            and all(order[name] == asked[name] for name in ("status", "symbol") if name in asked)
        ]
        page = {"total": len(found), "limit": limit, "offset": offset}
        return success(found[offset : offset + limit], pagination=page)

    async def positions(self, request: Request) -> Response:
        user = self._user(request)
        return success([each for each in self._state.terms.engine_positions if each["userId"] == user])

    async def performance(self, request: Request) -> Response:
        period = request.query_params.get("period", "24h")
        figures = dict.fromkeys(("totalPnL", "weeklyPnL", "totalTrades", "winRate", "maxDrawdown"), 0)
        return success({"period": period} | figures)

    async def risk_metrics(self, request: Request) -> Response:
        figures = dict.fromkeys(
            ("maxDrawdown", "currentDrawdown", "exposure", "openPositions", "dailyPnL", "weeklyPnL"), 0
        )
        return success(figures)

    async def health(self, request: Request) -> Response:
        return success({"status": "healthy", "service": "trading-engine", "timestamp": iso(time.time())})


class Bots:
    """`/api/v1/trading/bot/...`: needs a token."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(f"{PREFIX}/bot/start", self.start, methods=["POST"]),
            Route(f"{PREFIX}/bot/stop", self.stop, methods=["POST"]),
            Route(f"{PREFIX}/bot/emergency-stop", self.stop, methods=["POST"]),
            Route(f"{PREFIX}/bot/status", self.status),
        ]

    async def start(self, request: Request) -> Response:
        user = required(request, self._state.terms.jwt_secret)
        if user in self._state.bots:
            return string_error(400, "Trading bot is already running")
        self._state.bots[user] = await body_of(request)
        running = {"status": "active", "config": self._state.bots[user], "message": "Trading bot started"}
        return success(running)

    async def stop(self, request: Request) -> Response:
        user = required(request, self._state.terms.jwt_secret)
        if self._state.bots.pop(user, None) is None:
            return string_error(404, "Trading bot not found")
        return success({"status": "stopped", "message": "Trading bot stopped"})

    async def status(self, request: Request) -> Response:
        user = required(request, self._state.terms.jwt_secret)
        if user not in self._state.bots:
            return string_error(404, "Trading bot not found")
        counts = dict.fromkeys(("cyclesExecuted", "signalsGenerated", "tradesExecuted", "errors", "positions"), 0)
        told = {"status": "active", "isActive": True, "lastError": None, "config": self._state.bots[user]}
        return success(told | counts)


def _absent(text: str) -> Any:
    async def answer(request: Request) -> Response:
        return string_error(501, text)

    return answer
