"""How does the V2 backend stand in front of its routes: limits, tokens, its shape of errors?"""

import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.stack.answers import express_html, iso, message, string_error
from tests.fakes.stack.bodies import Malformed
from tests.fakes.stack.brokers_v2 import Brokers
from tests.fakes.stack.market_v1 import MarketV1
from tests.fakes.stack.state import State
from tests.fakes.stack.tokens import Denied, required
from tests.fakes.stack.trading_v2 import Bots, NoSession, Trading
from tests.fakes.stack.windows import Taken
from tests.fakes.stack.wire import App, Message, Receive, Send

# Each needs a token but the second, and calls a method its service does not have.
DATA = {
    "aggregated-market": ("aggregated market data", "symbols", "Symbols parameter is required"),
    "funding-rates": ("funding rates", None, ""),
    "whale-alerts": ("whale alerts", None, ""),
    "on-chain": ("on-chain data", "address", "Address parameter is required"),
    "sentiment": ("sentiment data", "symbol", "Symbol parameter is required"),
}


def backend_v2(state: State) -> App:
    """TradingService and DataAggregator of V2 as one application, as if its routes had been mounted."""
    routes = [
        Route("/health", _health),
        *Brokers(state).routes(),
        *Trading(state).routes(),
        *Bots(state).routes(),
        *MarketV1(state).routes(),
        *[Route(f"/api/v1/data/{name}", _data(state, name)) for name in DATA],
    ]
    handlers: dict[Any, Any] = {
        404: _not_found,
        405: _not_found,
        Denied: _denied,
        Malformed: _bad,
        NoSession: _failed,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)

    async def limited(scope: Message, receive: Receive, send: Send) -> None:
        request = Request(scope)
        taken: list[tuple[str, Taken]] = []
        if not state.terms.mounted:
            answer: Response | None = express_html(404, f"Cannot {request.method} {request.url.path}")
        else:
            taken, answer = _limit(state, request)
        if answer is not None:
            await answer(scope, receive, send)
            return

        async def headed(sent: Message) -> None:
            if sent["type"] == "http.response.start" and taken:
                sent["headers"] = [*sent["headers"], *_headers(taken[-1][1])]
            await send(sent)

        await app(scope, receive, headed)

    return limited


def _kinds(method: str, path: str) -> list[str]:
    if not path.startswith("/api/v1"):
        return []
    rest = path.removeprefix("/api/v1")
    if rest.startswith("/trading/bot"):
        return ["all", "bot"]
    if (method, rest) in (("POST", "/brokers/orders"), ("POST", "/trading/manual/order")):
        return ["all", "orders"]
    if rest.startswith("/trading"):
        return ["all", "trading"]
    return ["all", "market"] if rest.startswith(("/market", "/brokers/market-data", "/data")) else ["all"]


def _limit(state: State, request: Request) -> tuple[list[tuple[str, Taken]], Response | None]:
    address = request.client.host if request.client else ""
    taken = []
    for kind in _kinds(request.method, request.url.path):
        one = state.windows.take(kind, address, state.terms.limits[kind])
        taken.append((kind, one))
        if not one.within:
            text = "Too many requests from this IP, please try again later."
            answer = string_error(429, text, retryAfter=one.reset_s)
            answer.raw_headers = [*answer.raw_headers, *_headers(one), (b"retry-after", str(one.reset_s).encode())]
            return taken, answer
    return taken, None


def _headers(one: Taken) -> list[tuple[bytes, bytes]]:
    figures = {"limit": one.most, "remaining": one.left, "reset": one.reset_s}
    return [(f"ratelimit-{name}".encode(), str(figure).encode()) for name, figure in figures.items()]


async def _health(request: Request) -> Response:
    services = {"tradingEngine": "running", "socketIO": "running", "redis": "connected"}
    now = iso(time.time())
    return message("Trading Bot API is running", timestamp=now, version="1.0.0", services=services)


def _data(state: State, name: str) -> Any:
    what, needs, text = DATA[name]

    async def answer(request: Request) -> Response:
        if name != "funding-rates":
            required(request, state.terms.jwt_secret)
        if needs is not None and needs not in request.query_params:
            return string_error(400, text)
        return string_error(500, f"Failed to fetch {what}")

    return answer


async def _not_found(request: Request, error: Exception) -> Response:
    return string_error(404, "Endpoint not found", path=request.url.path)


async def _denied(request: Request, error: Exception) -> Response:
    return string_error(401, str(error))


async def _bad(request: Request, error: Exception) -> Response:
    return string_error(400, str(error))


async def _failed(request: Request, error: Exception) -> Response:
    return string_error(500, str(error))
