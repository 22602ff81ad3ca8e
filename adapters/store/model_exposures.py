"""Who answered on which bar, read back page by page with the model and its confidence: for comparing models."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from sqlalchemy import Double, Row, Select, bindparam, func, literal_column, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.experiment_tables import exposures
from adapters.store.exposure_marks import PAGE, WITHIN_S
from adapters.store.tables import decisions
from trading.vocabulary import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRun:
    """A run of an experiment with exposures: the first and the last bar's close (market time, Unix seconds).

    `last_decided_s` is when it was last decided in (wall time, Unix seconds).
    """

    experiment: str
    run: int
    first_bar_s: int
    last_bar_s: int
    last_decided_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelExposure:
    """The last decision for a user, symbol and bar, with what answered and how confident it was.

    `bar_close_s` is market time (Unix seconds), `price` its close in quote currency. `failed`: an arm that was asked
    first did not answer. `target_exposure` None kept what was held. `confidence` is 0..1, None where none was served.
    """

    user_id: str
    symbol: str
    bar_close_s: int
    decision_id: str
    assigned_arm: Arm
    served_arm: Arm
    model: str
    model_version: str
    failed: bool
    price: float
    position_exposure: float
    target_exposure: float | None
    confidence: float | None


def answered_runs(*, since_s: float) -> Work[Sequence[AnsweredRun]]:
    """Read: every run that was decided in since a wall time (Unix seconds), the last one last. May take seconds."""

    async def work(connection: StoreConnection) -> Sequence[AnsweredRun]:
        rows = await connection.execute(_RUNS, {"since": since_s})
        return [
            AnsweredRun(
                experiment=row.experiment,
                run=row.run,
                first_bar_s=row.first_bar,
                last_bar_s=row.last_bar,
                last_decided_s=row.last_decided,
            )
            for row in rows
        ]

    return work


async def stream_model_exposures(
    store: Store, run: AnsweredRun, *, since_s: float, page: int = PAGE
) -> AsyncIterator[Sequence[ModelExposure]]:
    """The exposures of a run since a wall time by user, symbol and bar, in pages. Raises StoreUnavailable.

    Those whose decision is no longer in the journal are left out.
    """
    after: ModelExposure | None = None
    while True:
        found = await store.read(_exposures_after(run, since_s, after, limit=page), within_s=WITHIN_S)
        if found:
            yield found
        if len(found) < page:
            return
        after = found[-1]


def _exposures_after(
    run: AnsweredRun, since_s: float, after: ModelExposure | None, *, limit: int
) -> Work[Sequence[ModelExposure]]:
    async def work(connection: StoreConnection) -> Sequence[ModelExposure]:
        values: dict[str, object] = {
            "of_experiment": run.experiment,
            "of_run": run.run,
            "since": since_s,
            "most": limit,
        }
        statement = _FROM_FIRST[connection.dialect.name]
        if after is not None:
            statement = _FROM_KEY[connection.dialect.name]
            values |= {"user_id": after.user_id, "symbol": after.symbol, "bar_close": after.bar_close_s}
        return [_exposure(row) for row in await connection.execute(statement, values)]

    return work


_ARMS = {arm.value: arm for arm in Arm}


def _exposure(row: Row[*tuple[Any, ...]]) -> ModelExposure:
    # Taken apart at once: by name each column would take as long as all of them.
    (
        user_id,
        symbol,
        bar_close_s,
        decision_id,
        assigned,
        served,
        model,
        version,
        failed,
        price,
        position,
        target,
        said,
    ) = row
    return ModelExposure(
        user_id=user_id,
        symbol=symbol,
        bar_close_s=bar_close_s,
        decision_id=decision_id,
        assigned_arm=_ARMS[assigned],
        served_arm=_ARMS[served],
        model=model,
        model_version=version,
        failed=bool(failed),
        price=price,
        position_exposure=position,
        target_exposure=target,
        # A number that is none is a word in the document.
        confidence=said if isinstance(said, float | int) and isfinite(said) else None,
    )


_RUNS = (
    select(
        exposures.c.experiment,
        exposures.c.run,
        func.min(exposures.c.bar_close).label("first_bar"),
        func.max(exposures.c.bar_close).label("last_bar"),
        func.max(exposures.c.decided_at).label("last_decided"),
    )
    .where(exposures.c.decided_at >= bindparam("since"))
    .group_by(exposures.c.experiment, exposures.c.run)
    .order_by(func.max(exposures.c.decided_at), exposures.c.experiment, exposures.c.run)
)
_CONFIDENCE: Mapping[str, ColumnElement[float]] = {
    "sqlite": literal_column("json_extract(decisions.document, '$.advice.confidence')"),
    "postgresql": literal_column(
        "CAST(CAST(decisions.document AS json) -> 'advice' ->> 'confidence' AS double precision)", Double()
    ),
}
_PLACE = (exposures.c.user_id, exposures.c.symbol, exposures.c.bar_close)


def _from_first(confidence: ColumnElement[float]) -> Select[*tuple[Any, ...]]:
    return (
        select(
            *_PLACE,
            exposures.c.decision_id,
            exposures.c.assigned_arm,
            exposures.c.served_arm,
            decisions.c.model,
            decisions.c.model_version,
            decisions.c.failed,
            exposures.c.price,
            exposures.c.position_exposure,
            exposures.c.target_exposure,
            confidence,
        )
        .join_from(exposures, decisions, decisions.c.id == exposures.c.decision_id)
        .where(
            exposures.c.experiment == bindparam("of_experiment"),
            exposures.c.run == bindparam("of_run"),
            exposures.c.decided_at >= bindparam("since"),
        )
        .order_by(*_PLACE)
        .limit(bindparam("most"))
    )


_FROM_FIRST = {name: _from_first(confidence) for name, confidence in _CONFIDENCE.items()}
_FROM_KEY = {
    name: statement.where(tuple_(*_PLACE) > tuple_(*(bindparam(column.name) for column in _PLACE)))
    for name, statement in _FROM_FIRST.items()
}
