"""The queue of asynchronous predictions over the processes of one store: each store here stands for one process."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.boot import boot_clock
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from tests.fakes.bus import FakeBus
from tests.fakes.decisions import DECISION
from tests.fakes.journals import journalling, rows_of
from tests.fakes.stores import STORES, running
from tests.fakes.waiting import eventually
from trading.errors import IllegalChange, NotFound, QueueFull, StoreUnavailable, TooManyWait, UnknownSymbol
from trading.jobs import Problem
from trading.vocabulary import Decision
from wiring.job_runner import Surroundings
from wiring.queue import Queue

REQUEST = '{"symbol":"BTC"}'
PATIENCE_S = 20.0


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


@dataclass(slots=True)
class Office:
    """Decides for every queue of a test, when let."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[str] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    budgets_s: list[float] = field(default_factory=list)
    error: Exception | None = None
    # What becomes of the first decision.
    spoil: Callable[[Decision], Decision] = lambda decision: decision
    first_action: object = "BUY"

    async def decide(self, request: str, *, request_id: str, budget_s: float) -> tuple[Decision, Mapping[str, object]]:
        assert request == REQUEST
        self.begun.append(request_id)
        self.budgets_s.append(budget_s)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        decision, action = replace(DECISION, request_id=request_id), self.first_action
        if request_id != self.begun[0]:
            return decision, {"request_id": request_id, "action": "BUY"}
        return self.spoil(decision), {"request_id": request_id, "action": action}

    def announce(self, decision: Decision, body: Mapping[str, object]) -> None:
        assert decision.request_id == body["request_id"]
        self.announced.append(decision.request_id)


def explain(error: Exception) -> Problem:
    return Problem(code=type(error).__name__, message="why")


@dataclass(frozen=True, slots=True)
class Place:
    """Some processes with a queue each, on one store."""

    queues: list[Queue]
    stores: list[Store]
    office: Office
    bus: FakeBus

    @property
    def queue(self) -> Queue:
        return self.queues[0]

    async def accept(self, *, priority: int = 2, timeout_s: float = 30.0) -> str:
        body = await self.queue.accept(REQUEST, user_id="user123", priority=priority, timeout_s=timeout_s)
        answer = json.loads(body)
        assert answer["status"] == "PENDING"
        return str(answer["request_id"])

    async def end(self, job_id: str) -> dict[str, object]:
        """The final result."""
        body, final = await self.queues[-1].result(job_id, timeout_s=PATIENCE_S)
        assert final, body
        assert await self.queue.result(job_id, timeout_s=0.0) == (body, True)
        return dict(json.loads(body))


@asynccontextmanager
async def place(
    location: Location,
    folder: Path,
    *,
    count: int = 1,
    closed: bool = False,
    deaf: bool = False,
    max_waiting: int = 1_000,
    max_polls: int = 100,
    most_at_once: int = 16,
    start: bool = True,
) -> AsyncIterator[Place]:
    office, bus = Office(), FakeBus(deaf=deaf)
    if not closed:
        office.open.set()
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(running(location)) for _ in range(count)]
        queues = []
        for number, store in enumerate(stores):
            around = Surroundings(
                store=store,
                journal=await stack.enter_async_context(journalling(store, folder / str(number))),
                bus=bus,
                now=boot_clock(),
                decide=office.decide,
                explain=explain,
                announce=office.announce,
            )
            queue = Queue(around, max_waiting=max_waiting, max_polls=max_polls, most_at_once=most_at_once)
            queues.append(queue)
            if start:
                queue.start()
                stack.push_async_callback(queue.stop)
        yield Place(queues, stores, office, bus)


async def journal(store: Store) -> list[str]:
    return [str(row[0]) for row in await rows_of(store, "SELECT id FROM decisions ORDER BY id")]


def test_what_is_accepted_is_decided_journalled_and_announced_once(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, count=2) as here:
            ids = await asyncio.gather(*(here.accept() for _ in range(100)))
            for job_id in ids:
                body = {"request_id": job_id, "action": "BUY"}
                assert await here.end(job_id) == {"request_id": job_id, "status": "DONE", "decision": body}
            assert await journal(here.stores[0]) == sorted(ids) == sorted(here.office.announced)
            assert all(len(job_id) == 32 for job_id in ids)
            await eventually(lambda: here.bus.listening == 2)

    asyncio.run(main())


def test_it_works_without_messages(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, count=2, deaf=True) as here:
            assert (await here.end(await here.accept()))["status"] == "DONE"

    asyncio.run(main())


def test_an_error_is_explained_and_nothing_is_journalled(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path) as here:
            for error in (UnknownSymbol("NOPE"), ZeroDivisionError("a bug"), TimeoutError("of its own")):
                here.office.error = error
                job_id = await here.accept()
                why = {"code": type(error).__name__, "message": "why"}
                assert await here.end(job_id) == {"request_id": job_id, "status": "FAILED", "error": why}
            assert await journal(here.stores[0]) == []

    asyncio.run(main())


def test_the_budget_is_what_is_left_of_the_deadline(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path) as here:
            await here.end(await here.accept(timeout_s=25.0))
            assert 5.0 < here.office.budgets_s[0] < 25.0

    asyncio.run(main())


def test_nothing_goes_on_past_its_deadline(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, closed=True, most_at_once=1) as here:
            long = await here.accept(timeout_s=0.3)
            await eventually(lambda: here.office.begun)
            waiting = await here.accept(timeout_s=0.3)
            for job_id in (long, waiting):
                end = await here.end(job_id)
                assert (end["status"], end["error"]) == (
                    "EXPIRED",
                    {"code": "expired", "message": "The deadline passed before there was a decision."},
                )
            assert await journal(here.stores[0]) == []

    asyncio.run(main())


def test_what_is_too_late_is_not_begun(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, start=False) as here:
            job_id = await here.accept(timeout_s=0.05)
            await asyncio.sleep(0.1)
            here.queue.start()
            assert (await here.end(job_id))["status"] == "EXPIRED"
            assert here.office.begun == []
            await here.queue.stop()

    asyncio.run(main())


def test_a_worker_takes_no_more_than_it_runs_and_the_next_by_rank(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, closed=True, most_at_once=1) as here:
            first = await here.accept()
            await eventually(lambda: here.office.begun)
            low, high, middle = [await here.accept(priority=priority) for priority in (3, 1, 2)]
            here.office.open.set()
            await here.end(low)
            assert here.office.begun == [first, high, middle, low]

    asyncio.run(main())


def test_a_busy_worker_has_another_help(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, count=2, closed=True, most_at_once=2) as here:
            for _ in range(4):
                await here.accept()
            await eventually(lambda: len(here.office.begun) == 4)
            here.office.open.set()

    asyncio.run(main())


def test_a_poll_ends_with_its_time(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, closed=True) as here:
            job_id = await here.accept()
            await eventually(lambda: here.office.begun)
            body, final = await here.queue.result(job_id, timeout_s=0.1)
            assert (json.loads(body), final) == ({"request_id": job_id, "status": "RUNNING"}, False)
            here.office.open.set()

    asyncio.run(main())


def test_without_a_place_to_wait_a_poll_is_refused_and_an_end_is_told(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, closed=True, max_polls=1) as here:
            job_id = await here.accept()
            waiting = asyncio.create_task(here.queue.result(job_id, timeout_s=PATIENCE_S))
            await eventually(lambda: here.bus.wanted(f"job:{job_id}"))
            with pytest.raises(TooManyWait):
                await here.queue.result(job_id, timeout_s=PATIENCE_S)
            assert (await here.queue.result(job_id, timeout_s=0.0))[1] is False
            here.office.open.set()
            assert (await waiting)[1] is True
            assert (await here.queue.result(job_id, timeout_s=PATIENCE_S))[1] is True

    asyncio.run(main())


def test_nobody_knows_an_unknown_request(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path) as here:
            for job_id in ("0" * 32, "nonsense", "\0", "0" * 100_000):
                with pytest.raises(NotFound):
                    await here.queue.result(job_id, timeout_s=5.0)
                with pytest.raises(NotFound):
                    await here.queue.cancel(job_id)

    asyncio.run(main())


def test_a_full_queue_accepts_nothing(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, max_waiting=2, start=False) as here:
            await here.accept()
            await here.accept()
            with pytest.raises(QueueFull):
                await here.accept()

    asyncio.run(main())


def test_a_cancelled_request_stays_so_and_its_decision_is_dropped(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, count=2, closed=True) as here:
            job_id = await here.accept()
            await eventually(lambda: here.office.begun)
            poll = asyncio.create_task(here.queue.result(job_id, timeout_s=PATIENCE_S))
            body = await here.queues[1].cancel(job_id)
            here.office.open.set()
            assert await poll == (body, True)
            assert await here.queue.cancel(job_id) == body
            await asyncio.gather(*(queue.drain() for queue in here.queues))
            assert await here.queue.result(job_id, timeout_s=0.0) == (body, True)
            assert await journal(here.stores[0]) == here.office.announced == []

    asyncio.run(main())


def test_what_is_done_cannot_be_cancelled(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path) as here:
            job_id = await here.accept()
            await here.end(job_id)
            with pytest.raises(IllegalChange, match="DONE"):
                await here.queue.cancel(job_id)

    asyncio.run(main())


def test_a_drained_worker_finishes_what_runs_and_leaves_the_rest(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, closed=True, most_at_once=1) as here:
            runs = await here.accept()
            await eventually(lambda: here.office.begun)
            waits = await here.accept()
            poll = asyncio.create_task(here.queue.result(waits, timeout_s=PATIENCE_S))
            await eventually(lambda: here.bus.wanted(f"job:{waits}"))
            draining = asyncio.create_task(here.queue.drain())
            assert (await poll)[1] is False
            here.office.open.set()
            await draining
            assert json.loads((await here.queue.result(runs, timeout_s=0.0))[0])["status"] == "DONE"
            assert json.loads((await here.queue.result(waits, timeout_s=0.0))[0])["status"] == "PENDING"

    asyncio.run(main())


def test_what_a_dead_worker_held_is_run_by_another(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, count=2, closed=True) as here:
            job_id = await here.accept()
            await eventually(lambda: here.office.begun)
            dead = here.queue if here.queue.held else here.queues[1]
            await dead.stop()
            here.office.open.set()
            other = here.queues[1] if dead is here.queue else here.queue
            body, final = await other.result(job_id, timeout_s=PATIENCE_S)
            assert (json.loads(body)["status"], final) == ("DONE", True)
            assert here.office.begun == [job_id, job_id]
            assert await journal(here.stores[0]) == here.office.announced == [job_id]

    asyncio.run(main())


def test_a_decision_waits_for_a_store_that_is_away(tmp_path: Path) -> None:
    async def main(location: Location) -> None:
        async with place(location, tmp_path, closed=True) as here:
            job_id = await here.accept()
            await eventually(lambda: here.office.begun)
            async with running(location) as other:
                go = asyncio.Event()
                held = asyncio.create_task(other.write(lambda _: go.wait(), within_s=30.0))
                await asyncio.sleep(0.1)
                here.office.open.set()
                await asyncio.sleep(1.5)
                go.set()
                await asyncio.gather(held, return_exceptions=True)
            assert (await here.end(job_id))["status"] == "DONE"
            assert await journal(here.stores[0]) == [job_id]

    asyncio.run(main(STORES["sqlite"](tmp_path)))


async def ends_of_a_bad_one_and_others(here: Place) -> tuple[dict[str, object], list[object]]:
    """The first of several that end together, and the status of the others."""
    bad = await here.accept()
    await eventually(lambda: here.office.begun)
    others = [await here.accept() for _ in range(3)]
    await eventually(lambda: len(here.office.begun) == 4)
    here.office.open.set()
    end = await here.end(bad)
    statuses = [(await here.end(other))["status"] for other in others]
    assert await journal(here.stores[0]) == sorted(others) == sorted(here.office.announced)
    await eventually(lambda: here.queue.held == 0)
    assert not any(task.done() for task in here.queue.tasks)
    return end, statuses


def test_an_answer_that_is_no_json_is_a_failure_of_its_own(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with place(location, tmp_path, closed=True) as here:
            here.office.first_action = float("nan")
            end, others = await ends_of_a_bad_one_and_others(here)
            assert (end["status"], end["error"]) == ("FAILED", {"code": "ValueError", "message": "why"})
            assert others == ["DONE"] * 3

    asyncio.run(main())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda decision: replace(decision, signal=None),
        lambda decision: replace(decision, signal=replace(decision.signal, user_id=None)),
    ],
    ids=["no row can be made", "the store refuses the row"],
)
def test_a_decision_that_cannot_be_written_is_a_failure_of_its_own(
    location: Location, tmp_path: Path, spoil: Callable[[Decision], Decision]
) -> None:
    async def main() -> None:
        async with place(location, tmp_path, closed=True) as here:
            here.office.spoil = spoil
            end, others = await ends_of_a_bad_one_and_others(here)
            assert end["status"] == "FAILED"
            assert end["error"] == {
                "code": "internal",
                "message": "An error of ours; it is logged under the request id.",
            }
            assert others == ["DONE"] * 3

    asyncio.run(main())


@asynccontextmanager
async def locked(location: Location, job_id: str) -> AsyncIterator[None]:
    """The row of a job locked by another process, as while that one cancels it."""
    locks, go = asyncio.Event(), asyncio.Event()

    async def lock(connection: StoreConnection) -> None:
        await connection.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        locks.set()
        await go.wait()

    async with running(location) as other:
        holding = asyncio.create_task(other.write(lock))
        await locks.wait()
        try:
            yield
        finally:
            go.set()
            await holding


def test_an_end_that_finds_its_row_locked_is_written_later(tmp_path: Path) -> None:
    async def main(location: Location) -> None:
        async with place(location, tmp_path, closed=True) as here:
            job_id = await here.accept()
            await eventually(lambda: here.office.begun)
            async with locked(location, job_id):
                here.office.open.set()
                await asyncio.sleep(0.5)
                assert here.queue.held == 1
            assert (await here.end(job_id))["status"] == "DONE"
            assert here.office.begun == await journal(here.stores[0]) == [job_id]

    asyncio.run(main(STORES["postgresql"](tmp_path)))


def test_a_cancel_that_finds_its_row_locked_says_that_it_may_have_happened_or_not(tmp_path: Path) -> None:
    async def main(location: Location) -> None:
        async with place(location, tmp_path, start=False) as here:
            job_id = await here.accept()
            async with locked(location, job_id):
                with pytest.raises(StoreUnavailable):
                    await here.queue.cancel(job_id)

    asyncio.run(main(STORES["postgresql"](tmp_path)))
