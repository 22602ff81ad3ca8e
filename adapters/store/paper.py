"""The paper venue's book as rows: one order a client order id, changed by one transaction at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.trading_tables import paper_orders
from adapters.store.upsert import insert_or_replace
from adapters.store.versions import wait_for_turn
from trading.orders import OrderState, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    """An order in the book. `average_price` (quote currency) is None before the first fill; `fee` is in quote currency.

    `bar_close_s` is the close (market time) of the last bar it was offered to, None for none; `placed_at_s` is wall
    time. A REJECTED one is no order: its id was asked for before it came, and is closed for good.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None
    fee: Decimal
    state: OrderState
    bar_close_s: int | None
    placed_at_s: float


# What the book has of an order, None for nothing -> what it shall have, None for nothing still.
Change = Callable[[PaperOrder | None], PaperOrder | None]


def change_order(client_order_id: str, change: Change) -> Work[PaperOrder | None]:
    """Write: change one order, on the book as it is at that moment; what the book has then."""

    async def work(connection: StoreConnection) -> PaperOrder | None:
        await wait_for_turn(connection)
        known = await _find(connection, client_order_id)
        changed = change(known)
        if changed is not None and changed != known:
            await insert_or_replace(connection, paper_orders, _row(changed), key="client_order_id")
        return changed

    return work


def find_order(client_order_id: str) -> Work[PaperOrder | None]:
    """Read: what the book has; None for nothing yet, which a write on its way may change."""

    async def work(connection: StoreConnection) -> PaperOrder | None:
        return await _find(connection, client_order_id)

    return work


async def _find(connection: StoreConnection, client_order_id: str) -> PaperOrder | None:
    of_order = paper_orders.c.client_order_id == client_order_id
    found = (await connection.execute(select(paper_orders).where(of_order))).first()
    return None if found is None else _order(found)


def _order(row: Row[Any]) -> PaperOrder:
    return PaperOrder(
        client_order_id=row.client_order_id,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=Decimal(row.quantity),
        filled_quantity=Decimal(row.filled_quantity),
        average_price=None if row.average_price is None else Decimal(row.average_price),
        fee=Decimal(row.fee),
        state=OrderState(row.state),
        bar_close_s=row.bar_close,
        placed_at_s=row.placed_at,
    )


def _row(order: PaperOrder) -> dict[str, object]:
    return {
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "quantity": str(order.quantity),
        "filled_quantity": str(order.filled_quantity),
        "average_price": None if order.average_price is None else str(order.average_price),
        "fee": str(order.fee),
        "state": order.state.value,
        "bar_close": order.bar_close_s,
        "placed_at": order.placed_at_s,
    }
