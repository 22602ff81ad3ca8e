"""The orders that close what a stopped agent holds, one a position, or why there is none. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trading.agents import Agent
from trading.boot import Moment
from trading.intents import Venue
from trading.orders import MadeBy, Order, OrderRequest, OrderState, client_order_id, closing_id, new_order
from trading.sizing import Sized, size_closing
from trading.vocabulary import Arm, BlockReason, Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A position of a stopped agent in the transaction that would write the order which closes it.

    `quantity` is in base units, > 0 long, < 0 short, and `arm` opened it. `working` are the user's orders in the symbol
    that may still be filled. `version` is that of the store, raised by this stop. `venue_limited`: the venue takes no
    further order now.
    """

    now: Moment
    agent: Agent
    symbol: str
    quantity: Decimal
    arm: Arm
    working: Sequence[Order]
    halt: Halt
    version: int
    venue_limited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What becomes of a position, or of what may yet become one.

    The order `client_order_id` closes it, or none does for the `reason`. `order` is that order when it is new, None
    when it was made before.
    """

    symbol: str
    client_order_id: str | None
    reason: BlockReason | None
    order: Order | None


def close(held: Held, venue: Venue | None, *, price: Decimal | None, market_s: float, deadline: Moment) -> Closing:
    """What becomes of a position that its agent's stop is to close, to leave by `deadline` or never.

    `venue` is where orders of the agent's mode go, None when nowhere; `price` the last close, None when that is not
    known now; `market_s` the time on the market's clock (Unix seconds). While an order works in the symbol what will be
    held is not known: then none is made, and to stop again later makes it. An order that this stop, or the same again,
    made before is told as it was.
    """
    awaited = _awaited(held.agent, held.symbol, held.working)
    if awaited is not None:
        return awaited
    judged = _judge(held, venue, price)
    if isinstance(judged, BlockReason) or venue is None or price is None:
        reason = judged if isinstance(judged, BlockReason) else BlockReason.VENUE_UNAVAILABLE
        return Closing(symbol=held.symbol, client_order_id=None, reason=reason, order=None)
    order = _order(held, judged, reference_price=price, market_s=market_s, deadline=deadline, venue=venue.name)
    return Closing(symbol=held.symbol, client_order_id=order.request.client_order_id, reason=None, order=order)


def close_flat(agent: Agent, symbol: str, working: Sequence[Order]) -> Closing | None:
    """The same for a symbol in which a stopped agent holds nothing: None where nothing can be held later either.

    `working` are the user's orders in it that may still be filled. Those that have not left when the agent stops never
    will; what another buys is there to be closed by the same stop later.
    """
    left = [order for order in working if order.state is not OrderState.NEW or _closes(order, agent)]
    return _awaited(agent, symbol, left)


def _awaited(agent: Agent, symbol: str, working: Sequence[Order]) -> Closing | None:
    # What is to be waited for; None when nothing is.
    made = next((order for order in working if _closes(order, agent)), None)
    if made is not None:
        return Closing(symbol=symbol, client_order_id=made.request.client_order_id, reason=None, order=None)
    if not working:
        return None
    unknown = any(order.state is OrderState.UNKNOWN for order in working)
    reason = BlockReason.ORDER_UNRESOLVED if unknown else BlockReason.IN_PROGRESS
    return Closing(symbol=symbol, client_order_id=None, reason=reason, order=None)


def _closes(order: Order, agent: Agent) -> bool:
    # One of an earlier stop closes what was held then.
    return order.request.made_by is MadeBy.STOP and order.created_at_s >= agent.changed_at_s


def _judge(held: Held, venue: Venue | None, price: Decimal | None) -> Sized | BlockReason:
    if held.halt is Halt.HALTED:
        return BlockReason.HALTED
    if venue is None:
        return BlockReason.VENUE_UNAVAILABLE
    if venue.blocked is not None:
        return venue.blocked
    sized = size_closing(held.quantity, price, venue.rules(held.symbol))
    if isinstance(sized, Sized) and held.venue_limited:
        return BlockReason.VENUE_RATE_LIMIT
    return sized


def _order(
    held: Held, sized: Sized, *, reference_price: Decimal, market_s: float, deadline: Moment, venue: str
) -> Order:
    made_as = closing_id(held.agent.user_id, held.symbol, held.version)
    return new_order(
        OrderRequest(
            client_order_id=client_order_id(made_as),
            user_id=held.agent.user_id,
            symbol=held.symbol,
            side=sized.side,
            quantity=sized.quantity,
        ),
        decision_id=made_as,
        reference_price=reference_price,
        mode=held.agent.config.execution,
        arm=held.arm,
        reduces=True,
        # Never before the stop, whichever clock said when that was: see adapters.store.orders.claim.
        created_at_s=max(held.now.wall_s, held.agent.changed_at_s),
        deadline=deadline,
        venue=venue,
        market_s=market_s,
        made_under=None,
    )
