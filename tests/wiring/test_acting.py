"""Agents decide by themselves, over the workers of one store: each store here stands for a worker."""

import asyncio
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.boot import boot_clock
from adapters.store.agent_bars import LEASE_S, take
from adapters.store.engine import Location
from rl_models.live_signals import LiveSignals
from tests.fakes.advisers import agent
from tests.fakes.stores import STORES
from tests.fakes.waiting import eventually
from tests.wiring.acting_workers import BARS, FIRST, acting, close_of, id_of, place
from trading.acting import AgentBar
from trading.agents import AgentState
from trading.errors import StoreUnavailable


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Location:
    return STORES["sqlite"](tmp_path)


def test_over_all_workers_there_is_one_decision_for_each_agent_symbol_and_bar(location: Location) -> None:
    async def main() -> None:
        users = [f"user{number}" for number in range(15)]
        async with place(location, [acting(user, symbols=("BTC", "ETH")) for user in users], workers=2) as here:
            expected: Counter[str] = Counter()
            for closed in (FIRST + 1, FIRST + 2):
                here.close(closed)
                expected.update(id_of(closed, user, symbol) for user in users for symbol in ("BTC", "ETH"))
                await eventually(lambda: sum(len(worker.decided) for worker in here.workers) == expected.total())
            await asyncio.sleep(0.3)
            assert Counter(await here.kept()) == expected
            assert {state for _, state in await here.states()} == {"done"}
            assert sum(worker.acting.decided for worker in here.workers) == expected.total()

    asyncio.run(main())


def test_the_signal_is_that_of_the_bar_and_of_nobody_else(file: Location) -> None:
    async def main() -> None:
        async with place(file, [acting(), agent(user_id="watcher"), acting("other")]) as here:
            here.close(FIRST + 1)
            await here.come_to([(close_of(FIRST + 1), "done")] * 2)

            signal = here.workers[0].signals[0]
            assert signal.reading == LiveSignals(here.market).at("BTC", close_of(FIRST + 1))
            assert (signal.quote, signal.sent_at_s) == (None, None)

    asyncio.run(main())


@pytest.mark.parametrize("state", [AgentState.PAUSED, AgentState.STOPPED])
def test_an_agent_that_does_not_run_decides_nothing(file: Location, state: AgentState) -> None:
    async def main() -> None:
        async with place(file, [acting(), replace(acting("other"), state=state)]) as here:
            here.close(FIRST + 1)
            await here.come_to([(close_of(FIRST + 1), "done")])
            assert await here.kept() == [id_of(FIRST + 1)]

    asyncio.run(main())


def test_a_bar_that_is_known_too_late_is_missed_once(location: Location) -> None:
    async def main() -> None:
        async with place(location, [acting()], workers=2) as here:
            here.close(FIRST + 1, late_by_s=60.0)
            await here.come_to([(close_of(FIRST + 1), "missed")])
            await eventually(lambda: sum(worker.acting.missed for worker in here.workers) == 1)
            assert await here.kept() == []

    asyncio.run(main())


def test_bars_that_closed_while_nobody_looked_are_missed_and_the_last_is_decided_on(file: Location) -> None:
    async def main() -> None:
        async with place(file, [acting()]) as here:
            here.close(FIRST + 3)
            await here.come_to(
                [
                    (close_of(FIRST + 1), "missed"),
                    (close_of(FIRST + 2), "missed"),
                    (close_of(FIRST + 3), "done"),
                ]
            )

    asyncio.run(main())


def test_a_decision_whose_keeping_was_not_confirmed_is_not_made_twice(file: Location) -> None:
    async def main() -> None:
        async with place(file, [acting()]) as here:
            here.workers[0].lost = 1
            here.close(FIRST + 1)
            await here.come_to([(close_of(FIRST + 1), "done")])
            await asyncio.sleep(1.0)  # longer than until it is tried again
            assert await here.kept() == [id_of(FIRST + 1)]

    asyncio.run(main())


def test_while_there_is_time_a_decision_that_could_not_be_kept_is_tried_again(file: Location) -> None:
    async def main() -> None:
        async with place(file, [acting()]) as here:
            here.workers[0].failures = [StoreUnavailable("away"), StoreUnavailable("away")]
            here.close(FIRST + 1)
            await here.come_to([(close_of(FIRST + 1), "done")])
            assert len(here.workers[0].signals) == 3

    asyncio.run(main())


def test_a_decision_that_fails_keeps_no_other_agent_from_its_own(
    file: Location, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with place(file, [acting(), acting("other")]) as here:
            here.workers[0].failures = [ValueError("a fault")]
            with caplog.at_level(logging.ERROR):
                here.close(FIRST + 1)
                await eventually(lambda: len(here.workers[0].decided) == 1)
            assert "a fault" in caplog.text
            here.market.advance(60.0)
            await here.come_to([(close_of(FIRST + 1), "done"), (close_of(FIRST + 1), "missed")])

    asyncio.run(main())


def test_what_a_worker_took_that_is_gone_is_decided_by_another_in_time(file: Location) -> None:
    async def main() -> None:
        async with place(file, [acting()]) as here:
            bar = AgentBar(user_id="user123", symbol="BTC", bar_close_s=close_of(FIRST + 1))
            taken_by_the_dead = take({bar: id_of(FIRST + 1)}, "gone", boot_clock())
            await here.workers[0].store.write(taken_by_the_dead)
            here.close(FIRST + 1)
            await asyncio.sleep(0.5)
            assert await here.kept() == []
            await eventually(lambda: here.workers[0].decided == [id_of(FIRST + 1)], within_s=LEASE_S + 10.0)

    asyncio.run(main())


def test_a_bar_without_a_signal_is_missed(file: Location) -> None:
    async def main() -> None:
        async with place(file, [acting()]) as here:
            here.market.put("BTC", BARS[FIRST - 9 : FIRST + 2])
            here.close(FIRST + 1)
            await here.come_to([(close_of(FIRST + 1), "missed")])
            assert here.workers[0].signals == []

    asyncio.run(main())
