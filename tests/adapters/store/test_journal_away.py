"""While the store is away decisions wait on the disk, then in memory; afterwards each is in the store once."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.store.engine import Location, Store, locate
from adapters.store.journal import Journal
from adapters.store.spool import Spool
from tests.fakes.journals import START_S, decision, journalled, journalling, row, rows_of, start_agent
from tests.fakes.postgres import cluster
from tests.fakes.proxy import Mode, Proxy, proxied
from tests.fakes.stores import STORES, running, sqlite
from tests.fakes.waiting import eventually, run
from trading.errors import StoreUnavailable


@contextmanager
def locked(location: Location) -> Iterator[None]:
    """Another process that does not let go of the database."""
    connection = sqlite3.connect(str(location.file), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


async def add_and_wait(journal: Journal, numbers: range) -> None:
    for number in numbers:
        journal.add(decision(number), decided_at_s=START_S)
    await eventually(lambda: journal.state(now_s=START_S).queued == 0)


async def drained(journal: Journal) -> None:
    def empty() -> bool:
        state = journal.state(now_s=START_S)
        return not (state.queued or state.spooled_bytes or state.away)

    await eventually(empty)


def test_a_locked_database_sends_decisions_to_the_disk_and_each_comes_back_once(tmp_path: Path) -> None:
    location = sqlite(tmp_path)

    async def main() -> None:
        async with running(location) as store, journalling(store, tmp_path) as journal:
            await start_agent(store, "user1")
            await add_and_wait(journal, range(10))
            with locked(location):
                await add_and_wait(journal, range(10, 500))
                state = journal.state(now_s=START_S)
                assert state.away
                assert state.spooled_bytes > 0
            await drained(journal)
            await add_and_wait(journal, range(500, 510))
            assert sorted(await journalled(store)) == list(range(510))
            assert await rows_of(store, "SELECT predictions FROM agent_activity") == [(510,)]
            assert journal.state(now_s=START_S).dropped == 0

    run(main())


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.REFUSE])
def test_decisions_outlive_a_postgresql_that_is_gone(mode: Mode, tmp_path: Path) -> None:
    database = str(STORES["postgresql"](tmp_path).url.database)

    async def main(proxy: Proxy) -> None:
        location = locate(cluster().url(database, port=proxy.port), tmp_path)
        async with running(location) as store, journalling(store, tmp_path) as journal:
            await start_agent(store, "user1")
            await add_and_wait(journal, range(50))
            proxy.set(mode)
            number = 50
            until_s = time.monotonic() + 4.0
            while time.monotonic() < until_s:
                for _ in range(50):
                    journal.add(decision(number), decided_at_s=START_S)
                    number += 1
                await asyncio.sleep(0.05)
            assert journal.state(now_s=START_S).away
            proxy.set(Mode.PASS)
            healed_s = time.monotonic()
            await drained(journal)
            assert time.monotonic() - healed_s < 20.0
            assert sorted(await journalled(store)) == list(range(number))
            assert await rows_of(store, "SELECT predictions FROM agent_activity") == [(number,)]
            assert journal.state(now_s=START_S).dropped == 0

    with proxied(cluster().port) as proxy:
        run(main(proxy))


def test_stopping_while_the_store_is_away_leaves_the_rest_to_the_next_start(tmp_path: Path) -> None:
    location = sqlite(tmp_path)

    async def stops_away() -> None:
        async with running(location) as store:
            with locked(location):
                async with journalling(store, tmp_path) as journal:
                    for number in range(700):
                        journal.add(decision(number), decided_at_s=START_S)

    async def next_start() -> None:
        async with running(location) as store, journalling(store, tmp_path) as journal:
            await eventually(lambda: list((tmp_path / "spool").glob("*")) == [])
            await drained(journal)
            assert await journalled(store) == list(range(700))

    run(stops_away())
    run(next_start())


class NoDisk(Spool):
    """A spool on a full disk."""

    def append(self, batch: bytes) -> None:
        raise StoreUnavailable("full")


def test_without_store_or_disk_decisions_stay_in_memory_until_either_is_back(tmp_path: Path) -> None:
    location = sqlite(tmp_path)

    async def main(store: Store) -> None:
        journal = Journal(store, NoDisk(tmp_path / "spool"), to_row=row, pause_s=0.02)
        await journal.start()
        with locked(location):
            for number in range(2000):
                journal.add(decision(number), decided_at_s=START_S)
            await asyncio.sleep(1.5)
            assert journal.state(now_s=START_S).queued == 2000
        await eventually(lambda: journal.state(now_s=START_S).queued == 0)
        assert await journalled(store) == list(range(2000))
        assert journal.state(now_s=START_S).dropped == 0
        await journal.stop()

    async def within() -> None:
        async with running(location) as store:
            await main(store)

    run(within())


def test_what_neither_store_nor_disk_takes_at_the_end_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    location = sqlite(tmp_path)

    async def main() -> None:
        async with running(location) as store:
            with locked(location):
                journal = Journal(store, NoDisk(tmp_path / "spool"), to_row=row, pause_s=0.02)
                await journal.start()
                journal.add(decision(1), decided_at_s=START_S)
                await journal.stop()
                journal.add(decision(2), decided_at_s=START_S)
            assert journal.state(now_s=START_S).dropped == 2
            assert "lost" in caplog.text

    run(main())
