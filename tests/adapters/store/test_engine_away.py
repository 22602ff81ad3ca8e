"""The database is locked, full, refused or silent: calls end in time, nothing leaks, and it comes back by itself."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work, locate
from adapters.store.tables import secrets
from tests.fakes.postgres import PASSWORD, cluster
from tests.fakes.proxy import Mode, Proxy, proxied
from tests.fakes.stores import postgresql, running, sqlite
from trading.errors import StoreUnavailable

# A call may take 2 s; the rest is what a busy machine may add. One that hangs takes far longer.
BOUND_S = 6.0
# Until a call is refused a second time, and then until it works again.
BACK_S = 15.0


def put(name: str) -> Work[None]:
    async def work(connection: StoreConnection) -> None:
        await connection.execute(insert(secrets).values(name=name, value="1"))

    return work


async def names(connection: StoreConnection) -> list[str]:
    return list((await connection.execute(select(secrets.c.name).order_by(secrets.c.name))).scalars())


async def fails(call: Awaitable[object]) -> str:
    """What a call that cannot succeed says; it ends in time."""
    started_s = time.monotonic()
    with pytest.raises(StoreUnavailable) as refused:
        await call
    assert time.monotonic() - started_s < BOUND_S
    return str(refused.value)


async def returns(store: Store, name: str) -> None:
    """Write and read until both work again."""
    deadline_s = time.monotonic() + BACK_S
    while True:
        try:
            await store.write(put(name))
            await store.read(names)
        except StoreUnavailable:
            assert time.monotonic() < deadline_s
            name += "'"
            await asyncio.sleep(0.1)
        else:
            return


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxied(cluster().port) as proxy:
        yield proxy


@pytest.fixture
def behind(proxy: Proxy, tmp_path: Path) -> Location:
    """A fresh PostgreSQL database behind the proxy."""
    database = postgresql(tmp_path).url.database
    assert database is not None
    return locate(cluster().url(database, port=proxy.port), tmp_path)


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.REFUSE])
def test_calls_end_in_time_while_the_server_is_away_and_work_once_it_is_back(
    proxy: Proxy, behind: Location, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> str:
        async with running(behind) as store:
            await store.write(put("before"))
            await store.read(names)
            proxy.set(mode)
            told = ""
            for _ in range(4):
                told += await fails(store.write(put("away")))
                told += await fails(store.read(names))
            assert store.failure is not None
            proxy.set(Mode.PASS)
            await returns(store, "after")
            assert store.failure is None
            assert len(asyncio.all_tasks()) == 2  # this one and the writer
            return told

    told = asyncio.run(scenario())
    assert PASSWORD not in told + caplog.text


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.REFUSE])
def test_a_server_that_is_away_is_logged_once_as_it_goes_and_once_as_it_comes(
    proxy: Proxy, behind: Location, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="rl_service.store")

    async def scenario() -> None:
        async with running(behind) as store:
            proxy.set(mode)
            for _ in range(3):
                await fails(store.write(put("away")))
                await asyncio.sleep(0.6)
            proxy.set(Mode.PASS)
            await returns(store, "after")

    asyncio.run(scenario())
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_many_calls_at_once_all_end_in_time(proxy: Proxy, behind: Location) -> None:
    async def scenario() -> None:
        async with running(behind) as store:
            await store.write(put("before"))
            proxy.set(Mode.BLACK_HOLE)
            calls = [fails(store.write(put(str(place)))) for place in range(300)]
            calls += [fails(store.read(names)) for _ in range(50)]
            await asyncio.gather(*calls)
            proxy.set(Mode.PASS)
            await returns(store, "after")

    asyncio.run(scenario())


def test_no_connection_is_left_behind_by_an_outage(proxy: Proxy, behind: Location) -> None:
    async def scenario() -> None:
        async with running(behind) as store:
            await asyncio.gather(store.write(put("before")), store.read(names), store.read(names))
            for mode in (Mode.BLACK_HOLE, Mode.PASS, Mode.REFUSE, Mode.PASS):
                proxy.set(mode)
                if mode is Mode.PASS:
                    await returns(store, f"after {time.monotonic()}")
                else:
                    await asyncio.gather(*(fails(store.read(names)) for _ in range(10)))
                    await fails(store.write(put("away")))
        deadline_s = time.monotonic() + BACK_S
        while proxy.connections:
            assert time.monotonic() < deadline_s, proxy.connections
            await asyncio.sleep(0.05)

    asyncio.run(scenario())


def test_the_store_stops_in_time_while_the_server_is_silent(proxy: Proxy, behind: Location) -> None:
    async def scenario() -> float:
        async with running(behind) as store:
            await asyncio.gather(store.write(put("before")), store.read(names), store.read(names))
            proxy.set(Mode.BLACK_HOLE)
            calls = [asyncio.create_task(fails(store.write(put(str(place))))) for place in range(10)]
            await asyncio.sleep(0.1)
            started_s = time.monotonic()
        took_s = time.monotonic() - started_s
        await asyncio.gather(*calls)
        assert len(asyncio.all_tasks()) == 1
        return took_s

    assert asyncio.run(scenario()) < BOUND_S


def test_a_worker_that_is_cut_off_while_it_holds_a_row_does_not_lock_out_the_others(
    proxy: Proxy, behind: Location, tmp_path: Path
) -> None:
    database = behind.url.database
    assert database is not None
    direct = locate(cluster().url(database), tmp_path)

    async def lock(connection: StoreConnection) -> None:
        await connection.execute(select(secrets).where(secrets.c.name == "row").with_for_update())

    async def lock_and_fall_silent(connection: StoreConnection) -> None:
        await lock(connection)
        proxy.set(Mode.BLACK_HOLE)
        await connection.execute(select(secrets))

    async def scenario() -> None:
        async with running(behind) as cut_off, running(direct) as other:
            await other.write(put("row"))
            await fails(cut_off.write(lock_and_fall_silent))
            deadline_s = time.monotonic() + BACK_S
            while True:
                try:
                    return await other.write(lock)
                except StoreUnavailable:
                    assert time.monotonic() < deadline_s

    asyncio.run(scenario())


def test_a_connection_that_is_cut_costs_one_call_at_most(proxy: Proxy, behind: Location) -> None:
    async def scenario() -> list[str]:
        async with running(behind) as store:
            await store.write(put("before"))
            proxy.cut()
            await returns(store, "after")
            return await store.read(names)

    assert "before" in asyncio.run(scenario())


def test_a_wrong_password_or_database_is_told_without_it(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with running(locate(cluster().url("nowhere"), tmp_path)) as store:
            return await fails(store.read(names))

    told = asyncio.run(scenario())
    assert "nowhere" in told
    assert PASSWORD not in told


def test_a_table_that_another_process_locks_costs_patience_and_comes_back(tmp_path: Path) -> None:
    location = sqlite(tmp_path)
    holder = sqlite3.connect(str(location.file), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    async def scenario() -> list[str]:
        async with running(location) as store:
            assert "locked" in await fails(store.write(put("a")))
            assert await store.read(names) == []  # readers do not wait for a writer
            await asyncio.sleep(0.6)
            assert "locked" in await fails(store.write(put("b")))
            holder.execute("ROLLBACK")
            await returns(store, "after")
            return await store.read(names)

    assert "after" in "".join(asyncio.run(scenario()))
    holder.close()


def test_no_thread_is_left_behind_by_a_locked_file(tmp_path: Path) -> None:
    location = sqlite(tmp_path)
    before = threading.active_count()
    holder = sqlite3.connect(str(location.file), isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")

    async def scenario() -> None:
        async with running(location) as store:
            for _ in range(3):
                await fails(store.write(put("a")))
                await fails(store.read(names))
                await asyncio.sleep(0.6)
            holder.close()
            await returns(store, "after")

    asyncio.run(scenario())
    deadline_s = time.monotonic() + BACK_S
    while threading.active_count() > before:
        assert time.monotonic() < deadline_s, threading.enumerate()
        time.sleep(0.05)
