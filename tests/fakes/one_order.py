"""One order as the store has it, changed where told."""

from dataclasses import replace
from decimal import Decimal

from tests.fakes.jobs import START
from trading.agents import ExecutionMode
from trading.orders import ZERO, Order, OrderRequest, OrderState, Side
from trading.vocabulary import Arm


def one_order(side: Side = Side.BUY, quantity: str = "3", **changes: object) -> Order:
    """An order of user123 in BTC that works at the venue; nothing of it is filled."""
    request = OrderRequest(
        client_order_id="rl-1", user_id="user123", symbol="BTC", side=side, quantity=Decimal(quantity)
    )
    made = Order(
        request=request,
        decision_id="1",
        reference_price=Decimal(100),
        mode=ExecutionMode.PAPER,
        arm=Arm.RL,
        reduces=side is Side.SELL,
        state=OrderState.OPEN,
        reason=None,
        created_at_s=START.wall_s,
        deadline=START.after(5.0),
        epoch=1,
        sent_at_s=START.wall_s,
        venue="paper",
        venue_order_id="7",
        filled_quantity=ZERO,
        average_price=None,
        fee=ZERO,
        told_fee=ZERO,
        ended_at_s=None,
        market_s=START.wall_s,
        made_under=None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]
