"""The queue of asynchronous predictions as rows: each function is one step, done in a transaction of the store.

No step waits for a row that another process has locked: it passes it over, so that steps which share a transaction in
any order cannot wait for each other in a circle.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Row, update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.job_statements import (
    ACCEPT,
    DEPTH,
    FIND,
    FIND_ALL,
    FIND_LOCKED,
    NEW_LEASE,
    NO_LEASE,
    OPEN,
    SWEEP,
    TAKE,
    claimed,
    closing,
    given_ids,
    lease_values,
    now_values,
)
from adapters.store.rows import ROWS, rows_text
from adapters.store.tables import jobs
from trading.boot import Clock, Moment
from trading.errors import NotFound, QueueFull
from trading.jobs import PROBLEMS, Job, JobStatus, Taken, before, problem_text, rank, waiting_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A job as the store has it; `answer` is its result as JSON, None while there is none."""

    id: str
    user_id: str
    status: JobStatus
    answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the taker of an epoch wants a job to end."""

    id: str
    epoch: int
    status: JobStatus
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of jobs that were to end: ids that have `ended` as asked, and ids that are `busy`.

    Somebody is changing a busy one right now: it may still be ours, ask again. All others are ours no more.
    """

    ended: frozenset[str]
    busy: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep did: jobs that expired, with their answers, and how many wait again."""

    expired: Mapping[str, str]
    returned: int


# Called with the jobs that end in this transaction, to write in it what belongs to them.
Along: TypeAlias = Callable[[StoreConnection, frozenset[str]], Awaitable[object]]


def accept(new: Sequence[Job], *, max_waiting: int) -> Work[frozenset[str]]:
    """Keep jobs, PENDING, as long as no more than `max_waiting` are; the ids of those that are kept.

    Exact on SQLite. On PostgreSQL what other workers are accepting in the same few milliseconds is not counted: at most
    a statement's worth each. Of a job whose id is known already nothing is kept.
    """

    async def work(connection: StoreConnection) -> frozenset[str]:
        values = {ROWS: rows_text([_row(job) for job in new]), "most": max_waiting}
        return frozenset((await connection.execute(ACCEPT[connection.dialect.name], values)).scalars())

    return work


def accept_one(job: Job, *, max_waiting: int) -> Work[bytes]:
    """The same for one job, or for one that was kept before; what is said of it then, as JSON. Raises QueueFull."""
    accept_it = accept([job], max_waiting=max_waiting)

    async def work(connection: StoreConnection) -> bytes:
        if not await accept_it(connection) and await _find(connection, job.id) is None:
            raise QueueFull(f"{max_waiting} wait")
        return waiting_text(job.id, JobStatus.PENDING).encode()

    return work


def take(owner: str, most: int, now: Clock) -> Work[list[Taken]]:
    """Take up to `most` jobs, first things first, each with a new epoch and a lease of LEASE_S seconds."""

    async def work(connection: StoreConnection) -> list[Taken]:
        moment = now()
        values = now_values(moment) | lease_values(moment) | {"most": most, "by": owner}
        rows = (await connection.execute(TAKE, values)).all()
        return [_taken(row) for row in sorted(rows, key=lambda row: row.rank)]

    return work


def renew(held: Mapping[str, int], now: Clock) -> Work[None]:
    """Hold jobs (id -> epoch) for another LEASE_S seconds; those that are no longer ours are left alone."""

    async def work(connection: StoreConnection) -> None:
        claims = [Ended(id=job_id, epoch=epoch, status=JobStatus.RUNNING, answer="") for job_id, epoch in held.items()]
        ours = await _ours(connection, claims)
        if ours:
            statement = update(jobs).where(jobs.c.id.in_(given_ids(connection.dialect.name))).values(NEW_LEASE)
            await connection.execute(
                statement, lease_values(now()) | {ROWS: rows_text([{"id": row.id} for row in ours])}
            )

    return work


def finish(ended: Sequence[Ended], now: Clock, along: Along) -> Work[Finished]:
    """End jobs, or find them ended by an earlier try of the same.

    A job ends only while it is RUNNING in the epoch given. What `along` writes becomes true together with that.
    """

    async def work(connection: StoreConnection) -> Finished:
        found = {row.id: row for row in await _ours(connection, ended)}
        wanted = [end for end in ended if end.id in found]
        again = [end for end in wanted if (found[end.id].status, found[end.id].answer) == (end.status, end.answer)]
        fresh = [end for end in wanted if found[end.id].status in before(end.status)]
        if fresh:
            await _close(connection, {end.id: (end.status, end.answer) for end in fresh}, now())
            await along(connection, frozenset(end.id for end in fresh))
        missing = [end for end in ended if end.id not in found]
        return Finished(ended=frozenset(end.id for end in (*fresh, *again)), busy=await _running(connection, missing))

    return work


def cancel(job_id: str, now: Clock) -> Work[Stored]:
    """Cancel a job that has not ended; what it is afterwards. Raises NotFound.

    On PostgreSQL a job that another process is changing right now is returned as it was: ask again.
    """

    async def work(connection: StoreConnection) -> Stored:
        row = (await connection.execute(FIND_LOCKED, {"wanted": job_id})).first()
        stored = _stored(row or await _find(connection, job_id))
        if row is None or stored.status not in before(JobStatus.CANCELLED):
            return stored
        answer = problem_text(job_id, JobStatus.CANCELLED, PROBLEMS[JobStatus.CANCELLED])
        await _close(connection, {job_id: (JobStatus.CANCELLED, answer)}, now())
        return Stored(id=job_id, user_id=stored.user_id, status=JobStatus.CANCELLED, answer=answer)

    return work


def sweep(now: Clock) -> Work[Swept]:
    """Expire what waited past its deadline, and let others take what its taker no longer holds."""

    async def work(connection: StoreConnection) -> Swept:
        moment = now()
        rows = (await connection.execute(SWEEP, now_values(moment))).all()
        expired = {row.id: problem_text(row.id, _EXPIRED, PROBLEMS[_EXPIRED]) for row in rows if row.late}
        lapsed = [{"id": row.id} for row in rows if not row.late]
        if expired:
            await _close(connection, {job_id: (_EXPIRED, answer) for job_id, answer in expired.items()}, moment)
        if lapsed:
            statement = (
                update(jobs)
                .where(jobs.c.id.in_(given_ids(connection.dialect.name)))
                .values(NO_LEASE | {"status": JobStatus.PENDING})
            )
            await connection.execute(statement, {ROWS: rows_text(lapsed)})
        return Swept(expired=expired, returned=len(lapsed))

    return work


def read(ids: Sequence[str]) -> Work[dict[str, Stored]]:
    """Jobs as they are, by id; without those that nobody knows."""

    async def work(connection: StoreConnection) -> dict[str, Stored]:
        statement = FIND_ALL.where(jobs.c.id.in_(given_ids(connection.dialect.name)))
        rows = (await connection.execute(statement, {ROWS: rows_text([{"id": job_id} for job_id in ids])})).all()
        return {row.id: _stored(row) for row in rows}

    return work


def depth() -> Work[dict[JobStatus, int]]:
    """How many jobs are PENDING and RUNNING."""

    async def work(connection: StoreConnection) -> dict[JobStatus, int]:
        counted = {JobStatus(row.status): int(row.jobs) for row in await connection.execute(DEPTH)}
        return {status: counted.get(status, 0) for status in OPEN}

    return work


_EXPIRED = JobStatus.EXPIRED
_Row: TypeAlias = Row[*tuple[Any, ...]]


def _row(job: Job) -> dict[str, object]:
    deadline = job.deadline
    return {
        "id": job.id,
        "user_id": job.user_id,
        "priority": job.priority,
        "rank": rank(job),
        "status": JobStatus.PENDING,
        "request": job.request,
        "accepted_at": job.accepted.wall_s,
        "deadline_at": deadline.wall_s,
        "boot": deadline.boot,
        "deadline_monotonic": deadline.monotonic_s,
        "epoch": 0,
    }


def _taken(row: _Row) -> Taken:
    deadline = Moment(boot=row.boot, monotonic_s=row.deadline_monotonic, wall_s=row.deadline_at)
    return Taken(id=row.id, epoch=row.epoch, user_id=row.user_id, request=row.request, deadline=deadline)


def _stored(row: _Row | None) -> Stored:
    if row is None:
        raise NotFound("prediction")
    return Stored(id=row.id, user_id=row.user_id, status=JobStatus(row.status), answer=row.answer)


async def _find(connection: StoreConnection, job_id: str) -> _Row | None:
    return (await connection.execute(FIND, {"wanted": job_id})).first()


def _claims(claims: Sequence[Ended]) -> dict[str, object]:
    return {ROWS: rows_text([{"id": claim.id, "epoch": claim.epoch} for claim in claims])}


async def _ours(connection: StoreConnection, claims: Sequence[Ended]) -> Sequence[_Row]:
    held = claimed(connection.dialect.name).with_for_update(skip_locked=True, of=jobs)
    return (await connection.execute(held, _claims(claims))).all()


async def _running(connection: StoreConnection, claims: Sequence[Ended]) -> frozenset[str]:
    if not claims:
        return frozenset()
    running = claimed(connection.dialect.name).where(jobs.c.status == JobStatus.RUNNING)
    return frozenset((await connection.execute(running, _claims(claims))).scalars())


async def _close(connection: StoreConnection, ends: Mapping[str, tuple[JobStatus, str]], now: Moment) -> None:
    rows = [{"id": job_id, "status": status, "answer": answer} for job_id, (status, answer) in ends.items()]
    await connection.execute(closing(connection.dialect.name), {ROWS: rows_text(rows), "closed_at": now.wall_s})
