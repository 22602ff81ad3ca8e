"""A transaction of SQLite runs in one go of its own thread: what waits in it is refused, what is late is stopped."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from adapters.store.channel import Channel
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work
from adapters.store.sqlite_threads import writer
from adapters.store.tables import secrets
from tests.fakes.stores import running, sqlite
from trading.errors import NotFound, StoreUnavailable

# What ends in time takes a few seconds at most; on a busy machine what does not would take this long or for ever.
BOUND_S = 10.0
# Counts for minutes, and changes nothing.
FOR_MINUTES = text("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")


def put(name: str) -> Work[str]:
    async def work(connection: StoreConnection) -> str:
        await connection.execute(insert(secrets).values(name=name, value="1"))
        return name

    return work


async def names(connection: StoreConnection) -> list[str]:
    return list((await connection.execute(select(secrets.c.name).order_by(secrets.c.name))).scalars())


async def count_for_minutes(connection: StoreConnection) -> None:
    await connection.execute(FOR_MINUTES)


async def put_and_count_for_minutes(connection: StoreConnection) -> None:
    await put("late")(connection)
    await count_for_minutes(connection)


@asynccontextmanager
async def threads(location: Location) -> AsyncIterator[Channel]:
    """The one that writes."""
    writing = writer(location.url, patience_s=1.0)
    try:
        yield Channel("writing to", writing, time.monotonic)
    finally:
        await writing.close()


def is_locked(location: Location) -> bool:
    other = sqlite3.connect(str(location.file), isolation_level=None, timeout=0.0)
    try:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        other.close()
    return False


async def eventually_free(location: Location) -> None:
    deadline_s = time.monotonic() + BOUND_S
    while is_locked(location):
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.02)


async def eventually(store: Store, name: str) -> None:
    deadline_s = time.monotonic() + BOUND_S
    while True:
        try:
            await store.write(put(name))
        except StoreUnavailable:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.1)
        else:
            return


def test_every_transaction_of_a_connection_runs_in_the_same_thread_of_its_own(tmp_path: Path) -> None:
    async def where(_: StoreConnection) -> threading.Thread:
        return threading.current_thread()

    async def scenario() -> None:
        async with threads(sqlite(tmp_path)) as writing:
            first, second = (
                await writing.transact(where, within_s=BOUND_S),
                await writing.transact(where, within_s=BOUND_S),
            )
            assert first is second
            assert first is not threading.current_thread()
            assert first.daemon  # a disk that hangs does not keep the process from its end

    asyncio.run(scenario())


def test_work_that_waits_is_refused_and_nothing_of_it_happens(tmp_path: Path) -> None:
    async def put_and_wait(connection: StoreConnection) -> None:
        await put("waits")(connection)
        await asyncio.sleep(0)

    async def scenario() -> None:
        async with running(sqlite(tmp_path)) as store:
            with pytest.raises(RuntimeError, match="may wait for nothing but its statements"):
                await store.write(put_and_wait)
            assert await store.write(put("a")) == "a"
            assert await store.read(names) == ["a"]

    asyncio.run(scenario())


def test_of_works_that_share_a_transaction_a_refused_one_and_one_that_waits_are_left_out(tmp_path: Path) -> None:
    async def wait(_: StoreConnection) -> None:
        await asyncio.sleep(0)

    async def find_nothing(_: StoreConnection) -> None:
        raise NotFound("secret")

    async def scenario() -> None:
        async with running(sqlite(tmp_path)) as store:
            await store.write(put("there"))
            works = [put(f"{place:02}") for place in range(22)]
            works[3:3], works[9:9], works[15:15] = [put("there")], [find_nothing], [wait]  # type: ignore[list-item]
            outcomes = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
            assert [type(outcomes[place]).__name__ for place in (3, 9, 15)] == [
                "RefusedStatement",
                "NotFound",
                "RuntimeError",
            ]
            written = [outcome for outcome in outcomes if isinstance(outcome, str)]
            assert written == [f"{place:02}" for place in range(22)]
            assert await store.read(names) == [*written, "there"]
            assert store.failure is None

    asyncio.run(scenario())


def test_a_statement_that_takes_too_long_is_stopped_and_the_store_works_again(tmp_path: Path) -> None:
    location = sqlite(tmp_path)

    async def scenario() -> None:
        async with running(location) as store:
            started_s = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await store.read(count_for_minutes, within_s=0.3)
            with pytest.raises(StoreUnavailable):
                await store.write(put_and_count_for_minutes)
            await eventually(store, "after")
            assert time.monotonic() - started_s < BOUND_S
            assert await store.read(names) == ["after"]

    before = threading.active_count()
    asyncio.run(scenario())
    deadline_s = time.monotonic() + BOUND_S
    while threading.active_count() > before:
        assert time.monotonic() < deadline_s, threading.enumerate()
        time.sleep(0.02)


def test_a_caller_that_leaves_leaves_no_lock_behind(tmp_path: Path) -> None:
    location = sqlite(tmp_path)
    begun = threading.Event()

    async def begin_and_go_on(connection: StoreConnection) -> None:
        begun.set()
        await put_and_count_for_minutes(connection)

    async def scenario() -> None:
        async with threads(location) as writing:
            leaving = asyncio.create_task(writing.transact(begin_and_go_on, within_s=BOUND_S))
            await asyncio.to_thread(begun.wait)
            assert is_locked(location)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            await eventually_free(location)
            assert await writing.transact(names, within_s=BOUND_S) == []

    asyncio.run(scenario())


def test_a_transaction_that_was_given_up_between_two_statements_does_not_happen(tmp_path: Path) -> None:
    location = sqlite(tmp_path)
    begun, go_on = threading.Event(), threading.Event()

    async def put_both(connection: StoreConnection) -> None:
        await put("a")(connection)
        begun.set()
        assert go_on.wait(BOUND_S)

    async def scenario() -> None:
        async with threads(location) as writing:
            leaving = asyncio.create_task(writing.transact(put_both, within_s=BOUND_S))
            await asyncio.to_thread(begun.wait)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            go_on.set()
            await eventually_free(location)
            assert await writing.transact(names, within_s=BOUND_S) == []

    asyncio.run(scenario())


def test_results_that_nobody_read_to_their_end_hold_no_old_state(tmp_path: Path) -> None:
    kept = []

    async def look(connection: StoreConnection) -> None:
        kept.append(await connection.execute(select(secrets.c.name)))

    async def scenario() -> None:
        async with running(sqlite(tmp_path)) as store:
            await asyncio.gather(*(store.write(put(name)) for name in "abc"))
            await asyncio.gather(store.read(look), store.read(look))
            await store.write(put("d"))
            assert await asyncio.gather(store.read(names), store.read(names)) == [list("abcd")] * 2

    asyncio.run(scenario())


def test_the_store_stops_in_time_while_another_process_holds_the_lock_and_writes_nothing_later(tmp_path: Path) -> None:
    location = sqlite(tmp_path)
    holder = sqlite3.connect(str(location.file), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    async def scenario() -> None:
        async with running(location) as store:
            calls = [asyncio.create_task(store.write(put(str(place)))) for place in range(10)]
            await asyncio.sleep(0.1)
            started_s = time.monotonic()
        assert time.monotonic() - started_s < BOUND_S
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)

    before = threading.active_count()
    asyncio.run(scenario())
    holder.execute("ROLLBACK")
    deadline_s = time.monotonic() + BOUND_S
    while threading.active_count() > before:
        assert time.monotonic() < deadline_s, threading.enumerate()
        time.sleep(0.02)
    assert holder.execute("SELECT count(*) FROM secrets").fetchone() == (0,)
    holder.close()


def test_more_transactions_than_connections_wait_for_one_no_longer_than_patience(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def hold(_: StoreConnection) -> None:
        begun.set()
        assert go_on.wait(BOUND_S)

    async def scenario() -> None:
        async with threads(sqlite(tmp_path)) as channel:
            holding = asyncio.create_task(channel.transact(hold, within_s=BOUND_S))
            await asyncio.to_thread(begun.wait)
            with pytest.raises(Exception, match="busy"):
                await channel.transact(names, within_s=BOUND_S)
            assert channel.failure is None  # others work: it is not away
            go_on.set()
            await holding

    asyncio.run(scenario())
