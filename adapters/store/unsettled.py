"""Orders whose end is not known yet: what senders and reconcilers look for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select, update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.order_rows import order_of
from adapters.store.trading_tables import orders
from adapters.store.versions import wait_for_turn
from trading.orders import Order, OrderState

_ASKED_ABOUT = [OrderState.UNKNOWN.value, OrderState.OPEN.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Orders of one venue: how many are UNKNOWN, of these how many it was asked about, and how many are OPEN for too
    long."""

    unknown: int
    asked: int
    long_open: int


def anything_to_claim() -> Work[bool]:
    """Read: whether an order waits to be sent or is being sent."""

    async def work(connection: StoreConnection) -> bool:
        states = [OrderState.NEW.value, OrderState.SENDING.value]
        statement = select(orders.c.client_order_id).where(orders.c.working, orders.c.state.in_(states)).limit(1)
        return (await connection.execute(statement)).first() is not None

    return work


def unsettled(*, each: int) -> Work[Sequence[tuple[Order, float | None]]]:
    """Read: orders UNKNOWN or OPEN, the one that was asked about longest ago first, and when that was (wall time).

    At most `each` of one venue: one that does not answer keeps none of another's from being asked about.
    """

    async def work(connection: StoreConnection) -> Sequence[tuple[Order, float | None]]:
        longest_first = (orders.c.checked_at.nulls_first(), orders.c.created_at)
        place = func.row_number().over(partition_by=orders.c.venue, order_by=longest_first).label("place")
        found = select(orders, place).where(orders.c.working, orders.c.state.in_(_ASKED_ABOUT)).subquery()
        first = (found.c.checked_at.nulls_first(), found.c.created_at)
        statement = select(found).where(found.c.place <= each).order_by(*first)
        return [(order_of(row), row.checked_at) for row in await connection.execute(statement)]

    return work


def count_unsettled(*, open_since_s: float) -> Work[Mapping[str, Counts]]:
    """Read: all of them by venue; those OPEN and made before `open_since_s` (wall time) are open for too long."""

    async def work(connection: StoreConnection) -> Mapping[str, Counts]:
        unknown = orders.c.state == OrderState.UNKNOWN.value
        asked = case((unknown & orders.c.checked_at.is_not(None), 1), else_=0)
        long_open = case(((orders.c.state == OrderState.OPEN.value) & (orders.c.created_at < open_since_s), 1), else_=0)
        statement = (
            select(orders.c.venue, func.sum(case((unknown, 1), else_=0)), func.sum(asked), func.sum(long_open))
            .where(orders.c.working, orders.c.state.in_(_ASKED_ABOUT))
            .group_by(orders.c.venue)
        )
        rows = (await connection.execute(statement)).all()
        return {row[0]: Counts(unknown=row[1], asked=row[2], long_open=row[3]) for row in rows}

    return work


def note_checked(client_order_ids: Sequence[str], *, wall_s: float) -> Work[None]:
    """Write: the venue was asked about these just now."""

    async def work(connection: StoreConnection) -> None:
        await wait_for_turn(connection)
        checked = orders.c.client_order_id.in_(client_order_ids)
        await connection.execute(update(orders).where(checked).values(checked_at=wall_s))

    return work
