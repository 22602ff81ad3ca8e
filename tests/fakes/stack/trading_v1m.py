"""What do the trading routes of V1m answer? They order at Binance, for whoever asks."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.stack.answers import iso, message, object_error, refusal, success
from tests.fakes.stack.bodies import body_of, quantity_of, whole
from tests.fakes.stack.book import ZERO, Asked, Booking
from tests.fakes.stack.coins import BINANCE, COINS
from tests.fakes.stack.state import State

PREFIX = "/api/v1/trading"
# There are no users: one session, one account.
EVERYBODY = "everybody"
MAX_POSITION_SIZE, DAILY_LOSS_LIMIT = 100, 20


class TradingV1m:
    """One session for all, no auth, no client order id anywhere."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        plain = [
            ("GET", "/status", self.status),
            ("POST", "/start", self.start),
            ("POST", "/stop", self.stop),
            ("GET", "/session", self.session),
            ("POST", "/emergency-stop", self.emergency_stop),
            ("GET", "/signals", self.signals),
            ("GET", "/indicators", self.indicators),
            ("POST", "/place-order", self.place_order),
            ("GET", "/orders", self.orders),
            ("GET", "/positions", self.positions),
            ("GET", "/performance", self.performance),
        ]
        return [Route(PREFIX + path, answer, methods=[verb]) for verb, path, answer in plain]

    async def status(self, request: Request) -> Response:
        """`active` says that Binance answers, `uptime` how long asking it took."""
        up = self._state.terms.binance_up
        told = {"active": up, "uptime": 12, "lastTrade": iso(time.time()), "activePairs": 10, "pendingOrders": 0}
        source = "binance" if up else "offline"
        return success(told | {"binanceConnected": up, "dataSource": source, "timestamp": iso(time.time())})

    @property
    def _started_at_s(self) -> float | None:
        session = self._state.sessions.get(EVERYBODY)
        return None if session is None else session["started_at_s"]

    async def start(self, request: Request) -> Response:
        if self._state.latched:
            return refusal("Emergency stop is active. Cannot start trading.")
        if self._started_at_s is not None:
            return refusal("Trading session is already active")
        self._state.sessions[EVERYBODY] = {"started_at_s": time.time()}
        session = {"isActive": True, "startTime": iso(time.time())} | _limits()
        return message("Trading bot started successfully", session=session)

    async def stop(self, request: Request) -> Response:
        ended = self._state.sessions.pop(EVERYBODY, None)
        duration_ms = 0 if ended is None else int((time.time() - ended["started_at_s"]) * 1000)
        session = {"isActive": False, "totalTrades": len(self._state.book.bookings), "totalPnL": 0}
        return message("Trading bot stopped successfully", session=session | {"duration": duration_ms})

    async def emergency_stop(self, request: Request) -> Response:
        self._state.latched = True
        self._state.sessions.pop(EVERYBODY, None)
        return message("Emergency stop activated", emergency=True)

    async def session(self, request: Request) -> Response:
        started_at_s = self._started_at_s
        duration_ms = 0 if started_at_s is None else int((time.time() - started_at_s) * 1000)
        told = {
            "isActive": started_at_s is not None,
            "emergencyStop": self._state.latched,
            "startTime": None if started_at_s is None else iso(started_at_s),
            "duration": duration_ms,
            "totalTrades": len(self._state.book.bookings),
            "totalPnL": 0,
            "currentBalance": 1000,
            "positions": [self._position(coin) for coin in self._state.book.held(EVERYBODY)],
            "recentOrders": [self._told(each) for each in self._state.book.listed(EVERYBODY)[:10]],
        }
        return success(told | _limits())

    async def place_order(self, request: Request) -> Response:
        body = await body_of(request)
        if self._state.latched:
            return refusal("Emergency stop is active. Trading is disabled.", 400)
        if self._state.terms.needs_session and self._started_at_s is None:
            return refusal("Trading session is not active", 400)
        if not all(body.get(name) for name in ("symbol", "side", "quantity")):
            return refusal("Missing required parameters: symbol, side, quantity", 400)
        placed = self._at_binance(request, body)
        held = self._state.book.held(EVERYBODY)
        return success(placed, session={"totalTrades": len(self._state.book.bookings), "currentPositions": len(held)})

    def _at_binance(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        request.state.transmission.user = EVERYBODY
        asked = str(body["symbol"])
        coin = BINANCE.get(asked, asked if asked in COINS else None)
        quantity = quantity_of(body["quantity"])
        if self._state.terms.refusal is not None:
            return _refused(self._state.terms.refusal["message"], self._state.terms.refusal.get("code", -2010))
        if coin is None:
            return _refused("Invalid symbol.", -1121)
        if quantity is None:
            return _refused("Illegal characters found in parameter 'quantity'.", -1100)
        if body["side"] not in ("BUY", "SELL"):
            return _refused("Invalid side.", -1117)
        order = Asked(user=EVERYBODY, symbol=coin, asked=coin + "USDT", side=body["side"], quantity=quantity)
        booking = self._state.book.place(order, request.state.transmission)
        price = ZERO if self._state.terms.market_price_zero else booking.average_price or ZERO
        return {
            "success": True,
            "orderId": 10_000_000 + booking.number,
            "status": _status(booking).upper(),
            "price": f"{price:.8f}",
            "executedQuantity": f"{booking.filled:.8f}",
        }

    def _told(self, booking: Booking) -> dict[str, Any]:
        return {
            "id": str(10_000_000 + booking.number),
            "symbol": booking.asked,
            "side": booking.side,
            "quantity": f"{booking.quantity:.8f}",
            "filled_quantity": f"{booking.filled:.8f}",
            "avg_price": float(booking.average_price or ZERO),
            "status": _status(booking),
            "created_at": iso(booking.at_s),
            "source": "binance",
        }

    async def orders(self, request: Request) -> Response:
        """BTCUSDT only, whatever was traded."""
        limit = whole(request.query_params.get("limit"), 50)
        rows = [self._told(each) for each in self._state.book.listed(EVERYBODY) if each.symbol == "BTC"][:limit]
        return success(rows, total=len(rows), source="binance", timestamp=iso(time.time()))

    def _position(self, coin: str) -> dict[str, Any]:
        quantity, price = float(self._state.book.held(EVERYBODY)[coin]), float(self._state.price(coin))
        return {
            "symbol": coin,
            "quantity": f"{quantity:.8f}",
            "free_quantity": f"{quantity:.8f}",
            "locked_quantity": "0.00000000",
            "avg_cost": price * 0.95,  # made up by the service
            "current_price": price,
            "market_value": quantity * price,
            "unrealized_pnl": quantity * price * 0.05,
            "unrealized_pnl_percent": 5.26,
            "source": "binance",
        }

    async def positions(self, request: Request) -> Response:
        return success([self._position(coin) for coin in self._state.book.held(EVERYBODY)])

    async def signals(self, request: Request) -> Response:
        """The same ten coins whatever is asked; volume in base units."""
        limit = whole(request.query_params.get("limit"), 10)
        rows = [self._signal(coin) for coin in COINS][:limit]
        return success(rows, total=len(rows), source="technical_analysis", timestamp=iso(time.time()))

    def _signal(self, coin: str) -> dict[str, Any]:
        price, day = self._state.candles.price(coin), self._state.candles.day(coin)
        change = (price / day["open"] - 1) * 100
        return {
            "symbol": coin,
            "action": "BUY" if change > 1 else "SELL" if change < -1 else "HOLD",
            "confidence": min(0.95, 0.5 + abs(change) / 10),
            "reason": "Technical analysis",
            "price_target": price * 1.03,
            "stop_loss": price * 0.98,
            "current_price": price,
            "price_change_24h": change,
            "volume_24h": day["volume"],
            "timestamp": iso(self._state.candles.now_s()),
            "source": self._state.terms.signal_source,
            "indicators": {"rsi": max(0.0, min(100.0, 50 + 5 * change)), "macd": change / 100},
            "signalStrength": abs(change),
        }

    async def indicators(self, request: Request) -> Response:
        coin = request.query_params.get("symbol", "BTC")
        if coin not in COINS or whole(request.query_params.get("limit"), 100) < 26:
            return object_error(400, "INSUFFICIENT_DATA", "Not enough historical data for technical analysis")
        signal = self._signal(coin)
        kept = {name: signal[name] for name in ("symbol", "indicators", "confidence", "reason", "signalStrength")}
        beside = {"currentPrice": signal["current_price"], "signals": [], "recommendation": signal["action"]}
        return success(kept | beside | {"timestamp": signal["timestamp"]})

    async def performance(self, request: Request) -> Response:
        """Random in the service; whoever reads it as a fact is wrong whatever it says."""
        period = request.query_params.get("period", "24h")
        figures = {"portfolio_value_usd": 1000.0, "total_return_percent": 1.7, "sharpe_ratio": 1.2}
        return success({"period": period, "max_drawdown": -3.1, "win_rate": 67.0, "total_trades": 12} | figures)


def _limits() -> dict[str, int]:
    return {"maxPositionSize": MAX_POSITION_SIZE, "dailyLossLimit": DAILY_LOSS_LIMIT}


def _refused(text: str, code: int) -> dict[str, Any]:
    return {"success": False, "error": text, "code": code}


def _status(booking: Booking) -> str:
    if booking.status == "open":
        return "partially_filled" if booking.fills else "new"
    return booking.status
