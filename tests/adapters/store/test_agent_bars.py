"""The bars of acting agents, on each database: taken by one worker at a time, ended once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from sqlalchemy import select

from adapters.store.agent_bars import LEASE_S, Taken, Takings, end_old, finish, miss, take
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.trading_tables import agent_bars
from tests.fakes.jobs import START, HandClock
from tests.fakes.stores import running
from trading.acting import AgentBar
from trading.errors import IllegalChange

BAR = AgentBar(user_id="user123", symbol="BTC", bar_close_s=1_700_000_000)
ID = {BAR: "f" * 32}
LATE = START.after(60.0)


def within(location: Location, test: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as store:
            await test(store)

    asyncio.run(main())


async def ends(store: Store, taken: Taken, clock: HandClock) -> str:
    """What becomes of a decision on this bar."""
    try:
        await store.write(finish(taken, deadline=LATE, now=clock))
    except IllegalChange as error:
        return error.state
    return "done"


async def states(connection: StoreConnection) -> list[str]:
    return list((await connection.execute(select(agent_bars.c.state))).scalars())


def first(epoch: int = 1) -> Takings:
    return Takings(taken=[Taken(bar=BAR, decision_id=ID[BAR], epoch=epoch)], held=frozenset())


HELD = Takings(taken=[], held=frozenset({BAR}))
ENDED = Takings(taken=[], held=frozenset())


def test_a_bar_is_taken_by_one_and_held_for_the_others(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        assert await store.write(take(ID, "one", clock)) == first()
        assert await store.write(take(ID, "other", clock)) == HELD

    within(location, test)


def test_a_bar_that_was_decided_on_is_nobodys_any_more(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        (taken,) = (await store.write(take(ID, "one", clock))).taken
        assert await ends(store, taken, clock) == "done"

        clock.go(LEASE_S + 1.0)
        assert await store.write(take(ID, "one", clock)) == ENDED
        assert await store.write(take(ID, "other", clock)) == ENDED
        assert await store.write(miss(ID, "one", clock)) == 0
        assert await store.read(states) == ["done"]

    within(location, test)


def test_a_decision_is_kept_once_however_often_it_is_tried(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        (taken,) = (await store.write(take(ID, "one", clock))).taken
        assert [await ends(store, taken, clock), await ends(store, taken, clock)] == ["done", "lost"]

    within(location, test)


def test_a_bar_whose_taker_is_gone_is_taken_by_the_next_and_his_alone(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        (lost,) = (await store.write(take(ID, "one", clock))).taken
        clock.go(LEASE_S)
        (taken,) = (await store.write(take(ID, "other", clock))).taken

        assert await ends(store, lost, clock) == "lost"
        assert await ends(store, taken, clock) == "done"

    within(location, test)


def test_a_lease_of_another_boot_goes_by_the_wall_clock(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        await store.write(take(ID, "one", clock))
        clock.reboot("next boot", after_s=LEASE_S - 0.1)
        assert await store.write(take(ID, "other", clock)) == HELD
        clock.go(0.1)
        assert await store.write(take(ID, "other", clock)) == first(epoch=2)

    within(location, test)


def test_who_lost_the_answer_of_the_store_takes_its_own_bar_again(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        (before,) = (await store.write(take(ID, "one", clock))).taken
        assert await store.write(take(ID, "one", clock)) == first(epoch=2)
        assert await ends(store, before, clock) == "lost"

    within(location, test)


def test_nothing_is_decided_after_the_deadline(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        (taken,) = (await store.write(take(ID, "one", clock))).taken
        clock.go(60.0)
        assert await ends(store, taken, clock) == "late"
        assert await store.read(states) == ["taken"]

    within(location, test)


def test_a_late_bar_is_missed_once_and_never_decided_on(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        assert [await store.write(miss(ID, "one", clock)), await store.write(miss(ID, "other", clock))] == [1, 0]
        clock.go(LEASE_S + 1.0)
        assert await store.write(take(ID, "one", clock)) == ENDED
        assert await store.read(states) == ["missed"]

    within(location, test)


def test_who_took_a_bar_and_came_late_has_missed_it_and_others_leave_it_to_him(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        (taken,) = (await store.write(take(ID, "one", clock))).taken
        assert await store.write(miss(ID, "other", clock)) == 0
        assert await store.write(miss(ID, "one", clock)) == 1
        assert await ends(store, taken, clock) == "lost"

    within(location, test)


def test_of_many_bars_that_many_take_at_once_each_is_decided_on_once(location: Location) -> None:
    clock = HandClock()
    bars = [AgentBar(user_id=f"user{place}", symbol="BTC", bar_close_s=60) for place in range(40)]

    async def decide_all(store: Store, owner: str) -> list[AgentBar]:
        order = bars if owner in "ace" else bars[::-1]
        decided = []
        for start in range(0, 40, 8):
            takings = await store.write(take(dict.fromkeys(order[start : start + 8], owner), owner, clock))
            for taken in takings.taken:
                assert await ends(store, taken, clock) == "done"
                decided.append(taken.bar)
        return decided

    async def main() -> None:
        async with running(location) as one, running(location) as other:
            parts = await asyncio.gather(
                *(decide_all(store, owner) for store, owner in zip((one, other) * 3, "abcdef", strict=True))
            )
        assert Counter(bar for part in parts for bar in part) == Counter(bars)

    asyncio.run(main())


def test_what_was_taken_long_ago_is_deleted_a_chunk_at_a_time(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        for place in range(3):
            bar = AgentBar(user_id="user123", symbol="BTC", bar_close_s=place)
            await store.write(miss({bar: "f"}, "one", clock))
            clock.go(10.0)
        before_s = START.wall_s + 20.0
        assert await store.write(lambda connection: end_old(connection, before_s=before_s, most=1)) == 1
        assert await store.write(lambda connection: end_old(connection, before_s=before_s, most=5)) == 1
        assert len(await store.read(states)) == 1

    within(location, test)
