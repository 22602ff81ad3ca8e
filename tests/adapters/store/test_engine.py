"""The store on both databases: what a write and a read promise, for themselves and for their neighbours."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Work, locate
from adapters.store.failures import RefusedStatement
from adapters.store.tables import secrets
from tests.fakes.served import ROOT
from tests.fakes.stores import postgresql, running, sqlite
from trading.errors import InvalidSetting, NotFound, StoreUnavailable


def put(name: str, value: str = "1") -> Work[str]:
    async def work(connection: StoreConnection) -> str:
        await connection.execute(insert(secrets).values(name=name, value=value))
        return name

    return work


async def names(connection: StoreConnection) -> list[str]:
    return list((await connection.execute(select(secrets.c.name).order_by(secrets.c.name))).scalars())


async def find_nothing(_: StoreConnection) -> None:
    raise NotFound("secret")


async def speak_nonsense(connection: StoreConnection) -> None:
    await connection.execute(text("SELECT nonsense FROM nowhere"))


async def stumble(_: StoreConnection) -> None:
    raise KeyError("a fault of ours")


def written(location: Location) -> list[str]:
    """What another process finds."""

    async def look() -> list[str]:
        async with running(location) as store:
            return await store.read(names)

    return asyncio.run(look())


def test_what_a_write_returned_is_there_for_the_next_process(location: Location) -> None:
    async def scenario() -> str:
        async with running(location) as store:
            return await store.write(put("a"))

    assert asyncio.run(scenario()) == "a"
    assert written(location) == ["a"]


def test_writes_of_the_same_moment_share_a_transaction(location: Location) -> None:
    transactions = []

    def noted(name: str) -> Work[str]:
        async def work(connection: StoreConnection) -> str:
            transactions.append(connection)
            return await put(name)(connection)

        return work

    async def scenario() -> list[str]:
        async with running(location) as store:
            return await asyncio.gather(*(store.write(noted(f"{place:03}")) for place in range(20)))

    expected = [f"{place:03}" for place in range(20)]
    assert asyncio.run(scenario()) == expected
    assert written(location) == expected
    assert len(set(transactions)) == 1


def far_away(name: str, round_trips_s: float) -> Work[str]:
    """A write that takes this long for its round trips."""

    async def work(connection: StoreConnection) -> str:
        await asyncio.sleep(round_trips_s)
        return await put(name)(connection)

    return work


def test_over_a_slow_network_fewer_writes_share_a_transaction_and_none_fails(tmp_path: Path) -> None:
    async def scenario(location: Location) -> list[str]:
        async with running(location) as store:
            writes = (store.write(far_away(f"{place:03}", 0.04), within_s=20) for place in range(70))
            return await asyncio.gather(*writes)

    assert asyncio.run(scenario(postgresql(tmp_path))) == [f"{place:03}" for place in range(70)]


def slow(name: str, seconds: float) -> Work[str]:
    """A write that takes this long on a slow disk."""

    async def work(connection: StoreConnection) -> str:
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_sleep({seconds})"))
        else:
            time.sleep(seconds)  # noqa: ASYNC251 - in the thread of the transaction
        return await put(name)(connection)

    return work


def test_after_a_transaction_that_took_too_long_fewer_writes_share_one(location: Location) -> None:
    async def scenario() -> list[str]:
        async with running(location) as store:
            writes = (store.write(slow(f"first {place}", 0.1), within_s=20) for place in range(25))
            outcomes = await asyncio.gather(*writes, return_exceptions=True)
            assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
            await asyncio.sleep(0.6)
            writes = (store.write(slow(f"{place:03}", 0.1), within_s=20) for place in range(25))
            return await asyncio.gather(*writes)

    assert asyncio.run(scenario()) == [f"{place:03}" for place in range(25)]


def test_a_quick_store_shares_a_transaction_among_ever_more_writes(location: Location) -> None:
    transactions = []

    def noted(name: str) -> Work[str]:
        async def work(connection: StoreConnection) -> str:
            transactions.append(connection)
            return await put(name)(connection)

        return work

    async def scenario() -> None:
        async with running(location) as store:
            await asyncio.gather(*(store.write(noted(f"{place:03}")) for place in range(175)))

    asyncio.run(scenario())
    assert len(set(transactions)) <= 5


BAD_WRITES: dict[str, tuple[Callable[[], Work[object]], type[Exception]]] = {
    "a row that is there already": (lambda: put("there"), RefusedStatement),
    "a row that breaks a rule": (lambda: put("none", None), RefusedStatement),  # type: ignore[arg-type]
    "a statement that makes no sense": (lambda: speak_nonsense, RefusedStatement),
    "an error of ours": (lambda: find_nothing, NotFound),
    "a fault of ours": (lambda: stumble, KeyError),
}


@pytest.mark.parametrize(("make", "expected"), BAD_WRITES.values(), ids=BAD_WRITES)
def test_a_write_that_fails_fails_alone(
    location: Location, make: Callable[[], Work[object]], expected: type[Exception]
) -> None:
    async def scenario() -> list[object]:
        async with running(location) as store:
            await store.write(put("there"))
            works = [put("a"), make(), put("b")]
            outcomes = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
            return [*outcomes, await store.write(put("c")), store.failure]

    a, failed, *others = asyncio.run(scenario())
    assert type(failed) is expected
    assert [a, *others] == ["a", "b", "c", None]
    assert written(location) == ["a", "b", "c", "there"]


def test_a_text_that_only_one_database_refuses_fails_alone(location: Location) -> None:
    async def scenario() -> list[object]:
        async with running(location) as store:
            works = [put("a"), put("nul\0"), put("b")]
            outcomes = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
            return [*outcomes, store.failure]

    a, nul, *others = asyncio.run(scenario())
    assert [a, *others] == ["a", "b", None]
    assert nul == "nul\0" or isinstance(nul, StoreUnavailable)


def test_what_is_refused_is_told_without_its_values(location: Location, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> str:
        async with running(location) as store:
            await store.write(put("hunter2", "hunter2"))
            with pytest.raises(StoreUnavailable) as refused:
                await store.write(put("hunter2", "hunter2"))
            return str(refused.value)

    told = asyncio.run(scenario())
    assert "Integrity" in told or "Unique" in told
    assert "hunter2" not in told + caplog.text


def gate(location: Location) -> tuple[Callable[[], Awaitable[None]], Callable[[], None]]:
    """Where work may wait for the test: its own thread does on SQLite."""
    if location.file is None:
        event = asyncio.Event()

        async def wait() -> None:
            await event.wait()

        return wait, event.set
    opened = threading.Event()

    async def block() -> None:
        assert opened.wait(timeout=5.0)

    return block, opened.set


def test_a_read_sees_what_was_committed_while_a_write_is_under_way(location: Location) -> None:
    async def scenario() -> tuple[list[str], list[str]]:
        begun, go_on = threading.Event(), gate(location)

        async def slowly(connection: StoreConnection) -> None:
            await put("b")(connection)
            begun.set()
            await go_on[0]()

        async with running(location) as store:
            await store.write(put("a"))
            writing = asyncio.create_task(store.write(slowly))
            await asyncio.to_thread(begun.wait)
            meanwhile = await store.read(names)
            go_on[1]()
            await writing
            return meanwhile, await store.read(names)

    assert asyncio.run(scenario()) == (["a"], ["a", "b"])


def test_a_read_sees_one_state_from_its_first_look_on(location: Location) -> None:
    async def scenario() -> tuple[list[str], list[str]]:
        looked, go_on = threading.Event(), gate(location)

        async def twice(connection: StoreConnection) -> tuple[list[str], list[str]]:
            first = await names(connection)
            looked.set()
            await go_on[0]()
            return first, await names(connection)

        async with running(location) as store:
            await store.write(put("a"))
            reading = asyncio.create_task(store.read(twice))
            await asyncio.to_thread(looked.wait)
            await store.write(put("b"))
            go_on[1]()
            return await reading

    assert asyncio.run(scenario()) == (["a"], ["a"])


def test_a_read_changes_nothing(location: Location) -> None:
    async def scenario() -> None:
        async with running(location) as store:
            with pytest.raises(StoreUnavailable):
                await store.read(put("a"))

    asyncio.run(scenario())
    assert written(location) == []


def test_an_error_of_ours_leaves_a_read_as_it_is(location: Location) -> None:
    async def scenario() -> list[str]:
        async with running(location) as store:
            with pytest.raises(NotFound):
                await store.read(find_nothing)
            return await store.read(names)

    assert asyncio.run(scenario()) == []


def test_a_caller_that_leaves_does_not_disturb_the_others(location: Location) -> None:
    async def scenario() -> list[object]:
        async with running(location) as store:
            writes = [asyncio.create_task(store.write(put(name))) for name in "abc"]
            await asyncio.sleep(0)
            writes[1].cancel()
            return await asyncio.gather(*writes, return_exceptions=True)

    a, left, c = asyncio.run(scenario())
    assert (a, c) == ("a", "c")
    assert isinstance(left, asyncio.CancelledError)
    assert {"a", "c"} <= set(written(location))


def test_what_waits_is_written_before_the_store_stops(location: Location) -> None:
    async def scenario() -> list[object]:
        async with running(location) as store:
            writes = [asyncio.create_task(store.write(put(name))) for name in "abc"]
            await asyncio.sleep(0)
        return await asyncio.gather(*writes)

    assert asyncio.run(scenario()) == ["a", "b", "c"]


def test_a_stopped_store_says_so(location: Location) -> None:
    async def scenario() -> None:
        async with running(location) as store:
            pass
        with pytest.raises(StoreUnavailable, match="stopped"):
            await store.write(put("a"))
        with pytest.raises(StoreUnavailable, match="stopped"):
            await store.read(names)

    asyncio.run(scenario())


def test_a_stopped_store_leaves_no_task_behind(location: Location) -> None:
    async def scenario() -> int:
        async with running(location) as store:
            await store.write(put("a"))
            await store.read(names)
        return len(asyncio.all_tasks())

    assert asyncio.run(scenario()) == 1


@pytest.mark.parametrize("url", ["mysql://host/rl", "postgresql://host", "rl", "postgresql://host:port/rl", ""])
def test_a_database_that_is_no_postgresql_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidSetting, match=r"DATABASE_URL: must look like") as refused:
        locate(url.replace("//", "//rl:hunter2@"), Path())
    assert "hunter2" not in str(refused.value)


def test_a_location_is_told_without_its_password() -> None:
    location = locate("postgresql://rl:hunter2@host/rl", Path())
    assert "hunter2" not in f"{location} {location!r}"


WRITE_ON = """
import asyncio, sys, time
from pathlib import Path
from sqlalchemy import insert
from adapters.store.engine import Store, locate
from adapters.store.tables import secrets
from trading.errors import StoreUnavailable

async def write_on(store, name, until_s):
    failed = n = 0
    while time.monotonic() < until_s:
        n += 1
        async def work(connection):
            await connection.execute(insert(secrets).values(name=f"{name} {n}", value="1"))
        try:
            await store.write(work)
        except StoreUnavailable:
            failed += 1
            await asyncio.sleep(0.01)
    return failed

async def scenario():
    store = Store(locate(None, Path(sys.argv[1])))
    await store.start()
    until_s = time.monotonic() + 4
    print(sum(await asyncio.gather(*(write_on(store, f"{sys.argv[2]} {n}", until_s) for n in range(8)))))
    await store.stop()

asyncio.run(scenario())
"""


def test_processes_that_write_all_the_time_leave_each_other_room(tmp_path: Path) -> None:
    sqlite(tmp_path)
    command = [sys.executable, "-c", WRITE_ON, str(tmp_path)]
    workers = [
        subprocess.Popen([*command, str(n)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for n in range(4)
    ]
    assert [worker.communicate(timeout=60)[0] for worker in workers] == ["0\n"] * 4
