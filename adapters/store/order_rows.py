"""An order as a row of the store, and the row read back."""

import json
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, insert

from adapters.store.connections import StoreConnection
from adapters.store.trading_tables import order_events, orders
from trading.agents import ExecutionMode
from trading.boot import Moment
from trading.orders import SENDER_LEASE_S, MadeUnder, Order, OrderRequest, OrderState, Side
from trading.vocabulary import Arm


def order_values(order: Order) -> dict[str, object]:
    """The columns of an order but for those of its lease."""
    request, deadline, under = order.request, order.deadline, order.made_under
    return {
        "client_order_id": request.client_order_id,
        "decision_id": order.decision_id,
        "user_id": request.user_id,
        "symbol": request.symbol,
        "side": request.side.value,
        "quantity": str(request.quantity),
        "reference_price": str(order.reference_price),
        "mode": order.mode.value,
        "arm": order.arm.value,
        "reduces": order.reduces,
        "created_at": order.created_at_s,
        "boot": deadline.boot,
        "deadline_monotonic": deadline.monotonic_s,
        "deadline_at": deadline.wall_s,
        "epoch": order.epoch,
        "sent_at": order.sent_at_s,
        "venue": order.venue,
        "market_at": order.market_s,
        "experiment": None if under is None else under.experiment,
        "experiment_run": None if under is None else under.run,
        "experiment_version": None if under is None else under.version,
    } | progress_values(order)


def progress_values(order: Order) -> dict[str, object]:
    """The columns of an order that change with what becomes of it."""
    return {
        "state": order.state.value,
        "working": order.state.working,
        "reason": order.reason,
        "venue_order_id": order.venue_order_id,
        "filled_quantity": str(order.filled_quantity),
        "average_price": None if order.average_price is None else str(order.average_price),
        "fee": None if order.fee is None else str(order.fee),
        "told_fee": str(order.told_fee),
        "ended_at": order.ended_at_s,
    }


def lease_values(owner: str, until: Moment) -> dict[str, object]:
    """The columns of a lease."""
    return {
        "owner": owner,
        "lease_boot": until.boot,
        "lease_monotonic": until.monotonic_s,
        "lease_at": until.wall_s,
    }


def order_of(row: Row[Any]) -> Order:
    """The order of a row of the table."""
    return Order(
        request=OrderRequest(
            client_order_id=row.client_order_id,
            user_id=row.user_id,
            symbol=row.symbol,
            side=Side(row.side),
            quantity=Decimal(row.quantity),
        ),
        decision_id=row.decision_id,
        reference_price=Decimal(row.reference_price),
        mode=ExecutionMode(row.mode),
        arm=Arm(row.arm),
        reduces=row.reduces,
        state=OrderState(row.state),
        reason=row.reason,
        created_at_s=row.created_at,
        deadline=Moment(boot=row.boot, monotonic_s=row.deadline_monotonic, wall_s=row.deadline_at),
        epoch=row.epoch,
        sent_at_s=row.sent_at,
        venue=row.venue,
        venue_order_id=row.venue_order_id,
        filled_quantity=Decimal(row.filled_quantity),
        average_price=None if row.average_price is None else Decimal(row.average_price),
        fee=None if row.fee is None else Decimal(row.fee),
        told_fee=Decimal(row.told_fee),
        ended_at_s=row.ended_at,
        market_s=row.market_at,
        made_under=_made_under(row),
    )


def _made_under(row: Row[Any]) -> MadeUnder | None:
    if row.experiment is None or row.experiment_run is None or row.experiment_version is None:
        return None
    return MadeUnder(experiment=row.experiment, run=row.experiment_run, version=row.experiment_version)


def held(row: Row[Any], now: Moment) -> bool:
    """True while the lease of an order's sender lasts."""
    if row.lease_boot is None:
        return False
    until = Moment(boot=row.lease_boot, monotonic_s=row.lease_monotonic, wall_s=row.lease_at)
    return until.left_s(now) > 0.0


async def enter_order(connection: StoreConnection, order: Order, *, owner: str, now: Moment) -> None:
    """Write down a new order that its `owner` is to send. Before it the transaction has its turn."""
    lease = lease_values(owner, now.after(SENDER_LEASE_S))
    await connection.execute(insert(orders).values(order_values(order) | lease))
    await note_event(connection, order.request.client_order_id, order.state, now.wall_s, owner=owner)


async def note_event(
    connection: StoreConnection, client_order_id: str | None, state: str, at_s: float, **detail: object
) -> None:
    """Write down a change of an order, or of trading as a whole; `detail` becomes JSON."""
    await connection.execute(
        insert(order_events).values(
            client_order_id=client_order_id, at=at_s, state=state, detail=json.dumps(detail, sort_keys=True)
        )
    )
