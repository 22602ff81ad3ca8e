"""Asynchronous predictions as their users see them: accepted, waited for, cancelled, each with exactly one end."""

import asyncio
import random
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from adapters.store import jobs
from adapters.store.engine import Work
from adapters.store.job_statements import MOST_SWEPT
from adapters.store.jobs import Stored
from trading.errors import IllegalChange, NotFound, QueueFull, StoreUnavailable, TooManyWait
from trading.jobs import Job, JobStatus, waiting_text
from wiring.job_runner import JOBS_TOPIC, MOST_AT_ONCE, JobRunner, Surroundings, result_topic
from wiring.news import News
from wiring.together import Together

Result = TypeVar("Result")

ID_PATTERN = re.compile(r"[0-9a-f]{32}")
SWEEP_S = 1.0
# Another process is changing the job right now: it is over after a transaction.
RETRIES_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class Queue:
    """One worker's door to the queue, and its part in running it. `start` and the rest belong to one event loop."""

    def __init__(
        self,
        around: Surroundings,
        *,
        max_waiting: int,
        max_polls: int,
        most_at_once: int = MOST_AT_ONCE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._around = around
        self._max_waiting = max_waiting
        self._max_polls = max_polls
        self._chance = chance
        self._accepts = Together(self._accept)
        self._reads = Together(self._read)
        self._runner = JobRunner(around, most_at_once=most_at_once)
        self._polls: set[News] = set()
        self._draining = False

    def start(self) -> None:
        """Begin to run and to sweep."""
        self._deaf = self._around.bus.subscribe(JOBS_TOPIC, lambda _: self._runner.wake())
        self._running = asyncio.create_task(self._runner.run(), name="queue")
        self._sweeping = asyncio.create_task(self._keep_sweeping(), name="queue_sweep")

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """The loops; one that is done is a fault of ours, unless drained."""
        return self._running, self._sweeping

    @property
    def held(self) -> int:
        """How many jobs this worker runs."""
        return self._runner.held

    async def drain(self) -> None:
        """Take nothing new, end all long polls, and return when what runs here has ended."""
        self._draining = True
        self._runner.drain()
        for news in self._polls:
            news.wake()
        await asyncio.wait({self._running})

    async def stop(self) -> None:
        """End the loops; what was not ended is run by others once its lease has lapsed."""
        self._deaf()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def accept(self, request: str, *, user_id: str, priority: int, timeout_s: float) -> bytes:
        """Accept a request (JSON) under an id that nobody can guess; what is said of it. Durable on return.

        Raises QueueFull, StoreUnavailable.
        """
        job = self._job(secrets.token_hex(16), request, user_id, priority, timeout_s)
        if not await self._accepts.ask(job):
            raise QueueFull(f"{self._max_waiting} wait")
        self.accepted()
        return waiting_text(job.id, JobStatus.PENDING).encode()

    def acceptance(
        self,
        request: str,
        *,
        user_id: str,
        priority: int,
        timeout_s: float,
        job_id: str,
        require: Callable[[], None],
    ) -> Work[bytes]:
        """The same as part of another's transaction, in which `require` may refuse it; call `accepted` afterwards."""
        job = self._job(job_id, request, user_id, priority, timeout_s)
        accept = jobs.accept_one(job, max_waiting=self._max_waiting)
        return lambda connection: _after(require, lambda: accept(connection))

    def _job(self, job_id: str, request: str, user_id: str, priority: int, timeout_s: float) -> Job:
        return Job(
            id=job_id,
            user_id=user_id,
            priority=priority,
            request=request,
            accepted=self._around.now(),
            timeout_s=timeout_s,
        )

    def accepted(self) -> None:
        """There is a new job: have it run, by another worker where this one is busy."""
        self._runner.wake()
        if self._runner.busy:
            self._around.bus.publish(JOBS_TOPIC, b"")

    async def result(self, job_id: str, *, timeout_s: float) -> tuple[bytes, bool]:
        """What there is to say of a job (JSON), and whether that is final; waits for the end up to `timeout_s` seconds.

        Answers at once while draining. Raises NotFound, TooManyWait, StoreUnavailable.
        """
        _require_id(job_id)
        deadline = self._around.now().after(timeout_s)
        with News(self._around.bus, result_topic(job_id)) as news:
            while True:
                said, final = _said(await self._reads.ask(job_id))
                left_s = deadline.left_s(self._around.now())
                if final or left_s <= 0.0 or not await self._wait(news, left_s):
                    return said, final
                if news.message is not None:
                    return news.message, True

    async def _accept(self, new: Sequence[Job]) -> Sequence[bool]:
        kept = await self._around.store.write(jobs.accept(new, max_waiting=self._max_waiting))
        return [job.id in kept for job in new]

    async def _read(self, ids: Sequence[str]) -> Sequence[Stored | None]:
        found = await self._around.store.read(jobs.read(ids))
        return [found.get(job_id) for job_id in ids]

    async def _wait(self, news: News, most_s: float) -> bool:
        if self._draining:
            return False
        if len(self._polls) >= self._max_polls:
            # An answer at once would only have the caller ask again at once.
            raise TooManyWait(f"{self._max_polls} wait")
        self._polls.add(news)
        try:
            await news.wait(most_s)
        finally:
            self._polls.discard(news)
        return True

    async def cancel(self, job_id: str) -> bytes:
        """Cancel a job; what is said of it then (JSON).

        Raises NotFound, IllegalChange when it ended otherwise, StoreUnavailable.
        """
        _require_id(job_id)
        for retry_s in RETRIES_S:
            stored = await self._around.store.write(jobs.cancel(job_id, self._around.now))
            if stored.status is JobStatus.CANCELLED:
                said, _ = _said(stored)
                self._around.bus.publish(result_topic(job_id), said)
                return said
            if stored.status.final:
                raise IllegalChange(stored.status)
            await asyncio.sleep(retry_s)
        raise StoreUnavailable("another process is changing the job")

    async def _keep_sweeping(self) -> None:
        while True:
            # Not all workers at the same time.
            await asyncio.sleep(SWEEP_S * (0.75 + 0.5 * self._chance()))
            with suppress(StoreUnavailable):
                while await self._sweep() >= MOST_SWEPT:
                    pass

    async def _sweep(self) -> int:
        around = self._around
        swept = await around.store.write(jobs.sweep(around.now))
        for job_id, answer in swept.expired.items():
            around.bus.publish(result_topic(job_id), answer.encode())
        if swept.returned:
            self.accepted()
        return len(swept.expired) + swept.returned


def _after(require: Callable[[], None], do: Callable[[], Result]) -> Result:
    require()
    return do()


def _require_id(job_id: str) -> None:
    # Nothing else is an id of ours, and nothing else goes into a topic or a statement.
    if not ID_PATTERN.fullmatch(job_id):
        raise NotFound("prediction")


def _said(stored: Stored | None) -> tuple[bytes, bool]:
    if stored is None:
        raise NotFound("prediction")
    if stored.answer is None:
        return waiting_text(stored.id, stored.status).encode(), False
    return stored.answer.encode(), True
