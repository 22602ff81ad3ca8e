"""The SQL of the job queue, for SQLite and PostgreSQL alike."""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    Executable,
    Integer,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from adapters.store.rows import row_table
from adapters.store.tables import jobs
from trading.boot import Moment
from trading.jobs import LEASE_S, JobStatus

# What one sweep changes at most: no transaction of the queue is long.
MOST_SWEPT = 500

OPEN = (JobStatus.PENDING, JobStatus.RUNNING)


def _passed(
    boot: ColumnElement[str], monotonic: ColumnElement[float], wall: ColumnElement[float]
) -> ColumnElement[bool]:
    here = bindparam("now_boot", type_=Text())
    return or_(
        and_(boot == here, monotonic <= bindparam("now_monotonic", type_=Double())),
        and_(boot != here, wall <= bindparam("now_wall", type_=Double())),
    )


def now_values(moment: Moment) -> dict[str, object]:
    return {"now_boot": moment.boot, "now_monotonic": moment.monotonic_s, "now_wall": moment.wall_s}


def lease_values(moment: Moment) -> dict[str, object]:
    end = moment.after(LEASE_S)
    return {"until_boot": end.boot, "until_monotonic": end.monotonic_s, "until_wall": end.wall_s}


_LATE = _passed(jobs.c.boot, jobs.c.deadline_monotonic, jobs.c.deadline_at)
_LAPSED = _passed(jobs.c.lease_boot, jobs.c.lease_monotonic, jobs.c.lease_at)
NEW_LEASE = {
    "lease_boot": bindparam("until_boot", type_=Text()),
    "lease_monotonic": bindparam("until_monotonic", type_=Double()),
    "lease_at": bindparam("until_wall", type_=Double()),
}
NO_LEASE: dict[str, object] = {"owner": None, "lease_boot": None, "lease_monotonic": None, "lease_at": None}


# What a new row has; the rest is null until somebody takes it.
NEW_COLUMNS: dict[str, TypeEngine[Any]] = {
    "id": Text(),
    "user_id": Text(),
    "priority": Integer(),
    "rank": Double(),
    "status": Text(),
    "request": Text(),
    "accepted_at": Double(),
    "deadline_at": Double(),
    "boot": Text(),
    "deadline_monotonic": Double(),
    "epoch": Integer(),
}
_MOST = bindparam("most", type_=Integer())
_WAITING = select(literal(1)).select_from(jobs).where(jobs.c.status == JobStatus.PENDING).limit(_MOST).subquery()
_ROOM = (_MOST - select(func.count()).select_from(_WAITING).scalar_subquery()).self_group()


def _accept(dialect: str, insert: Callable[[Table], sqlite.Insert | postgresql.Insert]) -> Executable:
    given = row_table(dialect, NEW_COLUMNS)
    new = select(*[given.c[name] for name in NEW_COLUMNS]).where(true()).limit(_ROOM)
    return insert(jobs).from_select(list(NEW_COLUMNS), new).on_conflict_do_nothing().returning(jobs.c.id)


ACCEPT = {"sqlite": _accept("sqlite", sqlite.insert), "postgresql": _accept("postgresql", postgresql.insert)}

_PICKED = (
    select(jobs.c.id)
    .where(jobs.c.status == JobStatus.PENDING, not_(_LATE))
    .order_by(jobs.c.rank)
    .limit(_MOST)
    .with_for_update(skip_locked=True)
    .cte("picked")
)
TAKE = (
    update(jobs)
    .where(jobs.c.id.in_(select(_PICKED.c.id)))
    .values(
        NEW_LEASE
        | {
            "status": JobStatus.RUNNING,
            "epoch": jobs.c.epoch + 1,
            "owner": bindparam("by", type_=Text()),
            "started_at": bindparam("now_wall", type_=Double()),
        }
    )
    .returning(
        jobs.c.id,
        jobs.c.epoch,
        jobs.c.rank,
        jobs.c.user_id,
        jobs.c.request,
        jobs.c.boot,
        jobs.c.deadline_monotonic,
        jobs.c.deadline_at,
    )
)

SWEEP = (
    select(jobs.c.id, _LATE.label("late"))
    .where(or_(and_(jobs.c.status == JobStatus.PENDING, _LATE), and_(jobs.c.status == JobStatus.RUNNING, _LAPSED)))
    .limit(MOST_SWEPT)
    .with_for_update(skip_locked=True)
)
FIND_ALL = select(jobs.c.id, jobs.c.user_id, jobs.c.status, jobs.c.answer)
FIND = FIND_ALL.where(jobs.c.id == bindparam("wanted"))
FIND_LOCKED = FIND.with_for_update(skip_locked=True)
DEPTH = select(jobs.c.status, func.count().label("jobs")).where(jobs.c.status.in_(OPEN)).group_by(jobs.c.status)


# Building a statement takes longer than doing it.
@cache
def given_ids(dialect: str) -> Select[*tuple[Any, ...]]:
    """The ids in the parameter ROWS, for an `in_`."""
    given = row_table(dialect, {"id": Text()})
    return select(given.c.id)


@cache
def claimed(dialect: str) -> Select[*tuple[Any, ...]]:
    """The jobs that are in the epochs given with their ids in the parameter ROWS."""
    given = row_table(dialect, {"id": Text(), "epoch": Integer()})
    same = and_(jobs.c.id == given.c.id, jobs.c.epoch == given.c.epoch)
    return select(jobs.c.id, jobs.c.status, jobs.c.answer).join_from(jobs, given, same)


@cache
def closing(dialect: str) -> Executable:
    """Gives jobs the status and answer in the parameter ROWS, as of `closed_at`."""
    given = row_table(dialect, {"id": Text(), "status": Text(), "answer": Text()})
    ended = {"status": given.c.status, "answer": given.c.answer, "finished_at": bindparam("closed_at", type_=Double())}
    return update(jobs).where(jobs.c.id == given.c.id).values(NO_LEASE | ended)
