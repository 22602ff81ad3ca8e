"""Which orders there are: one with its history, or a page of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select, tuple_

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.order_rows import order_of
from adapters.store.trading_tables import order_events, orders
from trading.orders import Order, OrderState, WantedOrders


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """A change of an order: the state it came to, when (wall time, Unix seconds), and what else was noted."""

    at_s: float
    state: str
    detail: Mapping[str, object]


def find_order(name: str) -> Work[tuple[Order, Sequence[OrderEvent]] | None]:
    """Read: the order with this client order id, or of this decision, and its history; None for an unknown one."""

    async def work(connection: StoreConnection) -> tuple[Order, Sequence[OrderEvent]] | None:
        statement = select(orders).where(or_(orders.c.client_order_id == name, orders.c.decision_id == name))
        row = (await connection.execute(statement)).first()
        if row is None:
            return None
        events = (
            select(order_events)
            .where(order_events.c.client_order_id == row.client_order_id)
            .order_by(order_events.c.seq)
        )
        history = [
            OrderEvent(at_s=event.at, state=event.state, detail=json.loads(event.detail))
            for event in await connection.execute(events)
        ]
        return order_of(row), history

    return work


def list_orders(wanted: WantedOrders, *, before: str | None, limit: int) -> Work[Sequence[Order]]:
    """Read: at most `limit` orders, newest first, those after the order `before` (a client order id)."""

    async def work(connection: StoreConnection) -> Sequence[Order]:
        newest_first = (orders.c.created_at.desc(), orders.c.client_order_id.desc())
        statement = select(orders).order_by(*newest_first).limit(limit)
        if wanted.user_id is not None:
            statement = statement.where(orders.c.user_id == wanted.user_id)
        if wanted.symbol is not None:
            statement = statement.where(orders.c.symbol == wanted.symbol)
        if wanted.state is not None:
            # `working` is what the index knows.
            statement = statement.where(orders.c.working == wanted.state.working, orders.c.state == wanted.state.value)
        if before is not None:
            place = select(orders.c.created_at, orders.c.client_order_id).where(orders.c.client_order_id == before)
            found = (await connection.execute(place)).first()
            if found is None:
                return []
            statement = statement.where(tuple_(orders.c.created_at, orders.c.client_order_id) < tuple_(*found))
        return [order_of(row) for row in await connection.execute(statement)]

    return work


async def in_flight(connection: StoreConnection, user_id: str | None) -> Sequence[str]:
    """The client order ids of what has left, or may have, and may still be filled; of one user or of all."""
    statement = select(orders.c.client_order_id).where(orders.c.working, orders.c.state != OrderState.NEW.value)
    if user_id is not None:
        statement = statement.where(orders.c.user_id == user_id)
    return list((await connection.execute(statement.limit(1000))).scalars())


def count_states() -> Work[Mapping[str, int]]:
    """Read: how many orders that may still be filled there are in each state."""

    async def work(connection: StoreConnection) -> Mapping[str, int]:
        statement = select(orders.c.state, func.count()).where(orders.c.working).group_by(orders.c.state)
        found = {row[0]: row[1] for row in await connection.execute(statement)}
        return {state.value: found.get(state.value, 0) for state in OrderState if state.working}

    return work
