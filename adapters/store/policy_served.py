"""Whether the policy may still take new risk for whom it decided: the experiment may have been stopped since."""

from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import bindparam, func, select

from adapters.store.connections import StoreConnection
from adapters.store.experiment_tables import experiment_events, experiments
from adapters.store.trading_tables import positions
from trading.orders import MadeBy, MadeUnder, Order
from trading.vocabulary import Arm

# The JSON of the experiment in force, a user, the arm that opened what the user holds in the symbol (None: flat) ->
# whether the policy may take new risk there. Pure; an experiment that cannot be read lets it take none.
TakesRisk: TypeAlias = Callable[[str, str, Arm | None], bool]


def takes_none(document: str, user_id: str, opened_by: Arm | None) -> bool:
    """Whatever has changed has stopped it. A TakesRisk."""
    return False


class PolicyServed:
    """What one transaction that has its turn knows of the experiment in force; read once, and only when asked."""

    def __init__(self, connection: StoreConnection, takes_risk: TakesRisk) -> None:
        self._connection = connection
        self._takes_risk = takes_risk
        self._known: MadeUnder | None = None
        self._read = False
        self._document: str | None = None

    async def stops(self, order: Order) -> bool:
        """True for an order of the policy that adds risk, where it may add none any more.

        While no event has followed those that its decision knew, of the same experiment, nothing is judged again.
        Without any experiment in force there is none to stop.
        """
        under = order.made_under
        if order.arm is not Arm.RL or order.reduces or under is None or order.request.made_by is MadeBy.STOP:
            return False
        in_force = await self._in_force()
        if in_force is None or in_force == under:
            return False
        opened_by = await self._opened_by(order)
        return not self._takes_risk(await self._text(in_force), order.request.user_id, opened_by)

    async def _in_force(self) -> MadeUnder | None:
        if not self._read:
            row = (await self._connection.execute(_IN_FORCE)).first()
            self._known = None if row is None else MadeUnder(experiment=row.key, version=row.number)
            self._read = True
        return self._known

    async def _text(self, in_force: MadeUnder) -> str:
        if self._document is None:
            found = await self._connection.execute(_DOCUMENT, {"wanted": in_force.experiment})
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
