"""Orders: how they are shown, and what a person found out about one."""

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from schemas.words import DecimalText, WireRequest, iso_time, spell_amount
from trading.agents import ExecutionMode
from trading.orders import MadeBy, Order, OrderState, Side
from trading.vocabulary import Arm


class ResolveRequest(WireRequest):
    """What a person found out about an order nobody knew about."""

    outcome: Literal["filled", "canceled", "rejected", "not_placed"]
    by: str = Field(min_length=1, max_length=100, pattern=r"^[ -~]+$", description="Who found it out.")
    filled_quantity: DecimalText | None = Field(None, description="Base units; needed unless nothing was filled.")
    average_price: DecimalText | None = Field(None, description="Quote currency.")
    fee: DecimalText | None = Field(None, description="Quote currency; left out: not known, which is not 0.")
    venue_order_id: str | None = Field(None, min_length=1, max_length=100, pattern=r"^[!-~]+$")
    note: str | None = Field(None, max_length=200, pattern=r"^[ -~]*$")

    @model_validator(mode="after")
    def _filled_has_figures(self) -> "ResolveRequest":
        filled = self.filled_quantity is not None
        if self.outcome == "filled" and not filled:
            raise ValueError("filled_quantity is needed for filled")
        if filled and self.outcome in ("rejected", "not_placed"):
            raise ValueError(f"an order that is {self.outcome} has no filled_quantity")
        if not filled and (self.fee is not None or self.venue_order_id is not None):
            raise ValueError("fee and venue_order_id go with a filled_quantity")
        if filled != (self.average_price is not None):
            raise ValueError("filled_quantity and average_price go together")
        return self


class OrderView(TypedDict):
    """An order. Amounts are decimal text: quantities in base units, prices and fees in quote currency.

    `fee` is that of all that is filled, null when the venue has not told it.
    """

    client_order_id: str
    made_by: MadeBy
    decision_id: str | None
    user_id: str
    symbol: str
    side: Side
    quantity: str
    reference_price: str
    mode: ExecutionMode
    arm: Arm
    venue: str
    state: OrderState
    reason: str | None
    created_at: str
    expires_at: str
    sent_at: str | None
    ended_at: str | None
    venue_order_id: str | None
    filled_quantity: str
    average_price: str | None
    fee: str | None


class OrderEventView(TypedDict):
    """One change of an order."""

    at: str
    state: str
    detail: dict[str, object]


class OrderHistory(OrderView):
    """An order and every change of it."""

    events: list[OrderEventView]


class OrdersPage(TypedDict):
    """Orders, newest first; `next` is the `before` of the next page, null on the last."""

    orders: list[OrderView]
    next: str | None


def to_order_view(order: Order) -> OrderView:
    """An order as the wire shows it."""
    request = order.request
    return {
        "client_order_id": request.client_order_id,
        "made_by": request.made_by,
        "decision_id": order.decision_id if request.made_by is MadeBy.DECISION else None,
        "user_id": request.user_id,
        "symbol": request.symbol,
        "side": request.side,
        "quantity": spell_amount(request.quantity),
        "reference_price": spell_amount(order.reference_price),
        "mode": order.mode,
        "arm": order.arm,
        "venue": order.venue,
        "state": order.state,
        "reason": order.reason,
        "created_at": iso_time(order.created_at_s),
        "expires_at": iso_time(order.deadline.wall_s),
        "sent_at": None if order.sent_at_s is None else iso_time(order.sent_at_s),
        "ended_at": None if order.ended_at_s is None else iso_time(order.ended_at_s),
        "venue_order_id": order.venue_order_id,
        "filled_quantity": spell_amount(order.filled_quantity),
        "average_price": None if order.average_price is None else spell_amount(order.average_price),
        "fee": None if order.fee is None else spell_amount(order.fee),
    }
