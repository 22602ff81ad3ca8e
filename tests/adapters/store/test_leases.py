"""A lease has one owner at a time, on each database."""

import asyncio
from collections.abc import Awaitable, Callable

from adapters.store.engine import Location, Store
from adapters.store.leases import hold, release
from tests.fakes.jobs import HandClock
from tests.fakes.stores import running


def within(location: Location, test: Callable[[Store, HandClock], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as store:
            await test(store, HandClock())

    asyncio.run(main())


def test_a_lease_is_held_by_who_took_it_and_refused_to_others(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        assert await store.write(hold("poller", "one", clock, for_s=10.0)) == 1
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) is None
        assert await store.write(hold("another", "other", clock, for_s=10.0)) == 1

    within(location, test)


def test_renewing_keeps_the_epoch_and_lasts_from_then_on(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(hold("poller", "one", clock, for_s=10.0))
        clock.go(9.0)
        assert await store.write(hold("poller", "one", clock, for_s=10.0)) == 1
        clock.go(9.0)
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) is None

    within(location, test)


def test_a_lapsed_lease_goes_to_whoever_comes_first_under_a_higher_epoch(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(hold("poller", "one", clock, for_s=10.0))
        clock.go(10.0)
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) == 2
        assert await store.write(hold("poller", "one", clock, for_s=10.0)) is None
        clock.go(10.0)
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) == 3

    within(location, test)


def test_a_released_lease_is_free_at_once_and_its_epochs_go_on(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(hold("poller", "one", clock, for_s=10.0))
        await store.write(release("poller", "one"))
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) == 2

    within(location, test)


def test_nobody_releases_the_lease_of_another(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(hold("poller", "one", clock, for_s=10.0))
        await store.write(release("poller", "other"))
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) is None

    within(location, test)


def test_setting_the_wall_clock_ends_no_lease(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(hold("poller", "one", clock, for_s=10.0))
        clock.jump(3600.0)
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) is None
        clock.jump(-7200.0)
        clock.go(10.0)
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) == 2

    within(location, test)


def test_after_a_reboot_the_wall_clock_decides(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(hold("poller", "one", clock, for_s=10.0))
        clock.reboot("next boot", after_s=9.0)
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) is None
        clock.go(1.0)
        assert await store.write(hold("poller", "other", clock, for_s=10.0)) == 2

    within(location, test)


def test_of_many_workers_that_try_at_once_exactly_one_holds_it(location: Location) -> None:
    async def main() -> None:
        clock = HandClock()
        async with running(location) as one, running(location) as other:
            for round_number in range(1, 6):
                tries = [(store, f"worker {number}") for number in range(10) for store in (one, other)]
                epochs = await asyncio.gather(
                    *(
                        store.write(hold("poller", f"{owner} of {id(store)}", clock, for_s=10.0))
                        for store, owner in tries
                    )
                )
                assert [epoch for epoch in epochs if epoch is not None] == [round_number]
                clock.go(10.0)

    asyncio.run(main())
