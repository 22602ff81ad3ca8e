"""No more calls than a service takes, whoever makes them, on each database."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sqlalchemy import func, select, text

from adapters.store.budgets import take_call
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.trading_tables import calls
from adapters.store.versions import wait_for_turn
from tests.fakes.jobs import START, HandClock
from tests.fakes.journals import rows_of
from tests.fakes.stores import running
from tests.fakes.waiting import eventually

NOW_S = START.wall_s


def within(location: Location, test: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as store:
            await test(store)

    asyncio.run(main())


async def takes(store: Store, wall_s: float, *, name: str = "service", windows: tuple[tuple[int, float], ...]) -> bool:
    return await store.write(take_call(name, windows=windows, now=lambda: replace(START, wall_s=wall_s)))


async def kept(connection: StoreConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(calls))).scalar_one())


def test_a_full_window_takes_a_call_again_once_the_first_has_left_it(location: Location) -> None:
    async def test(store: Store) -> None:
        windows = ((2, 60.0),)
        assert [await takes(store, NOW_S + at, windows=windows) for at in (0.0, 10.0, 59.9)] == [True, True, False]
        assert [await takes(store, NOW_S + at, windows=windows) for at in (60.0, 69.9, 70.0)] == [True, False, True]

    within(location, test)


def test_the_tightest_of_several_windows_decides(location: Location) -> None:
    async def test(store: Store) -> None:
        windows = ((2, 60.0), (3, 900.0))
        assert [await takes(store, NOW_S + at, windows=windows) for at in (0.0, 1.0, 2.0)] == [True, True, False]
        assert [await takes(store, NOW_S + at, windows=windows) for at in (61.0, 130.0)] == [True, False]
        assert await takes(store, NOW_S + 900.0, windows=windows)

    within(location, test)


def test_services_have_budgets_of_their_own(location: Location) -> None:
    async def test(store: Store) -> None:
        assert await takes(store, NOW_S, name="one", windows=((1, 60.0),))
        assert await takes(store, NOW_S, name="other", windows=((1, 60.0),))
        assert not await takes(store, NOW_S, name="one", windows=((1, 60.0),))

    within(location, test)


def test_calls_that_no_window_counts_are_forgotten(location: Location) -> None:
    async def test(store: Store) -> None:
        for second in range(30):
            assert await takes(store, NOW_S + 100.0 * second, windows=((5, 60.0),))
        assert await store.read(kept) == 1

    within(location, test)


def test_a_clock_that_was_set_back_does_not_close_the_service_for_as_long(location: Location) -> None:
    async def test(store: Store) -> None:
        assert await takes(store, NOW_S + 3600.0, windows=((1, 60.0),))
        assert await takes(store, NOW_S, windows=((1, 60.0),))
        assert not await takes(store, NOW_S - 30.0, windows=((1, 60.0),))

    within(location, test)


def test_a_call_that_waits_for_its_turn_is_counted_when_it_gets_it(location: Location) -> None:
    holds, release, clock = threading.Event(), threading.Event(), HandClock()

    async def hold(connection: StoreConnection) -> None:
        await wait_for_turn(connection)
        holds.set()
        while not release.wait(0.001):
            await connection.execute(text("SELECT 1"))

    async def main() -> None:
        async with running(location) as holding, running(location) as waiting:
            assert await takes(waiting, NOW_S, name="other", windows=((1, 60.0),))  # it is connected
            held = asyncio.create_task(holding.write(hold))
            await eventually(holds.is_set)
            taking = asyncio.create_task(waiting.write(take_call("service", windows=((1, 60.0),), now=clock)))
            await asyncio.sleep(0.05)
            clock.go(1.0)
            release.set()
            await held
            assert await taking
            counted = await rows_of(waiting, "SELECT at FROM calls WHERE name = 'service'")
            assert counted == [(NOW_S + 1.0,)]

    asyncio.run(main())


def test_workers_together_take_exactly_as_many_as_there_are(location: Location) -> None:
    async def main() -> None:
        async with running(location) as one, running(location) as other:
            taken = await asyncio.gather(
                *(
                    takes(store, NOW_S + number / 100, windows=((10, 60.0),))
                    for number in range(20)
                    for store in (one, other)
                )
            )
        assert sum(taken) == 10

    asyncio.run(main())
