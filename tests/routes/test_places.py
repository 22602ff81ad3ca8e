"""Who comes in when more are here than there is room for: the order, the wait, the turns, and that no place is lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from routes.errors import Rejected
from routes.places import Places
from routes.shares import RouteClass, Shares

LONG_S = 30.0
PREDICT, CONTROL = RouteClass.PREDICT, RouteClass.CONTROL


def run(check: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(check(), 20)

    asyncio.run(bounded())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_place_that_becomes_free_goes_to_who_came_first() -> None:
    async def check() -> None:
        places = Places(Shares(1), wait_s=LONG_S)
        came: list[int] = []

        async def ask(number: int) -> None:
            await places.enter(PREDICT)
            came.append(number)

        await places.enter(PREDICT)
        waiting = [asyncio.create_task(ask(number)) for number in range(3)]
        for number in range(3):
            await settle()
            assert came == list(range(number))
            places.leave(PREDICT)
        await asyncio.gather(*waiting)
        places.leave(PREDICT)
        assert places.shares.busy == 0

    run(check)


def test_who_gets_no_place_in_time_is_refused_and_counted() -> None:
    async def check() -> None:
        places = Places(Shares(1), wait_s=0.01)
        await places.enter(PREDICT)
        with pytest.raises(Rejected, match="too_many_requests"):
            await places.enter(PREDICT)
        assert places.refused[PREDICT] == 1
        places.leave(PREDICT)
        assert places.shares.busy == 0

    run(check)


def test_who_waits_in_a_full_class_keeps_no_other_class_out() -> None:
    async def check() -> None:
        places = Places(Shares(100), wait_s=LONG_S)
        for _ in range(70):
            await places.enter(PREDICT)
        outside = asyncio.create_task(places.enter(PREDICT))
        await settle()
        await places.enter(CONTROL)
        assert not outside.done()
        places.leave(CONTROL)
        await settle()
        assert not outside.done()  # the place that was left is control's own
        places.leave(PREDICT)
        await outside

    run(check)


def test_a_turn_lets_some_go_on_and_a_command_at_once() -> None:
    async def check() -> None:
        places = Places(Shares(100), a_turn=2)
        inside = 0

        async def ask(kind: RouteClass) -> None:
            nonlocal inside
            await places.enter(kind)
            inside += 1

        crowd = [asyncio.create_task(ask(PREDICT)) for _ in range(9)]
        command = asyncio.create_task(ask(CONTROL))
        seen, turns = 0, 0
        while not all(task.done() for task in crowd):
            await asyncio.sleep(0)
            turns += 1
            assert inside - seen <= 2 + (turns <= 3)  # the command is one more
            seen = inside
            assert command.done() or turns <= 3
        assert turns >= 5

    run(check)


def test_of_all_classes_that_wait_for_a_place_for_all_the_first_gets_it() -> None:
    async def check() -> None:
        places = Places(Shares(1), wait_s=LONG_S)
        await places.enter(PREDICT)
        came: list[RouteClass] = []

        async def ask(kind: RouteClass) -> None:
            await places.enter(kind)
            came.append(kind)

        wanted = [RouteClass.STATS, PREDICT, RouteClass.ASYNC, CONTROL]
        waiting = []
        for kind in wanted:
            waiting.append(asyncio.create_task(ask(kind)))
            await settle()
        for kind in [PREDICT, *wanted[:-1]]:
            places.leave(kind)
            await settle()
        assert came == wanted
        await asyncio.gather(*waiting)

    run(check)


async def sent_away(places: Places, kind: RouteClass, before: Callable[[], object]) -> None:
    """Cancel a request in the very step in which `before` happens to it."""
    task = asyncio.create_task(places.enter(kind))
    await asyncio.sleep(0)
    before()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_place_given_to_one_who_is_sent_away_in_that_moment_comes_back() -> None:
    async def check() -> None:
        places = Places(Shares(1), wait_s=LONG_S)
        await places.enter(PREDICT)
        await sent_away(places, PREDICT, lambda: places.leave(PREDICT))
        assert places.shares.busy == 0

    run(check)


def test_who_is_sent_away_before_its_turn_gives_its_place_back() -> None:
    async def check() -> None:
        places = Places(Shares(100), a_turn=1)
        first = asyncio.create_task(places.enter(PREDICT))
        await sent_away(places, PREDICT, lambda: None)
        await first
        assert places.shares.busy == 1

    run(check)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_whom_every_place_comes_back(seed: int) -> None:
    async def check() -> None:
        chance = random.Random(seed)
        places = Places(Shares(6), wait_s=0.002, a_turn=2)
        most = 0

        async def ask() -> None:
            nonlocal most
            kind = chance.choice(list(RouteClass))
            try:
                await places.enter(kind)
            except Rejected:
                return
            try:
                most = max(most, places.shares.busy)
                await asyncio.sleep(chance.choice((0.0, 0.0005, 0.003)))
            finally:
                places.leave(kind)

        crowd = [asyncio.create_task(ask()) for _ in range(200)]
        while not all(task.done() for task in crowd):
            chance.choice([task for task in crowd if not task.done()]).cancel()
            await asyncio.sleep(chance.choice((0.0, 0.0, 0.0005)))
        await asyncio.gather(*crowd, return_exceptions=True)
        assert 1 <= most <= 6
        assert places.shares.busy == 0
        await asyncio.wait_for(asyncio.gather(*(places.enter(kind) for kind in RouteClass)), 1)

    run(check)
