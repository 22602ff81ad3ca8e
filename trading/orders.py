"""An order: the states it goes through, what was decided, and what the venue said of it.

At most one order a decision, and it carries one client order id for ever: that is what makes sending safe.
"""

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trading.agents import ExecutionMode
from trading.boot import Moment
from trading.vocabulary import Arm

# Who sends an order holds it this long, and longer by saying so; then what became of it has to be found out.
SENDER_LEASE_S = 5.0
ZERO = Decimal(0)


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """What a filled unit adds to the position."""
        return 1 if self is Side.BUY else -1


class MadeBy(StrEnum):
    """What an order was made by: a decision, or the stop of an agent that closes what it holds."""

    DECISION = "decision"
    STOP = "stop"


class OrderState(StrEnum):
    """Where an order is. NEW is durable and has not left; SENDING may have left; UNKNOWN may be at the venue or not.

    EXPIRED and BLOCKED have never left; REJECTED was refused by the venue, NOT_PLACED is proven not to be there.
    """

    NEW = "new"
    SENDING = "sending"
    OPEN = "open"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    NOT_PLACED = "not_placed"

    @property
    def final(self) -> bool:
        """True when nothing follows."""
        return not MOVES[self]

    @property
    def working(self) -> bool:
        """True while more of it may be filled: it counts as if it were filled."""
        return self in (OrderState.NEW, OrderState.SENDING, OrderState.OPEN, OrderState.UNKNOWN)


# From each state, what may follow. SENDING goes back to NEW only when its sender knows that no byte has left.
MOVES: dict[OrderState, frozenset[OrderState]] = {
    OrderState.NEW: frozenset({OrderState.SENDING, OrderState.EXPIRED, OrderState.BLOCKED}),
    OrderState.SENDING: frozenset(
        {
            OrderState.NEW,
            OrderState.OPEN,
            OrderState.FILLED,
            OrderState.CANCELED,
            OrderState.REJECTED,
            OrderState.UNKNOWN,
            OrderState.EXPIRED,
            OrderState.BLOCKED,
        }
    ),
    OrderState.UNKNOWN: frozenset(
        {OrderState.OPEN, OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.NOT_PLACED}
    ),
    OrderState.OPEN: frozenset({OrderState.OPEN, OrderState.FILLED, OrderState.CANCELED}),
    OrderState.FILLED: frozenset(),
    OrderState.CANCELED: frozenset(),
    OrderState.REJECTED: frozenset(),
    OrderState.EXPIRED: frozenset(),
    OrderState.BLOCKED: frozenset(),
    OrderState.NOT_PLACED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What goes to a venue: a market order. `quantity` in units of the base asset, > 0, a multiple of the lot."""

    client_order_id: str
    user_id: str
    symbol: str
    side: Side
    quantity: Decimal

    @property
    def made_by(self) -> MadeBy:
        """What it was made by, as its id says wherever it is seen."""
        return MadeBy.STOP if self.client_order_id.startswith(client_order_id(_CLOSING)) else MadeBy.DECISION


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUnder:
    """The experiment under which an order was decided, its run, and the version of its log that was known then."""

    experiment: str
    run: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as the store has it.

    `reference_price` (quote currency) is that of the decision; `arm` is the one that decided; `reduces` when it brings
    the position nearer to flat. It may leave until `deadline`, not later. `filled_quantity` adds up over its fills,
    `average_price` is None before the first. `fee` (quote currency) is that of all that is filled, None when the venue
    has not told it; `told_fee` is what it told last, perhaps of a part, 0 before. `reason` says why it is where it is.
    Only the sender with its last `epoch` may say what became of it. Wall times, Unix seconds; but `market_s`, at which
    it was decided, is the market's, None for an order older than that was kept. `made_under` is what the decision knew
    of its experiment, None for what a stop made.
    """

    request: OrderRequest
    decision_id: str
    reference_price: Decimal
    mode: ExecutionMode
    arm: Arm
    reduces: bool
    state: OrderState
    reason: str | None
    created_at_s: float
    deadline: Moment
    epoch: int
    sent_at_s: float | None
    venue: str
    venue_order_id: str | None
    filled_quantity: Decimal
    average_price: Decimal | None
    fee: Decimal | None
    told_fee: Decimal
    ended_at_s: float | None
    market_s: float | None
    made_under: MadeUnder | None


def new_order(
    request: OrderRequest,
    *,
    decision_id: str,
    reference_price: Decimal,
    mode: ExecutionMode,
    arm: Arm,
    reduces: bool,
    created_at_s: float,
    deadline: Moment,
    venue: str,
    market_s: float | None,
    made_under: MadeUnder | None,
) -> Order:
    """An order that nobody has tried to send: nothing of it is filled. See Order."""
    return Order(
        request=request,
        decision_id=decision_id,
        reference_price=reference_price,
        mode=mode,
        arm=arm,
        reduces=reduces,
        state=OrderState.NEW,
        reason=None,
        created_at_s=created_at_s,
        deadline=deadline,
        epoch=0,
        sent_at_s=None,
        venue=venue,
        venue_order_id=None,
        filled_quantity=ZERO,
        average_price=None,
        fee=ZERO,
        told_fee=ZERO,
        ended_at_s=None,
        market_s=market_s,
        made_under=made_under,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a venue says of one order: the whole of it so far, not what is new.

    `state` is OPEN, FILLED, CANCELED or REJECTED. `average_price` and `fee` in quote currency; `fee` None when the
    venue does not tell it, which is not 0. With REJECTED, `reason` is the venue's word for it.
    """

    state: OrderState
    venue_order_id: str | None = None
    filled_quantity: Decimal = ZERO
    average_price: Decimal | None = None
    fee: Decimal | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRules:
    """What a venue takes in one symbol: multiples of `lot` (base units), prices in multiples of `tick` (quote
    currency), and orders worth at least `min_notional` (quote currency)."""

    lot: Decimal
    tick: Decimal
    min_notional: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedOrders:
    """Which orders; None asks for all."""

    user_id: str | None = None
    symbol: str | None = None
    state: OrderState | None = None


def client_order_id(decision_id: str) -> str:
    """The one id under which a decision is ever sent: a function of the decision. At most 36 characters."""
    return f"rl-{decision_id}"


# Ids of decisions are hex digits: none begins like this.
_CLOSING = "close-"


def closing_id(user_id: str, symbol: str, version: int) -> str:
    """What an order has in place of a decision's id when a stop made it; `version` is the store's, raised by that stop.

    So no two stops make the same one, and one stop makes one for each symbol. 30 characters.
    """
    name = json.dumps([user_id, symbol, version]).encode()
    return _CLOSING + hashlib.sha256(name).hexdigest()[:24]
