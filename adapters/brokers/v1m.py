"""Orders through TradingService V1m, whose route for them knows no client order id. Keeps trading.ports.Broker.

An order whose outcome is unknown stays so until a person has looked: this venue cannot be asked.
"""

from collections.abc import Mapping
from decimal import Decimal

from adapters.brokers.binance_lots import BINANCE_LOTS
from adapters.brokers.receipts import json_quantity, receipt, refused, rejected
from adapters.symbols import Spelling, spell, understand
from adapters.trading_service.fields import Fields, data_of, decimal, fields, rows, text
from adapters.upstream.answers import printable
from adapters.upstream.client import Upstream
from trading.errors import CannotAsk, NotSent, OutcomeUnknown, UpstreamLimited, UpstreamRefused
from trading.orders import ZERO, LotRules, OrderRequest, Receipt

NAME = "trading_service_v1m"
PLACE = "/api/v1/trading/place-order"
ORDERS = "/api/v1/trading/orders"
POSITIONS = "/api/v1/trading/positions"
# The only symbol whose orders it lists, and how many of them it is asked for.
LISTED = "BTC"
MOST_LISTED = "100"
# Binance's errors that leave open what became of the order: UNKNOWN, DISCONNECTED, UNEXPECTED_RESP, TIMEOUT
# (https://developers.binance.com/docs/binance-spot-api-docs/errors).
LEAVES_OPEN = frozenset({-1000, -1001, -1006, -1007})


class TradingServiceV1m:
    """V1m as a venue: one account for all users, no tokens."""

    tells_absence = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    @property
    def name(self) -> str:
        return NAME

    def rules(self, symbol: str) -> LotRules | None:
        return BINANCE_LOTS.get(symbol)

    async def place(self, order: OrderRequest, *, deadline_s: float) -> Receipt:
        """See Broker."""
        symbol = spell(order.symbol, Spelling.USDT)
        quantity = json_quantity(order)
        if symbol is None or quantity is None:
            return rejected("symbol" if symbol is None else "quantity")
        body = {"symbol": symbol, "side": order.side.value, "quantity": quantity, "orderType": "MARKET"}
        try:
            answer = await self._upstream.send("POST", PLACE, deadline_s=deadline_s, route="order", body=body)
        except UpstreamRefused as error:
            return refused(error)
        except UpstreamLimited as error:
            # It has no limiter of its own: whoever answered stands before it.
            raise NotSent(str(error)) from None
        placed = fields(data_of(answer.body), "data")
        return _not_placed(placed) if placed.get("success") is not True else _placed(order, placed)

    async def find(self, order: OrderRequest, venue_order_id: str | None, *, deadline_s: float) -> Receipt | None:
        """See Broker. Never None: it lists orders by its own id, the last ones in BTC only."""
        if venue_order_id is None or order.symbol != LISTED:
            raise CannotAsk(f"it lists orders by its own id, and those in {LISTED} only")
        query = {"limit": MOST_LISTED}
        answer = await self._upstream.get(ORDERS, deadline_s=deadline_s, route="read", query=query)
        for row in rows(data_of(answer.body), "data"):
            if text(row, "id") == venue_order_id:
                return receipt(
                    order,
                    status=text(row, "status"),
                    venue_order_id=venue_order_id,
                    filled=decimal(row, "filled_quantity"),
                    price=decimal(row, "avg_price"),
                )
        raise CannotAsk("it does not list this order, which may be there")

    async def positions(self, *, deadline_s: float) -> Mapping[str, Decimal] | None:
        """See Broker. What its one account holds, whoever bought it."""
        answer = await self._upstream.get(POSITIONS, deadline_s=deadline_s, route="read")
        held: dict[str, Decimal] = {}
        for row in rows(data_of(answer.body), "data"):
            symbol = understand(text(row, "symbol") or "")
            if symbol is not None:
                held[symbol] = held.get(symbol, ZERO) + (decimal(row, "quantity") or ZERO)
        return held


def _placed(order: OrderRequest, placed: Fields) -> Receipt:
    return receipt(
        order,
        status=text(placed, "status"),
        venue_order_id=text(placed, "orderId"),
        filled=decimal(placed, "executedQuantity"),
        price=decimal(placed, "price"),
    )


def _not_placed(answer: Fields) -> Receipt:
    code = answer.get("code")
    try:
        binance_code = int(str(code))
    except ValueError:
        binance_code = 0
    # Anything but a number of Binance's is a failure on the way there, or on the way back.
    if answer.get("success") is not False or binance_code >= 0 or binance_code in LEAVES_OPEN:
        raise OutcomeUnknown(f"not said to be refused: code {code!r:.40}")
    return rejected(f"{binance_code}: {printable(str(answer.get('error')))}")
