"""Experiments as rows: a log of events that only grows, what each adds up to, and which one is in force.

What an event or an experiment holds is the caller's: here both are JSON texts that nobody reads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.experiment_tables import experiment_events, experiments
from adapters.store.upsert import insert_or_replace
from adapters.store.versions import next_version, wait_for_turn
from trading.errors import StaleVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """One event of an experiment's log: `number` counts from 1, `detail` is the whole event as JSON.

    `at_s` is a wall time, `market_s` the market's (both Unix seconds).
    """

    number: int
    at_s: float
    market_s: float
    by: str
    command: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentChange:
    """An event that follows all others of its experiment, and the experiment with it, as JSON.

    `in_force`: users are assigned by it from now on, and by no other experiment. `displaced` is what that makes of the
    experiment that assigned them until then, None for nothing.
    """

    event: LoggedEvent
    document: str
    in_force: bool
    displaced: "ExperimentChange | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptExperiment:
    """An experiment as it is now; `version` is that of the snapshot that first had it so."""

    key: str
    document: str
    in_force: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """A wall time, and the market's at that moment (both Unix seconds)."""

    at_s: float
    market_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a change is made on: the experiment as JSON, the one in force, and how many there are; None for none.

    `latest` are the times of the last event of the experiment's log, `latest_in_force` of the last one of that of the
    one in force; None while it has no event.
    """

    document: str | None
    in_force: KeptExperiment | None
    experiments: int
    latest: Times | None
    latest_in_force: Times | None


# What stands -> what changes, None for nothing. May raise RequestErrors.
Change = Callable[[Standing], ExperimentChange | None]


def change_experiment(key: str, change: Change) -> Work[ExperimentChange | None]:
    """Write: change one experiment; what was written, None when nothing was.

    `change` runs on the experiment as it is at that moment, whoever else changes it; what it raises leaves all as it
    was. Raises StaleVersion when its event does not have the next number.
    """

    async def work(connection: StoreConnection) -> ExperimentChange | None:
        await wait_for_turn(connection)
        in_force = (await connection.execute(_IN_FORCE)).first()
        number, latest = await _end_of_log(connection, key)
        standing = Standing(
            document=(await connection.execute(_FIND, {"wanted": key})).scalar_one_or_none(),
            in_force=None if in_force is None else experiment_of(in_force),
            experiments=(await connection.execute(_COUNT)).scalar_one(),
            latest=latest,
            latest_in_force=None if in_force is None else (await _end_of_log(connection, in_force.key))[1],
        )
        changed = change(standing)
        if changed is None:
            return None
        if changed.event.number != number + 1:
            raise StaleVersion(number)
        version = await next_version(connection)
        if standing.in_force is not None and changed.displaced is not None:
            await _write(connection, standing.in_force.key, changed.displaced, version)
        await _write(connection, key, changed, version)
        return changed

    return work


async def _end_of_log(connection: StoreConnection, key: str) -> tuple[int, Times | None]:
    last = (await connection.execute(_LAST, {"wanted": key})).first()
    return (0, None) if last is None else (last.number, Times(at_s=last.at, market_s=last.market_at))


async def _write(connection: StoreConnection, key: str, changed: ExperimentChange, version: int) -> None:
    event = changed.event
    values = {
        "experiment": key,
        "number": event.number,
        "at": event.at_s,
        "market_at": event.market_s,
        "by": event.by,
        "command": event.command,
        "detail": event.detail,
    }
    await connection.execute(_LOG, values)
    if changed.in_force:
        await connection.execute(_RELIEVE, {"wanted": key, "now": version})
    row = {"key": key, "document": changed.document, "in_force": changed.in_force, "version": version}
    await insert_or_replace(connection, experiments, row, key="key")


def read_events(key: str, *, after: int, limit: int) -> Work[Sequence[LoggedEvent]]:
    """Read: at most `limit` events of an experiment, oldest first, those with a number above `after`."""

    async def work(connection: StoreConnection) -> Sequence[LoggedEvent]:
        mine = (experiment_events.c.experiment == key, experiment_events.c.number > after)
        statement = select(experiment_events).where(*mine).order_by(experiment_events.c.number).limit(limit)
        return [_event(row) for row in await connection.execute(statement)]

    return work


def event_documents(key: str, up_to_number: int) -> Work[Sequence[str]]:
    """Read: the JSON of the events of an experiment from the first to the one with this number, oldest first."""

    async def work(connection: StoreConnection) -> Sequence[str]:
        mine = (experiment_events.c.experiment == key, experiment_events.c.number <= up_to_number)
        statement = select(experiment_events.c.detail).where(*mine).order_by(experiment_events.c.number)
        return list((await connection.execute(statement)).scalars())

    return work


def list_experiments() -> Work[Sequence[KeptExperiment]]:
    """Read: all of them, by key."""

    async def work(connection: StoreConnection) -> Sequence[KeptExperiment]:
        statement = select(experiments).order_by(experiments.c.key)
        return [experiment_of(row) for row in await connection.execute(statement)]

    return work


def experiment_of(row: Row[Any]) -> KeptExperiment:
    """The experiment of a row of the table."""
    return KeptExperiment(key=row.key, document=row.document, in_force=row.in_force, version=row.version)


def _event(row: Row[Any]) -> LoggedEvent:
    return LoggedEvent(
        number=row.number,
        at_s=row.at,
        market_s=row.market_at,
        by=row.by,
        command=row.command,
        detail=row.detail,
    )


_IN_FORCE = select(experiments).where(experiments.c.in_force)
_FIND = select(experiments.c.document).where(experiments.c.key == bindparam("wanted"))
_COUNT = select(func.count()).select_from(experiments)
_LAST = (
    select(experiment_events.c.number, experiment_events.c.at, experiment_events.c.market_at)
    .where(experiment_events.c.experiment == bindparam("wanted"))
    .order_by(experiment_events.c.number.desc())
    .limit(1)
)
_LOG = insert(experiment_events)
_RELIEVE = (
    update(experiments)
    .where(experiments.c.in_force, experiments.c.key != bindparam("wanted"))
    .values(in_force=False, version=bindparam("now"))
)
