"""A position of a stopped agent is closed by one order, or it is said why not."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.fakes.jobs import START
from tests.fakes.one_order import one_order
from tests.fakes.orders import AGENT, PRICE, RULES
from trading.agents import AgentState, ExecutionMode
from trading.closing import Closing, Held, close, close_flat
from trading.intents import Venue
from trading.orders import MadeBy, Order, OrderState, Side, client_order_id, closing_id
from trading.vocabulary import Arm, BlockReason, Halt

STOPPED = replace(AGENT, state=AgentState.STOPPED, changed_at_s=START.wall_s)
HELD = Held(
    now=START,
    agent=STOPPED,
    symbol="BTC",
    quantity=Decimal("3.0004"),
    arm=Arm.FALLBACK,
    working=[],
    halt=Halt.OPEN,
    version=7,
    venue_limited=False,
)
MARKET_S = 1_600_000_000.0
VENUE = Venue(name="paper", rules=lambda symbol: RULES if symbol == "BTC" else None)


def closed(held: Held = HELD, venue: Venue | None = VENUE, price: Decimal | None = PRICE) -> Closing:
    return close(held, venue, price=price, market_s=MARKET_S, deadline=START.after(5.0))


def closing_order(**changes: object) -> Order:
    order = one_order(Side.SELL, **changes)
    return replace(order, request=replace(order.request, client_order_id="rl-" + closing_id("user123", "BTC", 6)))


def test_all_that_is_held_is_sold_for_the_arm_that_opened_it() -> None:
    closing = closed()
    order = closing.order
    assert order is not None
    assert (order.request.side, order.request.quantity) == (Side.SELL, Decimal(3))
    assert (order.arm, order.mode, order.venue, order.reduces) == (Arm.FALLBACK, ExecutionMode.PAPER, "paper", True)
    assert (order.state, order.deadline) == (OrderState.NEW, START.after(5.0))
    assert (order.market_s, order.made_under) == (MARKET_S, None)
    assert (closing.symbol, closing.client_order_id, closing.reason) == ("BTC", order.request.client_order_id, None)
    assert order.request.client_order_id == client_order_id(closing_id("user123", "BTC", 7))
    assert order.request.made_by is MadeBy.STOP


def test_what_is_short_is_bought_back() -> None:
    order = closed(replace(HELD, quantity=Decimal(-3))).order
    assert order is not None
    assert (order.request.side, order.request.quantity, order.reduces) == (Side.BUY, Decimal(3), True)


def test_an_order_is_never_made_before_its_stop_though_a_clock_was_set_back() -> None:
    order = closed(replace(HELD, agent=replace(STOPPED, changed_at_s=START.wall_s + 60.0))).order
    assert order is not None
    assert order.created_at_s == START.wall_s + 60.0


@pytest.mark.parametrize("halt", [Halt.OPEN, Halt.REDUCING])
def test_what_only_reduces_is_no_reason_against_it(halt: Halt) -> None:
    assert closed(replace(HELD, halt=halt)).order is not None


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (replace(HELD, halt=Halt.HALTED), BlockReason.HALTED),
        (replace(HELD, venue_limited=True), BlockReason.VENUE_RATE_LIMIT),
        (replace(HELD, symbol="XRP"), BlockReason.VENUE_SYMBOL),
        (replace(HELD, quantity=Decimal("0.0009")), BlockReason.BELOW_MINIMUM),
        (replace(HELD, quantity=Decimal("0.099")), BlockReason.BELOW_MINIMUM),
        (replace(HELD, working=[one_order(state=OrderState.UNKNOWN)]), BlockReason.ORDER_UNRESOLVED),
        (replace(HELD, working=[one_order()]), BlockReason.IN_PROGRESS),
        (replace(HELD, working=[one_order(Side.SELL, state=OrderState.NEW)]), BlockReason.IN_PROGRESS),
        (replace(HELD, working=[one_order(Side.SELL, state=OrderState.SENDING)]), BlockReason.IN_PROGRESS),
    ],
)
def test_where_there_is_no_order_the_reason_is_told(held: Held, reason: BlockReason) -> None:
    closing = closed(held)
    assert (closing.symbol, closing.client_order_id, closing.reason, closing.order) == (held.symbol, None, reason, None)


def test_without_a_price_or_a_venue_there_is_no_order() -> None:
    assert closed(price=None).reason is BlockReason.NO_PRICE
    assert closed(venue=None).reason is BlockReason.VENUE_UNAVAILABLE
    for reason in (BlockReason.RECONCILING, BlockReason.POSITION_MISMATCH):
        assert closed(venue=replace(VENUE, blocked=reason)).reason is reason


@pytest.mark.parametrize("state", [OrderState.NEW, OrderState.SENDING, OrderState.OPEN, OrderState.UNKNOWN])
def test_the_order_of_the_same_stop_is_told_again_and_no_other_made(state: OrderState) -> None:
    before = closing_order(state=state)
    closing = closed(replace(HELD, working=[before]))
    assert (closing.client_order_id, closing.reason, closing.order) == (before.request.client_order_id, None, None)


@pytest.mark.parametrize(
    ("working", "reason"),
    [
        ([one_order(state=OrderState.SENDING)], BlockReason.IN_PROGRESS),
        ([one_order(), one_order(state=OrderState.NEW)], BlockReason.IN_PROGRESS),
        ([one_order(), one_order(state=OrderState.UNKNOWN)], BlockReason.ORDER_UNRESOLVED),
        ([closing_order(created_at_s=START.wall_s - 1.0)], BlockReason.IN_PROGRESS),
    ],
)
def test_what_has_left_is_waited_for_though_nothing_is_held(working: list[Order], reason: BlockReason) -> None:
    expected = Closing(symbol="BTC", client_order_id=None, reason=reason, order=None)
    assert close_flat(STOPPED, "BTC", working) == expected


@pytest.mark.parametrize(
    "working",
    [
        [],
        [one_order(state=OrderState.NEW)],
        [closing_order(state=OrderState.NEW, created_at_s=START.wall_s - 1.0)],
    ],
)
def test_where_nothing_is_held_and_nothing_has_left_there_is_nothing_to_tell(working: list[Order]) -> None:
    assert close_flat(STOPPED, "BTC", working) is None


def test_an_order_of_this_stop_is_told_though_nothing_is_held_any_more() -> None:
    before = closing_order(state=OrderState.NEW)
    told = close_flat(STOPPED, "BTC", [before])
    assert told == Closing(symbol="BTC", client_order_id=before.request.client_order_id, reason=None, order=None)


def test_the_order_of_an_earlier_stop_closes_what_was_held_then() -> None:
    before = closing_order(created_at_s=START.wall_s - 1.0)
    assert closed(replace(HELD, working=[before])).reason is BlockReason.IN_PROGRESS
