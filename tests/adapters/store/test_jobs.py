"""The steps of the job queue, on each database."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from adapters.store import jobs
from adapters.store.engine import Location, Store
from adapters.store.jobs import Ended, Finished, accept_one, cancel, depth, finish, renew, sweep, take
from tests.fakes.jobs import HandClock, done, job, note, noted, read
from tests.fakes.postgres import cluster
from tests.fakes.stores import postgresql, running
from trading.errors import NotFound, QueueFull
from trading.jobs import LEASE_S, JobStatus

MANY = 1_000


def within(location: Location, test: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as store:
            await test(store)

    asyncio.run(main())


def ended(*ids: str) -> Finished:
    """These ended, and nobody was in the way."""
    return Finished(ended=frozenset(ids), busy=frozenset())


def test_a_job_is_pending_until_taken_and_done_once_finished(location: Location) -> None:
    async def test(store: Store) -> None:
        clock, made = HandClock(), job()
        await store.write(accept_one(made, max_waiting=MANY))
        assert (await store.read(read(made.id))).status is JobStatus.PENDING

        (taken,) = await store.write(take("worker", 16, clock))
        assert (taken.id, taken.epoch, taken.request, taken.deadline) == (made.id, 1, made.request, made.deadline)
        assert (await store.read(read(made.id))).status is JobStatus.RUNNING

        end = done(taken, 'a "quoted" \\ € 😀 text')
        assert await store.write(finish([end], clock, note)) == ended(made.id)
        stored = await store.read(read(made.id))
        assert (stored.status, stored.answer, stored.user_id) == (JobStatus.DONE, end.answer, "user123")
        assert await store.read(noted) == [made.id]

    within(location, test)


def test_the_first_by_rank_are_taken_in_that_order(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        low, high, middle = (job(priority=priority) for priority in (3, 1, 2))
        for made in (low, high, middle):
            await store.write(accept_one(made, max_waiting=MANY))

        assert [taken.id for taken in await store.write(take("worker", 2, clock))] == [high.id, middle.id]
        assert [taken.id for taken in await store.write(take("worker", 2, clock))] == [low.id]

    within(location, test)


def test_a_low_priority_near_its_deadline_overtakes_fresh_high_ones(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        old = job(priority=3, timeout_s=5.0)
        await store.write(accept_one(old, max_waiting=MANY))
        clock.go(4.6)
        for _ in range(3):
            await store.write(accept_one(job(clock(), priority=1), max_waiting=MANY))

        assert [taken.id for taken in await store.write(take("worker", 1, clock))] == [old.id]

    within(location, test)


def test_a_full_queue_takes_no_more(location: Location) -> None:
    async def test(store: Store) -> None:
        outcomes = await asyncio.gather(
            *(store.write(accept_one(job(), max_waiting=10)) for _ in range(25)), return_exceptions=True
        )
        assert Counter(type(outcome) for outcome in outcomes) == {bytes: 10, QueueFull: 15}

        await store.write(take("worker", 1, HandClock()))
        await store.write(accept_one(job(), max_waiting=10))

    within(location, test)


def test_a_job_accepted_again_stays_as_it_is(location: Location) -> None:
    async def test(store: Store) -> None:
        made = job()
        await store.write(accept_one(made, max_waiting=MANY))
        (taken,) = await store.write(take("worker", 1, HandClock()))
        await store.write(accept_one(made, max_waiting=MANY))

        assert taken.id == made.id
        assert (await store.read(read(made.id))).status is JobStatus.RUNNING

    within(location, test)


def test_two_workers_never_take_the_same_job(location: Location) -> None:
    async def main() -> None:
        clock = HandClock()
        async with running(location) as one, running(location) as other:
            await asyncio.gather(*(one.write(accept_one(job(), max_waiting=MANY)) for _ in range(60)))
            batches = await asyncio.gather(*(store.write(take("worker", 7, clock)) for store in (one, other) * 6))
            taken = [found.id for batch in batches for found in batch]
        assert len(taken) == len(set(taken)) == 60

    asyncio.run(main())


def test_a_deadline_is_kept_when_the_wall_clock_jumps(location: Location) -> None:
    async def test(store: Store) -> None:
        clock, made = HandClock(), job(timeout_s=5.0)
        await store.write(accept_one(made, max_waiting=MANY))
        clock.jump(3600.0)
        assert (await store.write(sweep(clock))).expired == {}
        clock.jump(-7200.0)
        clock.go(5.0)

        assert await store.write(take("worker", 16, clock)) == []
        assert set((await store.write(sweep(clock))).expired) == {made.id}

    within(location, test)


def test_after_a_reboot_the_wall_clock_decides(location: Location) -> None:
    async def test(store: Store) -> None:
        clock, short, long = HandClock(), job(timeout_s=5.0), job(timeout_s=30.0)
        for made in (short, long):
            await store.write(accept_one(made, max_waiting=MANY))
        clock.reboot("next boot", after_s=10.0)

        assert set((await store.write(sweep(clock))).expired) == {short.id}
        assert [taken.id for taken in await store.write(take("worker", 16, clock))] == [long.id]

    within(location, test)


def test_what_waited_past_its_deadline_expires_and_says_so(location: Location) -> None:
    async def test(store: Store) -> None:
        clock, made = HandClock(), job(timeout_s=0.5)
        await store.write(accept_one(made, max_waiting=MANY))
        clock.go(0.6)

        swept = await store.write(sweep(clock))

        stored = await store.read(read(made.id))
        assert (stored.status, stored.answer) == (JobStatus.EXPIRED, swept.expired[made.id])
        assert json.loads(stored.answer or "")["error"]["code"] == "expired"

    within(location, test)


def test_a_job_whose_taker_is_gone_is_taken_again_and_the_first_taker_comes_too_late(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        await store.write(accept_one(job(timeout_s=30.0), max_waiting=MANY))
        (first,) = await store.write(take("one", 1, clock))
        clock.go(LEASE_S)
        assert (await store.write(sweep(clock))).returned == 1
        (second,) = await store.write(take("other", 1, clock))

        assert second.epoch == first.epoch + 1
        assert await store.write(finish([done(first, "late")], clock, note)) == ended()
        assert await store.write(finish([done(second, "right")], clock, note)) == ended(second.id)
        assert (await store.read(read(second.id))).answer == done(second, "right").answer
        assert await store.read(noted) == [second.id]

    within(location, test)


def test_a_taker_that_returns_before_anybody_else_took_its_job_is_too_late_as_well(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        await store.write(accept_one(job(timeout_s=30.0), max_waiting=MANY))
        (taken,) = await store.write(take("one", 1, clock))
        clock.go(LEASE_S)
        await store.write(sweep(clock))

        assert await store.write(finish([done(taken)], clock, note)) == ended()
        assert await store.read(noted) == []

    within(location, test)


def test_a_renewed_lease_holds(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        for _ in range(2):
            await store.write(accept_one(job(timeout_s=30.0), max_waiting=MANY))
        kept, left = await store.write(take("one", 2, clock))
        clock.go(LEASE_S - 0.5)
        await store.write(renew({kept.id: kept.epoch, left.id: left.epoch + 1}, clock))
        clock.go(1.0)

        assert (await store.write(sweep(clock))).returned == 1
        assert (await store.read(read(kept.id))).status is JobStatus.RUNNING
        assert (await store.read(read(left.id))).status is JobStatus.PENDING

    within(location, test)


def test_a_job_that_lost_its_taker_past_its_deadline_expires(location: Location) -> None:
    async def test(store: Store) -> None:
        clock, made = HandClock(), job(timeout_s=1.0)
        await store.write(accept_one(made, max_waiting=MANY))
        await store.write(take("one", 1, clock))
        clock.go(LEASE_S)

        assert set((await store.write(sweep(clock))).expired) == {made.id}

    within(location, test)


def test_finishing_again_says_the_same_and_writes_nothing(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        await store.write(accept_one(job(), max_waiting=MANY))
        (taken,) = await store.write(take("one", 1, clock))
        first = await store.write(finish([done(taken)], clock, note))

        assert await store.write(finish([done(taken)], clock, note)) == first == ended(taken.id)
        assert await store.write(finish([done(taken, "another")], clock, note)) == ended()
        assert await store.read(noted) == [taken.id]

    within(location, test)


def test_many_jobs_end_in_one_write_each_in_its_own_way(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        for _ in range(3):
            await store.write(accept_one(job(), max_waiting=MANY))
        first, second, third = await store.write(take("one", 3, clock))
        await store.write(cancel(third.id, clock))
        failed = Ended(id=second.id, epoch=second.epoch, status=JobStatus.FAILED, answer="{}")

        finished = await store.write(finish([done(first), failed, done(third)], clock, note))
        assert finished == ended(first.id, second.id)
        assert [(await store.read(read(taken.id))).status for taken in (first, second, third)] == [
            JobStatus.DONE,
            JobStatus.FAILED,
            JobStatus.CANCELLED,
        ]

    within(location, test)


@pytest.mark.parametrize("taken", [False, True])
def test_what_has_not_ended_can_be_cancelled_once_and_for_all(location: Location, taken: bool) -> None:
    async def test(store: Store) -> None:
        clock, made = HandClock(), job(timeout_s=1.0)
        await store.write(accept_one(made, max_waiting=MANY))
        if taken:
            await store.write(take("one", 1, clock))

        cancelled = await store.write(cancel(made.id, clock))
        clock.go(60.0)
        await store.write(sweep(clock))

        assert cancelled.status is JobStatus.CANCELLED
        assert await store.write(cancel(made.id, clock)) == cancelled == await store.read(read(made.id))
        assert await store.write(take("one", 1, clock)) == []

    within(location, test)


def test_what_has_ended_cannot_be_cancelled(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        await store.write(accept_one(job(), max_waiting=MANY))
        (taken,) = await store.write(take("one", 1, clock))
        await store.write(finish([done(taken)], clock, note))

        assert (await store.write(cancel(taken.id, clock))).status is JobStatus.DONE
        assert (await store.read(read(taken.id))).answer == done(taken).answer

    within(location, test)


def test_nobody_knows_an_unknown_job(location: Location) -> None:
    async def test(store: Store) -> None:
        assert await store.read(jobs.read(["nonsense"])) == {}
        with pytest.raises(NotFound):
            await store.write(cancel("nonsense", HandClock()))

    within(location, test)


def test_of_a_cancel_and_a_finish_at_once_exactly_one_holds(location: Location) -> None:
    async def main() -> None:
        clock = HandClock()
        async with running(location) as one, running(location) as other:
            for _ in range(20):
                await one.write(accept_one(job(), max_waiting=MANY))
            taken = await one.write(take("one", 20, clock))
            outcomes = await asyncio.gather(
                *(one.write(finish([done(each)], clock, note)) for each in taken),
                *(other.write(cancel(each.id, clock)) for each in reversed(taken)),
            )
            finished: set[str] = set().union(*(out.ended for out in outcomes if isinstance(out, Finished)))
            for each in taken:
                expected = JobStatus.DONE if each.id in finished else JobStatus.CANCELLED
                # A cancel that met the row while another transaction held it left it as it was.
                found = (await one.read(read(each.id))).status
                assert found is expected or (found is JobStatus.RUNNING and each.id not in finished)
            assert await one.read(noted) == sorted(finished)

    asyncio.run(main())


def test_a_job_that_somebody_else_is_changing_right_now_is_busy_and_can_be_ended_afterwards(tmp_path: Path) -> None:
    location = postgresql(tmp_path)

    async def main() -> None:
        clock = HandClock()
        async with running(location) as store:
            await store.write(accept_one(job(), max_waiting=MANY))
            (taken,) = await store.write(take("worker", 16, clock))
            holder = await asyncpg.connect(cluster().url(str(location.url.database)))
            held = holder.transaction()
            await held.start()
            await holder.execute("SELECT 1 FROM jobs FOR UPDATE")
            busy = Finished(ended=frozenset(), busy=frozenset({taken.id}))
            assert await store.write(finish([done(taken)], clock, note)) == busy
            assert await store.read(noted) == []
            await held.rollback()
            assert await store.write(finish([done(taken)], clock, note)) == ended(taken.id)
            await holder.close()

    asyncio.run(main())


def test_the_depth_counts_what_waits_and_what_runs(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        assert await store.read(depth()) == {JobStatus.PENDING: 0, JobStatus.RUNNING: 0}
        for _ in range(3):
            await store.write(accept_one(job(), max_waiting=MANY))
        await store.write(take("one", 1, clock))

        assert await store.read(depth()) == {JobStatus.PENDING: 2, JobStatus.RUNNING: 1}

    within(location, test)
