"""Runs jobs of the queue in this worker: takes them, has them decided, and ends each in the store."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from adapters.store import jobs
from adapters.store.engine import Store
from adapters.store.failures import RefusedStatement
from adapters.store.jobs import Ended, Finished
from adapters.store.journal import Journal
from adapters.store.journal_rows import Entry
from trading.boot import Clock
from trading.errors import StoreUnavailable
from trading.jobs import LEASE_S, PROBLEMS, JobStatus, Problem, Taken, decided_text, problem_text
from trading.ports import Bus
from trading.vocabulary import Decision

log = logging.getLogger("rl_service.queue")

# Somebody has more jobs than its own worker can run at once.
JOBS_TOPIC = "jobs"
# What one worker runs at once, and so what it holds back from the others at most.
MOST_AT_ONCE = 16
# Jobs are looked for this often even if nobody says that there are any.
LOOK_S = 0.25
RENEW_S = LEASE_S / 3
# Ever longer pauses while the store is away, the last one for ever.
PAUSES_S = (0.1, 0.2, 0.5, 1.0)


def result_topic(job_id: str) -> str:
    """Where the result of a job is told, as JSON, once it is durable."""
    return f"job:{job_id}"


class Decide(Protocol):
    """Decides what was asked for when the job was accepted."""

    async def __call__(
        self, request: str, *, request_id: str, budget_s: float
    ) -> tuple[Decision, Mapping[str, object]]:
        """The decision on a request (JSON) within `budget_s` seconds, and its body on the wire. Raises ServiceError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the queue needs of the worker.

    `explain` says on the wire why there is no decision: an error of ours, or one that should not be. `announce` hears
    of each decision that ended a job, with its body, once it is durable; it must not raise.
    """

    store: Store
    journal: Journal
    bus: Bus
    now: Clock
    decide: Decide
    explain: Callable[[Exception], Problem]
    announce: Callable[[Decision, Mapping[str, object]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    end: Ended
    decided: tuple[Decision, Mapping[str, object]] | None
    at_s: float


class JobRunner:
    """One worker's part in the queue. A single loop does all its writes, so that they share transactions."""

    def __init__(self, around: Surroundings, *, most_at_once: int = MOST_AT_ONCE, look_s: float = LOOK_S) -> None:
        self._around = around
        self._most_at_once = most_at_once
        self._look_s = look_s
        self._owner = str(os.getpid())
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[str, int] = {}
        self._outcomes: list[_Outcome] = []
        self._wake = asyncio.Event()
        self._draining = False
        self._renew_at_s = 0.0

    @property
    def busy(self) -> bool:
        """True when a new job had better be run by another worker."""
        return self._draining or len(self._tasks) >= self._most_at_once

    @property
    def held(self) -> int:
        """How many jobs were taken and have not been ended in the store."""
        return len(self._held)

    def wake(self) -> None:
        """Look for jobs now."""
        self._wake.set()

    def drain(self) -> None:
        """Take nothing new: `run` ends when what runs has ended."""
        self._draining = True
        self._wake.set()

    async def run(self) -> None:
        """Run jobs until drained. While the store is away it waits; what was decided is kept for it."""
        pauses = iter(PAUSES_S)
        try:
            while not self._draining or self._tasks or self._outcomes:
                self._wake.clear()
                try:
                    await self._write()
                except StoreUnavailable:
                    await asyncio.sleep(next(pauses, PAUSES_S[-1]))
                else:
                    pauses = iter(PAUSES_S)
                    await self._pause()
        finally:
            for task in self._tasks:
                task.cancel()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._look_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _write(self) -> None:
        # Begun together, they share one transaction of the store.
        done = await asyncio.gather(self._finish_all(), self._renew(), self._take(), return_exceptions=True)
        for error in done:
            if error is not None:
                raise error

    async def _take(self) -> None:
        free = 0 if self._draining else self._most_at_once - len(self._tasks)
        if free <= 0:
            return
        around = self._around
        taken = await around.store.write(jobs.take(self._owner, free, around.now))
        if len(taken) == free:
            around.bus.publish(JOBS_TOPIC, b"")
        for job in taken:
            self._held[job.id] = job.epoch
            task = asyncio.create_task(self._run(job))
            self._tasks.add(task)
            # A policy in this process answers without a pause: between two jobs others get their turn.
            await asyncio.sleep(0)

    async def _run(self, job: Taken) -> None:
        task = asyncio.current_task()
        try:
            outcome = await self._outcome(job)
            # Looked up now: the list that was there before the wait may have been written since.
            self._outcomes.append(outcome)
        except Exception:  # as below, when even the error cannot be explained
            log.exception("the prediction %s came to no end", job.id)
            self._outcomes.append(self._without(job.id, job.epoch, JobStatus.FAILED, PROBLEMS[JobStatus.FAILED]))
        finally:
            if task is not None:
                self._tasks.discard(task)
            self._wake.set()

    async def _outcome(self, job: Taken) -> _Outcome:
        around, left_s = self._around, job.deadline.left_s(self._around.now())
        if left_s <= 0.0:
            return self._without(job.id, job.epoch, JobStatus.EXPIRED, PROBLEMS[JobStatus.EXPIRED])
        limit = asyncio.timeout(left_s)
        try:
            async with limit:
                decided = await around.decide(job.request, request_id=job.id, budget_s=left_s)
            answer = decided_text(job.id, decided[1])
        except Exception as error:  # noqa: BLE001 - the queue is the door of its jobs: each gets an answer
            if limit.expired():
                return self._without(job.id, job.epoch, JobStatus.EXPIRED, PROBLEMS[JobStatus.EXPIRED])
            return self._without(job.id, job.epoch, JobStatus.FAILED, around.explain(error))
        end = Ended(id=job.id, epoch=job.epoch, status=JobStatus.DONE, answer=answer)
        return _Outcome(end=end, decided=decided, at_s=around.now().wall_s)

    def _without(self, job_id: str, epoch: int, status: JobStatus, problem: Problem) -> _Outcome:
        end = Ended(id=job_id, epoch=epoch, status=status, answer=problem_text(job_id, status, problem))
        return _Outcome(end=end, decided=None, at_s=self._around.now().wall_s)

    async def _finish_all(self) -> None:
        # What was taken anew meanwhile is ended in its new epoch only.
        outcomes = [outcome for outcome in self._outcomes if self._held.get(outcome.end.id) == outcome.end.epoch]
        self._outcomes = []
        if outcomes:
            await self._finish(outcomes)

    async def _finish(self, outcomes: Sequence[_Outcome]) -> None:
        try:
            finished = await self._end(outcomes)
        except Exception as error:  # what cannot be written of one job must not hold up the others
            if isinstance(error, StoreUnavailable) and not isinstance(error, RefusedStatement):
                self._outcomes[:0] = outcomes
                raise
            await self._finish_refused(outcomes, error)
        else:
            self._tell(outcomes, finished)

    async def _finish_refused(self, outcomes: Sequence[_Outcome], error: Exception) -> None:
        if len(outcomes) > 1:
            singly = await asyncio.gather(*(self._finish([outcome]) for outcome in outcomes), return_exceptions=True)
            for failure in singly:
                if failure is not None:
                    raise failure
            return
        end = outcomes[0].end
        log.error("the end of the prediction %s cannot be written as %s", end.id, end.status, exc_info=error)
        if end.status is JobStatus.FAILED:
            self._release(end)  # not even that: its deadline will end it
        else:
            await self._finish([self._without(end.id, end.epoch, JobStatus.FAILED, PROBLEMS[JobStatus.FAILED])])

    async def _end(self, outcomes: Sequence[_Outcome]) -> Finished:
        around = self._around
        entries = {
            outcome.end.id: Entry(decision=outcome.decided[0], decided_at_s=outcome.at_s)
            for outcome in outcomes
            if outcome.decided is not None
        }
        return await around.store.write(
            jobs.finish(
                [outcome.end for outcome in outcomes],
                around.now,
                lambda connection, ids: around.journal.insert(
                    connection, [entry for job_id, entry in entries.items() if job_id in ids]
                ),
            )
        )

    def _tell(self, outcomes: Sequence[_Outcome], finished: Finished) -> None:
        around = self._around
        for outcome in outcomes:
            if outcome.end.id in finished.busy:
                self._outcomes.append(outcome)
                continue
            self._release(outcome.end)
            if outcome.end.id not in finished.ended:
                continue
            around.bus.publish(result_topic(outcome.end.id), outcome.end.answer.encode())
            if outcome.decided is not None:
                around.announce(*outcome.decided)

    def _release(self, end: Ended) -> None:
        if self._held.get(end.id) == end.epoch:
            del self._held[end.id]

    async def _renew(self) -> None:
        now_s = self._around.now().monotonic_s
        if not self._held:
            self._renew_at_s = now_s + RENEW_S
        elif now_s >= self._renew_at_s:
            self._renew_at_s = now_s + RENEW_S
            await self._around.store.write(jobs.renew(dict(self._held), self._around.now))
