"""What does AdaptiveThreshold answer?"""

import json
import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.fakes.stack.answers import flask_html, naive_local, naive_utc, string_error, success
from tests.fakes.stack.state import State
from tests.fakes.stack.wire import App, Message, Receive, Send

PREFIX = "/api/v1"
# Of 2025-09-22 on: confidence was 0.75 before, and a reset still writes that.
DEFAULTS = {
    "rsi_threshold": 70.0,
    "confidence_threshold": 0.65,
    "macd_threshold": 0.0,
    "volume_threshold": 1_000_000_000.0,
    "momentum_threshold": 2.0,
}
RESET_CONFIDENCE = 0.75
WRONG_TYPE = (
    "415 Unsupported Media Type: Did not attempt to load JSON data because the request Content-Type was not "
    "'application/json'."
)
MALFORMED = "400 Bad Request: The browser (or proxy) sent a request that this server could not understand."
UNSERIALISABLE = "Object of type set is not JSON serializable"
METRICS = ("total_return", "sharpe_ratio", "win_rate", "avg_trade_return", "max_drawdown", "volatility")


class Refused(Exception):
    """The answer is that of an error: status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Threshold:
    """Thresholds by user and exact symbol, in memory; no user has to be known."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        plain = [
            ("POST", "/evaluate/{user}", self.evaluate),
            ("GET", "/thresholds/{user}", self.thresholds),
            ("POST", "/thresholds/{user}/adapt", self.adapt),
            ("POST", "/thresholds/{user}/reset", self.reset),
            ("GET", "/performance/{user}", self.performance),
            ("GET", "/stats", self.stats),
            ("GET", "/alerts", self.alerts),
            ("GET", "/metrics/export", self.export),
        ]
        answers = [Route(PREFIX + path, answer, methods=[verb]) for verb, path, answer in plain]
        return [Route("/health", self.health), *answers]

    def _of(self, user: str, symbol: str | None) -> dict[str, float]:
        """Those of one instance, made at the first call; terms.thresholds are laid over them."""
        own = self._state.thresholds.setdefault((user, symbol), dict(DEFAULTS))
        return own | self._state.terms.thresholds.get(user, {}).get(symbol or "", {})

    async def health(self, request: Request) -> Response:
        """Works or not, it says 503."""
        told = {"status": "unhealthy", "timestamp": naive_utc(time.time()), "version": "1.0.0"}
        return JSONResponse(told | {"error": UNSERIALISABLE}, 503)

    async def evaluate(self, request: Request) -> Response:
        began_s = time.perf_counter()
        body = await _json(request)
        if not body:
            raise Refused(400, "Request body required")
        signal = body.get("signal", {})
        user, symbol = request.path_params["user"], signal.get("symbol", "UNKNOWN")
        known = self._of(user, symbol)
        trades = should_trade(signal, known)
        return success(
            {
                "user_id": user,
                "symbol": symbol,
                "should_trade": trades,
                "confidence_adjustment": 0.0,
                "threshold_adjustments": known,
                "reasoning": f"Signal evaluation based on current thresholds. Should trade: {trades}",
                "processing_time_ms": (time.perf_counter() - began_s) * 1000,
                "evaluated_at": naive_utc(time.time()),
            }
        )

    async def thresholds(self, request: Request) -> Response:
        user, symbol = request.path_params["user"], request.query_params.get("symbol")
        known = self._of(user, symbol)
        adapted = naive_local(self._state.started_at_s)
        return success({"user_id": user, "symbol": symbol, "thresholds": known, "last_adaptation": adapted})

    async def adapt(self, request: Request) -> Response:
        user, symbol = request.path_params["user"], (await _json(request)).get("symbol")
        self._of(user, symbol)
        return success({"user_id": user, "symbol": symbol, "updates": [], "adapted_at": naive_utc(time.time())})

    async def reset(self, request: Request) -> Response:
        user, symbol = request.path_params["user"], (await _json(request)).get("symbol")
        self._state.thresholds[user, symbol] = DEFAULTS | {"confidence_threshold": RESET_CONFIDENCE}
        told = {"user_id": user, "symbol": symbol, "message": "Thresholds reset to default values"}
        return success(told | {"thresholds": self._of(user, symbol)})

    async def performance(self, request: Request) -> Response:
        """Its SQL fails: the metrics are zeros, always."""
        try:
            days = int(request.query_params.get("days_back", "30"))
        except ValueError as error:
            raise Refused(500, str(error)) from None
        told = {"user_id": request.path_params["user"], "symbol": request.query_params.get("symbol")}
        figures = {"period_days": days, "metrics": dict.fromkeys(METRICS, 0.0), "performance_score": 0.0}
        return success(told | figures | {"calculated_at": naive_utc(time.time())})

    async def stats(self, request: Request) -> Response:
        raise Refused(500, UNSERIALISABLE)

    async def alerts(self, request: Request) -> Response:
        told = {"alerts": [], "total": 0, "period_hours": 24, "severity_filter": request.query_params.get("severity")}
        return success(told | {"retrieved_at": naive_utc(time.time())})

    async def export(self, request: Request) -> Response:
        if request.query_params.get("format", "json") == "prometheus":
            return PlainTextResponse("# no metrics\n")
        return success({"format": "json", "period_hours": 24, "metrics": [], "exported_at": naive_utc(time.time())})


def should_trade(signal: dict[str, Any], known: dict[str, float]) -> bool:
    """The rule as written: it gives no direction, and any type error is a no."""
    try:
        if signal.get("confidence", 0) < known["confidence_threshold"]:
            return False
        if signal.get("rsi", 50) > known["rsi_threshold"] and signal.get("action") == "BUY":
            return False
        if abs(signal.get("change_percent", 0)) < known["momentum_threshold"]:
            return False
        return bool(signal.get("volume", 0) >= known["volume_threshold"])
    except TypeError:
        return False


async def _json(request: Request) -> dict[str, Any]:
    """As Flask reads it, and as the service wraps what Flask then raises. Raises Refused."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise Refused(500, WRONG_TYPE)
    try:
        found = json.loads(await request.body())
    except ValueError:
        raise Refused(500, MALFORMED) from None
    if found and not isinstance(found, dict):
        raise Refused(500, f"'{type(found).__name__}' object has no attribute 'get'")
    return found or {}


def threshold(state: State) -> App:
    """The service behind its limiter: so many a minute for an address, over all routes, and HTML beyond."""
    handlers: dict[Any, Any] = {404: _not_found, 405: _not_found, Refused: _refused}
    app = Starlette(routes=Threshold(state).routes(), exception_handlers=handlers)

    async def limited(scope: Message, receive: Receive, send: Send) -> None:
        address = scope["client"][0] if scope["client"] else ""
        most, within_s = state.terms.threshold_limit
        taken = state.windows.take("threshold", address, (most, within_s))
        if taken.within:
            await app(scope, receive, send)
            return
        headers = {"Retry-After": str(taken.reset_s)} if state.terms.threshold_retry_after else None
        per = "1 minute" if within_s == 60 else f"{within_s:g} second"
        await flask_html(429, "Too Many Requests", f"{most} per {per}", headers)(scope, receive, send)

    return limited


async def _not_found(request: Request, error: Exception) -> Response:
    return string_error(404, "Endpoint not found")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return string_error(error.status, str(error))
