"""Whether the policy may still take new risk for whom it decided: the experiment may have been stopped since."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from sqlalchemy import bindparam, func, select

from adapters.store.connections import StoreConnection
from adapters.store.experiment_tables import experiment_events, experiments
from adapters.store.trading_tables import positions
from trading.orders import Order
from trading.vocabulary import Arm

# The JSON of the experiment in force, an order of the policy that was made under an earlier version of it, the arm that
# opened what the user holds in the symbol (None: flat) -> whether the policy may take that risk now. Pure; under an
# experiment that cannot be read it may take none.
TakesRisk: TypeAlias = Callable[[str, Order, Arm | None], bool]


def takes_none(document: str, order: Order, opened_by: Arm | None) -> bool:
    """Whatever has changed has stopped it. A TakesRisk."""
    return False


class _Newest(NamedTuple):
    # The experiment in force, and the number of the last event of its log.
    key: str
    number: int


class PolicyServed:
    """What one transaction that has its turn knows of the experiment in force; read once, and only when asked."""

    def __init__(self, connection: StoreConnection, takes_risk: TakesRisk) -> None:
        self._connection = connection
        self._takes_risk = takes_risk
        self._in_force: _Newest | None = None
        self._read = False
        self._document: str | None = None

    async def stops(self, order: Order) -> bool:
        """True for an order of the policy that adds risk, where it may add none any more.

        Of another experiment than the one in force it may add none, nor where that cannot be told. While no event has
        followed those that its decision knew nothing else is judged again.
        """
        if order.arm is not Arm.RL or order.reduces:
            return False
        under, in_force = order.made_under, await self._newest()
        if under is None or in_force is None or in_force.key != under.experiment:
            return True
        if in_force.number == under.version:
            return False
        return not self._takes_risk(await self._text(in_force.key), order, await self._opened_by(order))

    async def _newest(self) -> _Newest | None:
        if not self._read:
            row = (await self._connection.execute(_IN_FORCE)).first()
            self._in_force = None if row is None else _Newest(row.key, row.number)
            self._read = True
        return self._in_force

    async def _text(self, key: str) -> str:
        if self._document is None:
            found = await self._connection.execute(_DOCUMENT, {"wanted": key})
            self._document = str(found.scalar_one())
        return self._document

    async def _opened_by(self, order: Order) -> Arm | None:
        held = {"user": order.request.user_id, "symbol": order.request.symbol, "mode": order.mode.value}
        arm = (await self._connection.execute(_OPENED_BY, held)).scalar_one_or_none()
        return None if arm is None else Arm(arm)


_NUMBER = (
    select(func.coalesce(func.max(experiment_events.c.number), 0))
    .where(experiment_events.c.experiment == experiments.c.key)
    .scalar_subquery()
)
_IN_FORCE = select(experiments.c.key, _NUMBER.label("number")).where(experiments.c.in_force)
_DOCUMENT = select(experiments.c.document).where(experiments.c.key == bindparam("wanted"))
_OPENED_BY = select(positions.c.arm).where(
    positions.c.user_id == bindparam("user"),
    positions.c.symbol == bindparam("symbol"),
    positions.c.mode == bindparam("mode"),
)
