"""What agents did is counted once, for the agent that did it, and no two processes wait for each other in a circle."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from adapters.store.agents import Activity, activity, change_agent
from adapters.store.choices import choose
from adapters.store.engine import Location, Store, Work
from adapters.store.journal import Journal
from adapters.store.retention import Keep, sweep
from adapters.store.spool import Spool
from adapters.store.terms import save_feature_names
from tests.fakes.agents import CONFIG
from tests.fakes.journals import START_S, entry, insert, row, rows_of, start_agent
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.agents import Agent, AgentCommand, StartResult, control, start
from trading.vocabulary import FailureReason

USERS = [f"user{number}" for number in range(10)]


def begin(user_id: str, wall_s: float) -> Work[tuple[Agent, StartResult]]:
    return change_agent(user_id, lambda known: start(known, user_id, CONFIG, wall_s=wall_s))


def end(user_id: str, wall_s: float) -> Work[tuple[Agent, None]]:
    return change_agent(user_id, lambda known: (control(known, AgentCommand.STOP, wall_s=wall_s), None))


@asynccontextmanager
async def processes(location: Location, count: int) -> AsyncIterator[Sequence[Store]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(location)) for _ in range(count)]


def test_writes_of_many_processes_in_any_order_never_wait_for_each_other_in_a_circle(location: Location) -> None:
    chance = random.Random(7)

    async def main() -> None:
        async with processes(location, 4) as stores:
            for user in USERS:
                await start_agent(stores[0], user)
            journals = [Journal(store, Spool(Path("/nowhere")), to_row=row) for store in stores]
            numbers = iter(range(10_000))

            def keyed(journal: Journal) -> Work[None]:
                # As a keyed prediction and the end of a job are: one decision, in a transaction with others.
                one = [entry(next(numbers), user_id=chance.choice(USERS))]
                return lambda connection: journal.insert(connection, one)

            def flushed(journal: Journal) -> Work[None]:
                many = [entry(next(numbers), user_id=chance.choice(USERS)) for _ in range(20)]
                return lambda connection: journal.insert(connection, many)

            for turn in range(15):
                writes: list[tuple[Store, Work[object]]] = []
                for store, journal in zip(stores, journals, strict=True):
                    works: list[Work[object]] = [keyed(journal) for _ in range(6)]
                    works += [
                        flushed(journal),
                        begin(f"new{chance.randrange(4)}", 1.0),
                        choose(f"name{chance.randrange(3)}", "1"),
                        *(save_feature_names(f"{turn} {name}", ["a"]) for name in chance.sample("abcd", 2)),
                    ]
                    chance.shuffle(works)
                    writes += [(store, work) for work in works]
                await asyncio.gather(*(store.write(work) for store, work in writes))
            made = next(numbers)
            assert await rows_of(stores[0], "SELECT sum(predictions), count(*) FROM agent_activity") == [(made, 10)]

    run(main())


def test_sweeps_of_many_processes_among_other_writes_all_succeed(location: Location) -> None:
    keep = Keep(decisions_s=10.0, results_s=10.0, answers_s=10.0)

    async def main() -> None:
        async with processes(location, 3) as stores:
            for first in range(0, 600, 100):
                await insert(
                    stores[0], [entry(number, symbol=f"S{number % 7}") for number in range(first, first + 100)]
                )
            changes = [store.write(choose(f"n{number}", "1")) for number in range(5) for store in stores]
            sweeps = [sweep(store, keep, now_s=START_S + 1e6) for store in stores]
            await asyncio.gather(*sweeps, *changes)
            assert await rows_of(stores[0], "SELECT sum(decisions) FROM decision_days") == [(600,)]

    run(main())


def test_an_agent_that_starts_again_after_it_was_stopped_counts_anew(location: Location) -> None:
    failed = FailureReason.POLICY_ERROR

    async def main() -> None:
        async with running(location) as store:
            await store.write(begin("amy", START_S))
            await insert(store, [entry(1, user_id="amy", failure=failed), entry(2, user_id="amy")])
            assert await store.read(activity("amy")) == Activity(predictions=2, errors=1, last_activity_s=START_S + 2)
            await store.write(end("amy", START_S + 3))
            assert (await store.read(activity("amy"))).predictions == 2
            await store.write(begin("amy", START_S + 5))
            assert await store.read(activity("amy")) == Activity(predictions=0, errors=0, last_activity_s=None)
            # What a worker journals late is still that of the agent before.
            await insert(store, [entry(4, user_id="amy", failure=failed), entry(6, user_id="amy")])
            assert await store.read(activity("amy")) == Activity(predictions=1, errors=0, last_activity_s=START_S + 6)

    run(main())


def test_what_a_transaction_counted_that_failed_is_not_counted_with_the_next(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await start_agent(store, "amy")
            journal = Journal(store, Spool(Path("/nowhere")), to_row=row)

            async def fails(connection: object) -> None:
                await journal.insert(connection, [entry(1, user_id="amy")])  # type: ignore[arg-type]
                raise KeyError("a fault of ours")

            await asyncio.gather(store.write(fails), return_exceptions=True)
            await insert(store, [entry(2, user_id="amy")])
            assert await rows_of(store, "SELECT predictions FROM agent_activity") == [(1,)]

    run(main())
