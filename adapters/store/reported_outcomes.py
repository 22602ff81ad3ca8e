"""What callers told us that a decision earned: each decision once, and not anew with other figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, insert, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.experiment_tables import reported_outcomes
from adapters.store.outcomes import check_finite
from adapters.store.versions import wait_for_turn
from trading.errors import OutcomeDiffers


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedOutcome:
    """What one decision in a run of an experiment earned, in basis points of allotted capital or in USD, or both.

    `market_s` is when it was made (market time), `at_s` when we were told (wall time, both Unix seconds); `document` is
    the whole of what we were told, as JSON.
    """

    decision_id: str
    user_id: str
    experiment: str
    run: int
    market_s: float
    net_bps: float | None
    net_usd: float | None
    at_s: float
    document: str


def save_reported(told: ReportedOutcome) -> Work[ReportedOutcome]:
    """Write: keep it; as it is kept, which is since `at_s` of the first time. Raises ValueError for what is no outcome.

    Raises OutcomeDiffers when another outcome was told of this decision; the first one stays.
    """
    numbers = {"net_bps": told.net_bps, "net_usd": told.net_usd}
    if all(number is None for number in numbers.values()):
        raise ValueError("net_bps, net_usd: an outcome has one of them")
    check_finite(numbers | {"market_s": told.market_s, "at_s": told.at_s})

    async def work(connection: StoreConnection) -> ReportedOutcome:
        await wait_for_turn(connection)
        kept = await find_reported(told.decision_id)(connection)
        if kept is None:
            await connection.execute(insert(reported_outcomes).values(**_row(told)))
            return told
        if replace(kept, at_s=told.at_s) != told:
            raise OutcomeDiffers(f"another outcome was reported of {told.decision_id}")
        return kept

    return work


def find_reported(decision_id: str) -> Work[ReportedOutcome | None]:
    """Read: what was told of a decision; None for nothing."""

    async def work(connection: StoreConnection) -> ReportedOutcome | None:
        mine = reported_outcomes.c.decision_id == decision_id
        row = (await connection.execute(select(reported_outcomes).where(mine))).first()
        return None if row is None else _told(row)

    return work


def read_reported(experiment: str, run: int) -> Work[Sequence[ReportedOutcome]]:
    """Read: all that was told of a run, by user and market time."""

    async def work(connection: StoreConnection) -> Sequence[ReportedOutcome]:
        table = reported_outcomes.c
        statement = select(reported_outcomes).where(table.experiment == experiment, table.run == run)
        order = (table.user_id, table.market_at, table.decision_id)
        return [_told(row) for row in await connection.execute(statement.order_by(*order))]

    return work


def _row(told: ReportedOutcome) -> dict[str, object]:
    return {
        "decision_id": told.decision_id,
        "user_id": told.user_id,
        "experiment": told.experiment,
        "run": told.run,
        "market_at": told.market_s,
        "net_bps": told.net_bps,
        "net_usd": told.net_usd,
        "at": told.at_s,
        "document": told.document,
    }


def _told(row: Row[Any]) -> ReportedOutcome:
    return ReportedOutcome(
        decision_id=row.decision_id,
        user_id=row.user_id,
        experiment=row.experiment,
        run=row.run,
        market_s=row.market_at,
        net_bps=row.net_bps,
        net_usd=row.net_usd,
        at_s=row.at,
        document=row.document,
    )
