"""Orders through TradingService V2's `/api/v1/brokers`, under our client order id. Keeps trading.ports.Broker."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from adapters.brokers.binance_lots import BINANCE_LOTS
from adapters.brokers.receipts import json_quantity, receipt, refused, rejected
from adapters.symbols import Spelling, spell, understand
from adapters.trading_service.fields import Fields, data_of, decimal, fields, rows, text
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import Tokens
from trading.errors import CannotAsk, NotSent, UpstreamLimited, UpstreamRefused, UpstreamUnavailable
from trading.orders import ZERO, LotRules, OrderRequest, Receipt

NAME = "trading_service_v2"
ORDERS = "/api/v1/brokers/orders"
POSITIONS = "/api/v1/brokers/positions"
# What was listed answers questions this long: V2 counts calls.
LISTING_S = 1.0


class TradingServiceV2:
    """V2 as a venue; every call is made in the name of the order's user.

    `lists_client_ids`: its listing of orders shows the client order id, as no version committed today does.
    `account_user_id`: in whose name positions are asked for; None when they are not.
    """

    def __init__(
        self,
        upstream: Upstream,
        tokens: Tokens,
        *,
        lists_client_ids: bool,
        account_user_id: str | None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._tokens = tokens
        self._lists_client_ids = lists_client_ids
        self._account_user_id = account_user_id
        self._monotonic_s = monotonic_s
        # The last listing of orders, or why there is none, whose, and when: one answers for all orders of its user.
        self._listing_now = asyncio.Lock()
        self._listing: tuple[str, float, Sequence[Fields] | UpstreamUnavailable] = ("", float("-inf"), ())

    @property
    def name(self) -> str:
        return NAME

    @property
    def tells_absence(self) -> bool:
        return self._lists_client_ids

    def rules(self, symbol: str) -> LotRules | None:
        return BINANCE_LOTS.get(symbol)

    async def place(self, order: OrderRequest, *, deadline_s: float) -> Receipt:
        """See Broker. What cannot be filled at once is canceled: nothing of an order is left to work later."""
        # Of the three spellings it takes, plain BTC is a fund at Alpaca, one of the two brokers behind it.
        symbol = spell(order.symbol, Spelling.USDT)
        quantity = json_quantity(order)
        if symbol is None or quantity is None:
            return rejected("symbol" if symbol is None else "quantity")
        body = {
            "symbol": symbol,
            "qty": quantity,
            "side": order.side.value.lower(),
            "order_type": "market",
            "time_in_force": "ioc",
            "client_order_id": order.client_order_id,
        }
        token = self._tokens.mint(order.user_id)
        try:
            answer = await self._upstream.send(
                "POST", ORDERS, deadline_s=deadline_s, route="order", body=body, token=token
            )
        except UpstreamRefused as error:
            return refused(error)
        except UpstreamLimited as error:
            # Its limiter stands before its handlers.
            raise NotSent(str(error)) from None
        return _receipt(order, fields(_data(answer.body).get("order"), "data.order"))

    async def find(self, order: OrderRequest, venue_order_id: str | None, *, deadline_s: float) -> Receipt | None:
        """See Broker. What it once acknowledged and no longer lists is not said to be absent."""
        if venue_order_id is None and not self._lists_client_ids:
            raise CannotAsk("it lists no client order ids")
        listed = await self._orders_of(order.user_id, deadline_s)
        found = [row for row in listed if self._is(row, order, venue_order_id)]
        if len(found) == 1:
            return _receipt(order, found[0])
        if found:
            raise CannotAsk(f"it lists {len(found)} such orders")
        if venue_order_id is not None or (listed and not any("client_order_id" in row for row in listed)):
            raise CannotAsk("it does not list this order, which may be there")
        return None

    async def positions(self, *, deadline_s: float) -> Mapping[str, Decimal] | None:
        """See Broker."""
        if self._account_user_id is None:
            # Nothing is told without an account, but that it is there.
            await self._upstream.get("/health", deadline_s=deadline_s, route="read")
            return None
        held: dict[str, Decimal] = {}
        for row in await self._listed(POSITIONS, "positions", self._account_user_id, deadline_s):
            symbol = understand(text(row, "symbol") or "")
            quantity = decimal(row, "qty") if "qty" in row else decimal(row, "quantity")
            if symbol is not None and quantity is not None:
                short = text(row, "side") == "short"
                held[symbol] = held.get(symbol, ZERO) + (-abs(quantity) if short else quantity)
        return held

    def _is(self, row: Fields, order: OrderRequest, venue_order_id: str | None) -> bool:
        if self._lists_client_ids and text(row, "client_order_id") == order.client_order_id:
            return True
        return venue_order_id is not None and text(row, "id") == venue_order_id

    async def _orders_of(self, user_id: str, deadline_s: float) -> Sequence[Fields]:
        # Of many who ask at once, one calls.
        async with self._listing_now:
            return await self._listing_of(user_id, deadline_s)

    async def _listing_of(self, user_id: str, deadline_s: float) -> Sequence[Fields]:
        listed_for, at_s, listed = self._listing
        if listed_for != user_id or self._monotonic_s() - at_s > LISTING_S:
            at_s = self._monotonic_s()
            try:
                listed = await self._listed(ORDERS, "orders", user_id, deadline_s)
            except UpstreamUnavailable as error:
                # Those who waited for this one are not worth a call each; it may have taken its time.
                at_s, listed = self._monotonic_s(), error
            self._listing = (user_id, at_s, listed)
        if isinstance(listed, UpstreamUnavailable):
            raise listed
        return listed

    async def _listed(self, path: str, name: str, user_id: str, deadline_s: float) -> Sequence[Fields]:
        token = self._tokens.mint(user_id)
        answer = await self._upstream.get(path, deadline_s=deadline_s, route="read", token=token)
        return rows(_data(answer.body).get(name), f"data.{name}")


def _data(body: object) -> Fields:
    return fields(data_of(body), "data")


def _receipt(order: OrderRequest, row: Fields) -> Receipt:
    return receipt(
        order,
        status=text(row, "status"),
        venue_order_id=text(row, "id"),
        filled=decimal(row, "filled_qty"),
        price=decimal(row, "filled_avg_price"),
    )
