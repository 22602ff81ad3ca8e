"""How do the V1 and V1m backends stand in front of their routes? Without auth, and with error objects."""

import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.stack.answers import express_html, iso, message, object_error
from tests.fakes.stack.bodies import Malformed
from tests.fakes.stack.market_v1 import MarketV1
from tests.fakes.stack.market_v1m import MarketV1m
from tests.fakes.stack.state import State
from tests.fakes.stack.trading_v1 import TradingV1
from tests.fakes.stack.trading_v1m import TradingV1m
from tests.fakes.stack.wire import App


def backend_v1(state: State) -> App:
    """TradingService and DataAggregator of V1 (`app.ts`)."""
    return _backend([*TradingV1(state).routes(), *MarketV1(state).routes()])


def backend_v1m(state: State) -> App:
    """TradingService and DataAggregator of V1m (`minimal-server.js`)."""
    return _backend([*TradingV1m(state).routes(), *MarketV1m(state).routes()])


def _backend(routes: list[Route]) -> App:
    handlers: dict[Any, Any] = {404: _not_found, 405: _not_found, Malformed: _bad}
    return Starlette(routes=[Route("/health", _health), *routes], exception_handlers=handlers)


async def _health(request: Request) -> Response:
    return message("Trading Bot API is running", timestamp=iso(time.time()), version="1.0.0")


async def _not_found(request: Request, error: Exception) -> Response:
    return object_error(404, "NOT_FOUND", f"Route {request.method} {request.url.path} not found")


async def _bad(request: Request, error: Exception) -> Response:
    """Express's own page: the body is read before any handler of theirs."""
    return express_html(400, f"SyntaxError: {error}")
