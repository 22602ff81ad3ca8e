"""The decisions that could be traded and of which nobody has told yet what they earned."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, true

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.experiment_tables import exposures, reported_outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """A decision under an experiment that could be traded, on the bar closed at `bar_close_s` (market time)."""

    user_id: str
    bar_close_s: int


def unreported(experiment: str, run: int) -> Work[Sequence[Acted]]:
    """Read: the decisions of a run that acted and of which nobody has told what they earned. May take seconds."""

    async def work(connection: StoreConnection) -> Sequence[Acted]:
        rows = await connection.execute(_UNREPORTED, {"of_experiment": experiment, "of_run": run})
        return [Acted(user_id=row.user_id, bar_close_s=row.bar_close) for row in rows]

    return work


_TOLD = reported_outcomes.c.decision_id == exposures.c.decision_id
_UNREPORTED = (
    select(exposures.c.user_id, exposures.c.bar_close)
    .outerjoin_from(exposures, reported_outcomes, _TOLD)
    .where(
        exposures.c.experiment == bindparam("of_experiment"),
        exposures.c.run == bindparam("of_run"),
        exposures.c.executes == true(),
        reported_outcomes.c.decision_id.is_(None),
    )
)
