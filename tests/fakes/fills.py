"""Orders and fills of invented users in the ledger of a store, at hours after the start of tests.fakes.exposures."""

from dataclasses import replace
from decimal import Decimal

from sqlalchemy import insert as insert_into

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store
from adapters.store.order_rows import order_values
from adapters.store.orders import Outcome, settle
from adapters.store.trading_tables import orders
from tests.fakes.exposures import START_S
from tests.fakes.jobs import START
from tests.fakes.market import HOUR_S
from tests.fakes.one_order import one_order
from trading.orders import Order, OrderState, Receipt, Side


async def place(store: Store, name: str, side: Side, quantity: str, *, hours: float, user_id: str = "anna") -> Order:
    """An order in BTC that works at the venue, decided so many hours after the start of an experiment."""
    at_s = START_S + hours * HOUR_S
    made = one_order(side, quantity, market_s=at_s, created_at_s=at_s)
    made = replace(made, request=replace(made.request, client_order_id=name, user_id=user_id), decision_id=name)

    async def work(connection: StoreConnection) -> None:
        await connection.execute(insert_into(orders).values(order_values(made)))

    await store.write(work)
    return made


async def fill(store: Store, order: Order, *, price: str, fee: str | None = "0.5", hours: float | None = None) -> None:
    """All of an order is traded, so many hours after the start by the wall clock: when it was decided, unless told."""
    assert order.market_s is not None
    receipt = Receipt(
        state=OrderState.FILLED,
        filled_quantity=order.request.quantity,
        average_price=Decimal(price),
        fee=None if fee is None else Decimal(fee),
    )
    at_s = order.market_s + 1.0 if hours is None else START_S + hours * HOUR_S
    moment = replace(START, wall_s=at_s)
    await store.write(settle(order, Outcome(state=receipt.state, receipt=receipt), owner="one", now=lambda: moment))
