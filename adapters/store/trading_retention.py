"""Ends what the store keeps of trading beside the ledger, which is never ended."""

from sqlalchemy import delete, select

from adapters.store.connections import StoreConnection
from adapters.store.trading_tables import calls, order_events, orders, paper_orders


async def end_orders(connection: StoreConnection, *, before_s: float, most: int) -> int:
    """Delete up to `most` orders that ended before a wall time (Unix seconds), with all that is kept of them; how many.

    One that may still be filled stays, however old it is.
    """
    # No order ends before it is made: `created_at` is what the index knows.
    ended = (orders.c.created_at < before_s, orders.c.ended_at < before_s, orders.c.working.is_(False))
    old = select(orders.c.client_order_id).where(*ended).order_by(orders.c.created_at)
    chunk = old.limit(most).with_for_update(skip_locked=True)
    gone = delete(orders).where(orders.c.client_order_id.in_(chunk)).returning(orders.c.client_order_id)
    names = list((await connection.execute(gone)).scalars())
    if names:
        for table in (order_events, paper_orders):
            await connection.execute(delete(table).where(table.c.client_order_id.in_(names)))
    return len(names)


async def end_calls(connection: StoreConnection, *, before_s: float, most: int) -> int:
    """Delete up to `most` calls counted before a wall time, of budgets that nobody takes from any more; how many."""
    old = select(calls.c.seq).where(calls.c.at < before_s).order_by(calls.c.seq)
    chunk = old.limit(most).with_for_update(skip_locked=True)
    return (await connection.execute(delete(calls).where(calls.c.seq.in_(chunk)))).rowcount
