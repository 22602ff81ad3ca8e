"""What a venue's words about an order prove; what proves nothing is OutcomeUnknown."""

from decimal import Decimal

from trading.errors import OutcomeUnknown, UpstreamRefused
from trading.orders import ZERO, OrderRequest, OrderState, Receipt

# V2's words for a broker's order and, in lower case, Binance's. "failed" is in neither: it does not say how far it got.
STATES = {
    "pending": OrderState.OPEN,
    "new": OrderState.OPEN,
    "partially_filled": OrderState.OPEN,
    "pending_cancel": OrderState.OPEN,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "cancelled": OrderState.CANCELED,
    "expired": OrderState.CANCELED,
    "expired_in_match": OrderState.CANCELED,
    "rejected": OrderState.REJECTED,
}
# These are given before an order is passed on: by the validation, the authorisation, or where there is no such route.
PROOFS_OF_REFUSAL = frozenset({400, 401, 403, 404, 422})
MOST_REASON = 200
# How far a sum of a venue's floating-point parts may lie from the quantity that it means, as a share of it.
ROUNDING = Decimal("1e-9")


def receipt(
    order: OrderRequest,
    *,
    status: str | None,
    venue_order_id: str | None,
    filled: Decimal | None,
    price: Decimal | None,
) -> Receipt:
    """The receipt of an order of which the venue says this; `filled` and `price` None where it does not.

    A fill without its price stays OPEN and unfilled to us: the ledger takes no price that nobody told. Raises
    OutcomeUnknown for words that are not known or contradict each other.
    """
    state = STATES.get((status or "").lower())
    if state is None:
        raise OutcomeUnknown(f"order status {status!r:.40}")
    if filled is None:
        filled = order.quantity if state is OrderState.FILLED else ZERO
    if abs(filled - order.quantity) <= order.quantity * ROUNDING:
        filled = order.quantity
    if not 0 <= filled <= order.quantity:
        raise OutcomeUnknown(f"filled {filled} of {order.quantity}")
    if (state is OrderState.FILLED and filled < order.quantity) or (state is OrderState.REJECTED and filled):
        raise OutcomeUnknown(f"{state} with {filled} of {order.quantity} filled")
    if filled and (price is None or price <= 0):
        return Receipt(state=OrderState.OPEN, venue_order_id=venue_order_id)
    return Receipt(
        state=state,
        venue_order_id=venue_order_id,
        filled_quantity=filled,
        average_price=price if filled else None,
        reason=status if state is OrderState.REJECTED else None,
    )


def rejected(reason: str) -> Receipt:
    """The receipt of an order that is certain not to have been placed."""
    return Receipt(state=OrderState.REJECTED, reason=reason[:MOST_REASON])


def refused(error: UpstreamRefused) -> Receipt:
    """The receipt that a refusal proves. Raises OutcomeUnknown when it proves none."""
    if error.status in PROOFS_OF_REFUSAL:
        return rejected(str(error))
    raise OutcomeUnknown(f"refused with {error.status}, which may be after the order: {error}")


def json_quantity(order: OrderRequest) -> float | None:
    """The quantity as a JSON number; None when it is not positive or a number cannot hold it exactly."""
    quantity = float(order.quantity)
    return quantity if quantity > 0 and Decimal(repr(quantity)) == order.quantity else None
