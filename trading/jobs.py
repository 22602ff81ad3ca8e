"""Asynchronous predictions: the states they go through, which goes first, and what their result says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from trading.boot import Moment

# Who takes a job holds it this long, and longer by saying so; then it is anybody's again.
LEASE_S = 3.0


class JobStatus(StrEnum):
    """Where an asynchronous prediction is. The last four are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """True when nothing follows."""
        return not MOVES[self]


# From each status, what may follow. RUNNING goes back to PENDING when the lease of its taker has lapsed.
MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.EXPIRED, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.PENDING, JobStatus.DONE, JobStatus.FAILED, JobStatus.EXPIRED, JobStatus.CANCELLED}
    ),
    JobStatus.DONE: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.EXPIRED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


def before(status: JobStatus) -> tuple[JobStatus, ...]:
    """Every status that `status` may follow."""
    return tuple(earlier for earlier, later in MOVES.items() if status in later)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One accepted prediction. `request` is JSON; `priority` 1 (high) .. 3; `timeout_s` counts from `accepted`."""

    id: str
    user_id: str
    priority: int
    request: str
    accepted: Moment
    timeout_s: float

    @property
    def deadline(self) -> Moment:
        """When it may no longer start."""
        return self.accepted.after(self.timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A job that somebody runs; only who has its latest epoch may end it."""

    id: str
    epoch: int
    user_id: str
    request: str
    deadline: Moment


# The share of its time that a job of each priority lets newer jobs of priority 1 go before it.
PATIENCE: dict[int, float] = {1: 0.0, 2: 0.45, 3: 0.9}


def rank(job: Job) -> float:
    """Where a job stands in the queue: the smallest goes first. A wall time, Unix seconds.

    With a tenth of its time left a job of priority 3 stands like a fresh one of priority 1, so it starves only when
    even those of priority 1 wait that long. A jump of the wall clock changes the order of what waits just then, and
    expires nothing.
    """
    return job.accepted.wall_s + PATIENCE[job.priority] * job.timeout_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why there is no decision: a code of the wire's closed list, and its sentence."""

    code: str
    message: str


PROBLEMS: dict[JobStatus, Problem] = {
    JobStatus.FAILED: Problem(code="internal", message="An error of ours; it is logged under the request id."),
    JobStatus.EXPIRED: Problem(code="expired", message="The deadline passed before there was a decision."),
    JobStatus.CANCELLED: Problem(code="cancelled", message="The prediction was cancelled."),
}


def decided_text(job_id: str, decision: Mapping[str, object]) -> str:
    """The result of a job that was done, as JSON."""
    return _json({"request_id": job_id, "status": JobStatus.DONE, "decision": decision})


def problem_text(job_id: str, status: JobStatus, problem: Problem) -> str:
    """The result of a job that ended otherwise, as JSON."""
    error = {"code": problem.code, "message": problem.message}
    return _json({"request_id": job_id, "status": status, "error": error})


def waiting_text(job_id: str, status: JobStatus) -> str:
    """What is said of a job that has not ended, as JSON."""
    return _json({"request_id": job_id, "status": status})


def _json(body: Mapping[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
