"""Exposures as rows of bare values, for marking many of them: what of each its profit depends on."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias

from sqlalchemy import bindparam, select, tuple_

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.experiment_tables import exposures

# Exposures read at once, and how long one reading may take: they are read where nobody waits.
PAGE = 10_000
WITHIN_S = 30.0
# User, symbol, close of the bar (market time, Unix seconds), arm assigned, arm that answered, why it did, price, target
# exposure, None to keep what is held. A tuple as the driver gives it, without the library in between: of a million rows
# each further object takes a second.
Mark: TypeAlias = tuple[str, str, int, str, str, str, float, float | None]


async def stream_marks(store: Store, experiment: str, run: int, *, page: int = PAGE) -> AsyncIterator[Sequence[Mark]]:
    """All exposures of a run by user, symbol and bar, in pages of at most `page`. Raises StoreUnavailable.

    What comes meanwhile may be missing, what was there is not.
    """
    after: Mark | None = None
    while True:
        found = await store.read(_marks_after(experiment, run, after, limit=page), within_s=WITHIN_S)
        if found:
            yield found
        if len(found) < page:
            return
        after = found[-1]


def _marks_after(experiment: str, run: int, after: Mark | None, *, limit: int) -> Work[Sequence[Mark]]:
    async def work(connection: StoreConnection) -> Sequence[Mark]:
        values: dict[str, object] = {"of_experiment": experiment, "of_run": run, "most": limit}
        if after is not None:
            values |= dict(zip(_NAMES, after[:3], strict=True))
        found = await connection.execute(_FROM_FIRST if after is None else _FROM_KEY, values)
        return list(map(tuple, found.cursor.fetchall()))

    return work


_PLACE = (exposures.c.user_id, exposures.c.symbol, exposures.c.bar_close)
_NAMES = [column.name for column in _PLACE]
_MARKED = (
    exposures.c.assigned_arm,
    exposures.c.served_arm,
    exposures.c.reason,
    exposures.c.price,
    exposures.c.target_exposure,
)
_FROM_FIRST = (
    select(*_PLACE, *_MARKED)
    .where(exposures.c.experiment == bindparam("of_experiment"), exposures.c.run == bindparam("of_run"))
    .order_by(*_PLACE)
    .limit(bindparam("most"))
)
_FROM_KEY = _FROM_FIRST.where(tuple_(*_PLACE) > tuple_(*(bindparam(name) for name in _NAMES)))
