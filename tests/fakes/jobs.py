"""Jobs and the clock they go by, both set by hand."""

from dataclasses import dataclass, replace
from itertools import count
from secrets import token_hex

from sqlalchemy import insert, select

from adapters.store import jobs
from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.jobs import Ended, Stored
from adapters.store.tables import feature_schemas
from trading.boot import Moment
from trading.jobs import Job, JobStatus, Taken, decided_text

START = Moment(boot="this boot", monotonic_s=1_000.0, wall_s=1_700_000_000.0)
_numbers = count()


@dataclass(slots=True)
class HandClock:
    """A clock that goes when told; calling it tells the moment."""

    moment: Moment = START

    def __call__(self) -> Moment:
        return self.moment

    def go(self, seconds: float) -> None:
        """Time passes."""
        self.moment = self.moment.after(seconds)

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.moment = replace(self.moment, wall_s=self.moment.wall_s + seconds)

    def reboot(self, boot: str, after_s: float) -> None:
        """The machine starts again: another monotonic clock."""
        self.moment = Moment(boot=boot, monotonic_s=5.0, wall_s=self.moment.wall_s + after_s)


def job(now: Moment = START, *, priority: int = 2, timeout_s: float = 5.0, job_id: str | None = None) -> Job:
    """A job accepted now."""
    return Job(
        id=job_id or f"{next(_numbers):032x}",
        user_id="user123",
        priority=priority,
        request='{"symbol":"BTC"}',
        accepted=now,
        timeout_s=timeout_s,
    )


def done(taken: Taken, decision: str = "a") -> Ended:
    """The taker's decision on a job."""
    answer = decided_text(taken.id, {"reasoning": decision})
    return Ended(id=taken.id, epoch=taken.epoch, status=JobStatus.DONE, answer=answer)


def read(job_id: str) -> Work[Stored]:
    """One job that is there."""

    async def work(connection: StoreConnection) -> Stored:
        return (await jobs.read([job_id])(connection))[job_id]

    return work


async def note(connection: StoreConnection, ids: frozenset[str]) -> None:
    """Writes one row for each job, in a table that takes any number of them for one job."""
    for job_id in ids:
        await connection.execute(insert(feature_schemas).values(digest=token_hex(8), names=job_id))


async def noted(connection: StoreConnection) -> list[str]:
    """The jobs that were noted, each as often as it was."""
    return sorted((await connection.execute(select(feature_schemas.c.names))).scalars())
