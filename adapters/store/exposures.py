"""When the users of a run first met the experiment, read back from their exposures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, func, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.experiment_tables import exposures
from trading.vocabulary import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstExposure:
    """When a compared user first met the experiment, and the arm assigned then.

    `market_s` is the time of that decision, `bar_close_s` that of the bar it was made on (market time, Unix seconds).
    """

    user_id: str
    market_s: float
    bar_close_s: int
    arm: Arm
    propensity: float


def first_exposures(experiment: str, run: int) -> Work[Sequence[FirstExposure]]:
    """Read: every user who was ever compared in a run, in the order in which they came. May take seconds."""

    async def work(connection: StoreConnection) -> Sequence[FirstExposure]:
        rows = await connection.execute(_FIRST, {"of_experiment": experiment, "of_run": run})
        return [
            FirstExposure(
                user_id=row.user_id,
                market_s=row.market_at,
                bar_close_s=row.bar_close,
                arm=Arm(row.assigned_arm),
                propensity=row.propensity,
            )
            for row in rows
        ]

    return work


def policy_since(experiment: str, run: int) -> Work[Mapping[str, int]]:
    """Read: whom the policy was ever to serve in a run, for whatever reason, and since which bar.

    By user, the bar's close (market time, Unix seconds). May take seconds.
    """

    async def work(connection: StoreConnection) -> Mapping[str, int]:
        rows = await connection.execute(_POLICY_SINCE, {"of_experiment": experiment, "of_run": run})
        return {row.user_id: row.bar_close for row in rows}

    return work


_OF_RUN = (exposures.c.experiment == bindparam("of_experiment"), exposures.c.run == bindparam("of_run"))
# By user and symbol, though it is the user's: with the whole key each exposure on that bar is found at once.
_BEGINNING = (
    select(
        exposures.c.user_id,
        exposures.c.symbol,
        func.min(func.min(exposures.c.bar_close)).over(partition_by=exposures.c.user_id).label("bar_close"),
    )
    .where(*_OF_RUN, exposures.c.propensity.is_not(None))
    .group_by(exposures.c.user_id, exposures.c.symbol)
    .subquery()
)
_COMPARED = (
    select(
        exposures.c.user_id,
        exposures.c.market_at,
        exposures.c.bar_close,
        exposures.c.assigned_arm,
        exposures.c.propensity,
        func.row_number().over(partition_by=exposures.c.user_id, order_by=exposures.c.market_at).label("place"),
    )
    .join_from(
        _BEGINNING,
        exposures,
        and_(*(exposures.c[part] == _BEGINNING.c[part] for part in ("user_id", "symbol", "bar_close"))),
    )
    .where(*_OF_RUN, exposures.c.propensity.is_not(None))
    .subquery()
)
_FIRST = select(_COMPARED).where(_COMPARED.c.place == 1).order_by(_COMPARED.c.market_at, _COMPARED.c.user_id)
_POLICY_SINCE = (
    select(exposures.c.user_id, func.min(exposures.c.bar_close).label("bar_close"))
    .where(*_OF_RUN, exposures.c.assigned_arm == Arm.RL.value)
    .group_by(exposures.c.user_id)
)
