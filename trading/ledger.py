"""What fills make of a position: its average cost, what was earned, and whose that is.

Nothing is lost to rounding: the cash a fill moves and the change of the position's cost always add up to what it
realised, to the last digit. Profit is before fees; both belong to the arm that opened the position. A fee that the
venue has not told is None, and no 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from functools import reduce

from trading.errors import OutcomeUnknown
from trading.orders import ZERO, Order, Receipt, Side
from trading.vocabulary import Arm

# More digits than any product of amounts has, so that its sums and products are exact; the default context has 28.
EXACT = Context(prec=100)
# An average is the one thing that need not end: it is kept to this many quote currency units.
AVERAGE_STEP = Decimal("1e-18")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held of one symbol: base units, > 0 long, < 0 short.

    `average_cost` is in quote currency a unit, before fees, 0 when flat. `arm` opened it at `opened_at_s` (wall time,
    Unix seconds); both None when flat.
    """

    quantity: Decimal
    average_cost: Decimal
    arm: Arm | None
    opened_at_s: float | None


FLAT = Position(quantity=ZERO, average_cost=ZERO, arm=None, opened_at_s=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Part of an order was traded: `quantity` base units at `price`, for `fee`, both in quote currency.

    `fee` is None when the venue has not told it; told, it is also that of the earlier fills of the order that had none
    (see share_fee). A quantity of 0 is a fee that the venue told later. `arm` decided the order, `at_s` is a wall time
    (Unix seconds).
    """

    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    arm: Arm
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One row of the ledger: of a fill's quantity and fee so much, what it realised before fees, whose all of it is,
    and the position after it.

    What adds to a position realises nothing but what rounding its average leaves over, < 1e-18 a unit.
    """

    quantity: Decimal
    fee: Decimal | None
    realized: Decimal
    arm: Arm
    position: Position


def apply_fill(position: Position, fill: Fill) -> tuple[Booking, ...]:
    """What a fill makes of a position: one booking, or two when it crosses zero, closing first and then opening."""
    bookings = []
    for part in _parts(position, fill):
        after = _after(position, part)
        cost_change = EXACT.subtract(_cost(after), _cost(position))
        bookings.append(
            Booking(
                quantity=part.quantity,
                fee=part.fee,
                realized=EXACT.subtract(cost_change, _paid(part)),
                arm=position.arm or part.arm,
                position=after,
            )
        )
        position = after
    return tuple(bookings)


def unrealized(position: Position, price: Decimal) -> Decimal:
    """What closing the position at `price` would realise, before fees, in quote currency."""
    return _times(position.quantity, EXACT.subtract(price, position.average_cost))


def new_fill(order: Order, receipt: Receipt, *, at_s: float) -> Fill | None:
    """What a receipt tells beyond what the order has already: both add up from the first fill on. None for nothing.

    Raises OutcomeUnknown for a receipt that cannot be right beside the order: less than before, more than was
    ordered, or filled at no price. An old answer that came late is one of these, so ask again.
    """
    quantity = EXACT.subtract(receipt.filled_quantity, order.filled_quantity)
    fee = None if receipt.fee is None else EXACT.subtract(receipt.fee, order.told_fee)
    if quantity < 0 or (fee is not None and fee < 0):
        raise OutcomeUnknown(f"the venue takes back a part of {order.request.client_order_id}")
    if receipt.filled_quantity > order.request.quantity:
        raise OutcomeUnknown(f"the venue has filled more than was ordered of {order.request.client_order_id}")
    if quantity == 0 and (fee is None or (fee == 0 and order.fee is not None)):
        return None
    price = _new_price(order, receipt, quantity)
    if price is None or price <= 0:
        raise OutcomeUnknown(f"the venue tells no price for what it filled of {order.request.client_order_id}")
    return Fill(side=order.request.side, quantity=quantity, price=price, fee=fee, arm=order.arm, at_s=at_s)


def fee_after(order: Order, receipt: Receipt) -> Decimal | None:
    """The fee of all that is filled of an order once a receipt is in; None when the venue has not told it."""
    if receipt.fee is not None:
        return receipt.fee
    return order.fee if receipt.filled_quantity == order.filled_quantity else None


def traded_value(quantity: Decimal, price: Decimal) -> Decimal:
    """What was traded, in quote currency, exactly."""
    return _times(quantity, price)


def share_fee(fee: Decimal, values: Sequence[Decimal]) -> Sequence[Decimal]:
    """A fee that was told of several fills at once, by the value of each (>= 0); the shares add up to it exactly."""
    shares, left, value_left = [], fee, reduce(EXACT.add, values, ZERO)
    for value in values:
        share = left if value == value_left else _average(_times(left, value), value_left)
        shares.append(share)
        left, value_left = EXACT.subtract(left, share), EXACT.subtract(value_left, value)
    return shares


def _new_price(order: Order, receipt: Receipt, quantity: Decimal) -> Decimal | None:
    if receipt.average_price is None or quantity == 0 or order.average_price is None:
        return receipt.average_price
    before = _times(order.filled_quantity, order.average_price)
    value = EXACT.subtract(_times(receipt.filled_quantity, receipt.average_price), before)
    return _average(value, quantity)


def _parts(position: Position, fill: Fill) -> Iterator[Fill]:
    closable = position.quantity.copy_abs()
    if (position.quantity >= 0) is (fill.side is Side.BUY) or fill.quantity <= closable:
        yield fill
        return
    opening = EXACT.subtract(fill.quantity, closable)
    fees = (None, None) if fill.fee is None else share_fee(fill.fee, (closable, opening))
    yield replace(fill, quantity=closable, fee=fees[0])
    yield replace(fill, quantity=opening, fee=fees[1])


def _after(position: Position, fill: Fill) -> Position:
    quantity = EXACT.add(position.quantity, _signed(fill.quantity, fill.side))
    if quantity == 0:
        return FLAT
    if quantity.copy_abs() <= position.quantity.copy_abs():
        return replace(position, quantity=quantity)
    if position.quantity == 0:
        return Position(quantity=quantity, average_cost=fill.price, arm=fill.arm, opened_at_s=fill.at_s)
    cost = EXACT.add(_cost(position), _paid(fill))
    return replace(position, quantity=quantity, average_cost=_average(cost, quantity))


def _cost(position: Position) -> Decimal:
    return _times(position.quantity, position.average_cost)


def _paid(fill: Fill) -> Decimal:
    return _signed(_times(fill.quantity, fill.price), fill.side)


def _signed(amount: Decimal, side: Side) -> Decimal:
    return amount if side is Side.BUY else amount.copy_negate()


def _times(one: Decimal, other: Decimal) -> Decimal:
    return EXACT.multiply(one, other)


def _average(value: Decimal, quantity: Decimal) -> Decimal:
    average = EXACT.divide(value, quantity)
    kept = average.quantize(AVERAGE_STEP, context=EXACT)
    return average if average == kept else kept  # 100 and not 100.000000000000000000
