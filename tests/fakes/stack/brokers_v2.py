"""What do the broker routes of TradingService V2 answer? They really order."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.stack.answers import iso, number, string_error, success
from tests.fakes.stack.bodies import body_of, quantity_of, stripped
from tests.fakes.stack.book import ZERO, Asked, Booking
from tests.fakes.stack.coins import WHITELIST
from tests.fakes.stack.state import State
from tests.fakes.stack.tokens import required

BROKERS = ("alpaca", "binance")
TIMES_IN_FORCE = ("day", "gtc", "ioc", "fok")
STATUS = {"open": "pending", "filled": "filled", "canceled": "canceled"}


class Brokers:
    """`/api/v1/brokers/...`, and the manual order, whose validator and handler disagree on the quantity's name."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/brokers/orders", self.order, methods=["POST"]),
            Route("/api/v1/brokers/orders", self.orders),
            Route("/api/v1/brokers/positions", self.positions),
            Route("/api/v1/brokers/account", self.account),
            Route("/api/v1/brokers/market-data", self.market_data),
            Route("/api/v1/trading/manual/order", self.manual, methods=["POST"]),
        ]

    async def order(self, request: Request) -> Response:
        user = required(request, self._state.terms.jwt_secret)
        body = stripped(await body_of(request))
        if wrong := _wrong(body):
            return string_error(400, "Validation failed", details=wrong)
        return self._place(request, user, body, body["qty"])

    async def manual(self, request: Request) -> Response:
        user = required(request, self._state.terms.jwt_secret)
        body = stripped(await body_of(request))
        if wrong := _wrong(body | {"order_type": "market"}):
            return string_error(400, "Validation failed", details=wrong)
        if quantity_of(body.get("quantity")) is None:
            return string_error(500, "Cannot read properties of undefined (reading 'quantity')")
        return self._place(request, user, body, body["quantity"])

    def _place(self, request: Request, user: str, body: dict[str, Any], asked: Any) -> Response:
        refusal = self._state.terms.refusal
        request.state.transmission.user = user
        if refusal is not None:
            return string_error(500, str(refusal["message"]))
        quantity = quantity_of(asked)
        assert quantity is not None, "validated before"
        order = Asked(
            user=user,
            symbol=WHITELIST[body["symbol"]],
            asked=body["symbol"],
            side=body["side"].upper(),
            quantity=quantity,
            client_order_id=body.get("client_order_id"),
            immediate=body.get("time_in_force") in ("ioc", "fok"),
        )
        booking = self._state.book.place(order, request.state.transmission)
        return success({"order": self._told(booking), "broker": body.get("broker", BROKERS[0])})

    def _told(self, booking: Booking) -> dict[str, Any]:
        """A BrokerOrder. As the service is today it carries no client id."""
        told: dict[str, Any] = {
            "id": f"ord-{booking.number:08d}",
            "symbol": booking.asked,
            "qty": number(booking.quantity),
            "side": booking.side.lower(),
            "order_type": "market",
            "status": STATUS[booking.status],
            "filled_qty": number(booking.filled),
            "submitted_at": iso(booking.at_s),
        }
        if booking.average_price is not None:
            told["filled_avg_price"] = number(booking.average_price)
            told["filled_at"] = iso(booking.fills[-1].at_s)
        if self._state.terms.lists_client_ids and booking.client_order_id is not None:
            told["client_order_id"] = booking.client_order_id
        return told

    async def orders(self, request: Request) -> Response:
        user = required(request, self._state.terms.jwt_secret)
        return success({"orders": [self._told(each) for each in self._state.book.listed(user)], "broker": _of(request)})

    async def positions(self, request: Request) -> Response:
        user = required(request, self._state.terms.jwt_secret)
        held = self._state.book.held(user)
        rows = []
        for coin, quantity in held.items():
            price = self._state.price(coin)
            rows.append(
                {
                    "symbol": coin + "USD",
                    "qty": number(quantity),
                    "side": "long" if quantity > ZERO else "short",
                    "current_price": number(price),
                    "market_value": number(price * quantity),
                }
            )
        return success({"positions": rows, "broker": _of(request)})

    async def account(self, request: Request) -> Response:
        required(request, self._state.terms.jwt_secret)
        figures = {"id": "paper-account", "cash": 100000, "buying_power": 100000, "portfolio_value": 100000}
        return success({"account": figures | {"currency": "USD", "status": "ACTIVE"}, "broker": _of(request)})

    async def market_data(self, request: Request) -> Response:
        asked = [part.strip() for part in request.query_params.get("symbols", "").split(",") if part.strip()]
        if not asked or len(asked) > 50:
            wrong = {"field": "symbols", "message": "Symbols must be 1 to 50, separated by commas"}
            return string_error(400, "Validation failed", details=[wrong])
        known = [symbol for symbol in asked if symbol in WHITELIST]
        now = iso(self._state.candles.now_s())
        rows = [
            {"symbol": each, "price": number(self._state.price(WHITELIST[each])), "timestamp": now} for each in known
        ]
        return success({"marketData": rows, "broker": _of(request)})


def _of(request: Request) -> str:
    return request.query_params.get("broker", BROKERS[0])


def _wrong(body: dict[str, Any]) -> list[dict[str, str]]:
    """What express-validator says of an order, field by field."""
    client_id = body.get("client_order_id")
    limit = body.get("order_type") == "limit"
    rules = {
        "symbol": ("Invalid symbol", body.get("symbol") in WHITELIST),
        "qty": ("Quantity must be a positive number", quantity_of(body.get("qty")) is not None),
        "side": ("Side must be buy or sell", body.get("side") in ("buy", "sell")),
        "order_type": ("Order type must be market or limit", body.get("order_type") in ("market", "limit")),
        "limit_price": ("Limit price must be positive", not limit or quantity_of(body.get("limit_price")) is not None),
        "time_in_force": ("Invalid time in force", body.get("time_in_force", "day") in TIMES_IN_FORCE),
        "client_order_id": (
            "Client order ID must be a string of at most 100 characters",
            client_id is None or (isinstance(client_id, str) and 0 < len(client_id) <= 100),
        ),
        "broker": ("Broker must be alpaca or binance", body.get("broker", "alpaca") in BROKERS),
    }
    return [{"field": field, "message": text} for field, (text, right) in rules.items() if not right]
