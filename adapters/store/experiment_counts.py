"""What the evaluation of an experiment counts in the store: whether anything has come, and rejected orders."""

from dataclasses import dataclass

from sqlalchemy import bindparam, case, func, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.experiment_tables import exposures, reported_outcomes
from adapters.store.trading_tables import orders
from trading.orders import OrderState
from trading.vocabulary import Arm

# A venue has said what became of the order, or at least that it has it.
_ANSWERED = (OrderState.OPEN, OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Of `orders` that a venue answered, how many it `rejected`."""

    orders: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """When a decision was last exposed and an outcome last reported, of any experiment (wall times, Unix seconds).

    None: never. As long as both stay the same nothing has come.
    """

    exposed_at_s: float | None
    reported_at_s: float | None


def count_orders(arm: Arm, *, since_s: float) -> Work[Sent]:
    """Read: the orders that an arm decided since a wall time (Unix seconds), in any mode."""

    async def work(connection: StoreConnection) -> Sent:
        row = (await connection.execute(_OF_ARM, {"of_arm": arm.value, "since": since_s})).one()
        return Sent(orders=row.answered, rejected=int(row.rejected or 0))

    return work


def newest() -> Work[Newest]:
    """Read: whether anything has come since the last time; takes no longer with more rows."""

    async def work(connection: StoreConnection) -> Newest:
        exposed = (await connection.execute(_LAST_EXPOSED)).scalar_one()
        return Newest(exposed_at_s=exposed, reported_at_s=(await connection.execute(_LAST_REPORTED)).scalar_one())

    return work


_OF_ARM = select(
    func.count().label("answered"),
    func.sum(case((orders.c.state == OrderState.REJECTED.value, 1), else_=0)).label("rejected"),
).where(
    orders.c.created_at >= bindparam("since"),
    orders.c.arm == bindparam("of_arm"),
    orders.c.state.in_([state.value for state in _ANSWERED]),
)
_LAST_EXPOSED = select(func.max(exposures.c.decided_at))
_LAST_REPORTED = select(func.max(reported_outcomes.c.at))
