"""What users traded with when they came under a run of an experiment: later changes leave their earlier days alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, case, func, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.experiment_tables import exposures


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAllotment:
    """`capital_usd` of the user's agent, None when not known; how many `symbols` it names, 0 for all of the market.

    `symbols` None: the user had no agent.
    """

    capital_usd: float | None
    symbols: int | None


def entry_allotments(experiment: str, run: int) -> Work[Mapping[str, KeptAllotment]]:
    """Read: by user, as of the first compared exposure; of who never was compared, of the first. May take seconds."""

    async def work(connection: StoreConnection) -> Mapping[str, KeptAllotment]:
        rows = await connection.execute(_FIRST, {"of_experiment": experiment, "of_run": run})
        return {row.user_id: KeptAllotment(capital_usd=row.capital_usd, symbols=row.symbols) for row in rows}

    return work


_OF_RUN = (exposures.c.experiment == bindparam("of_experiment"), exposures.c.run == bindparam("of_run"))
_COMPARED = func.min(case((exposures.c.propensity.is_not(None), exposures.c.bar_close)))
_FIRST_COMPARED, _FIRST_OF_ALL = (
    func.min(first).over(partition_by=exposures.c.user_id) for first in (_COMPARED, func.min(exposures.c.bar_close))
)
# By user and symbol, though it is the user's: with the whole key each exposure on that bar is found at once.
_BEGINNING = (
    select(exposures.c.user_id, exposures.c.symbol, func.coalesce(_FIRST_COMPARED, _FIRST_OF_ALL).label("bar_close"))
    .where(*_OF_RUN)
    .group_by(exposures.c.user_id, exposures.c.symbol)
    .subquery()
)
# Of several symbols on that bar the one that was decided first comes last.
_FIRST = (
    select(exposures.c.user_id, exposures.c.capital_usd, exposures.c.symbols)
    .join_from(
        _BEGINNING,
        exposures,
        and_(*(exposures.c[part] == _BEGINNING.c[part] for part in ("user_id", "symbol", "bar_close"))),
    )
    .where(*_OF_RUN)
    .order_by(exposures.c.market_at.desc(), exposures.c.symbol.desc())
)
