"""Agents decide by themselves, over the workers of one store: each store here stands for a worker."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters.boot import boot_clock
from adapters.store.agent_bars import LEASE_S, take
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work
from adapters.store.trading_tables import agent_bars
from rl_models.live import LiveFeatures
from rl_models.live_signals import LiveSignals
from tests.fakes.advisers import agent
from tests.fakes.bars import random_bars
from tests.fakes.jobs import note, noted
from tests.fakes.market import HOUR_S, FakeMarket
from tests.fakes.stores import STORES, running
from tests.fakes.waiting import eventually
from trading.acting import AgentBar, decision_id
from trading.agents import Agent, AgentState
from trading.errors import StoreUnavailable
from trading.vocabulary import Signal
from wiring.acting import Acting, Scene, Signals
from wiring.bar_signals import GeneratedSignals

SECRET = b"s" * 32
BARS = random_bars(64)
# What is closed when the workers start; all agents have run since before the next one.
FIRST = 60


def close_of(place: int) -> int:
    return BARS[place].open_time_s + HOUR_S


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Location:
    return STORES["sqlite"](tmp_path)


def acting(user_id: str = "user123", **changes: object) -> Agent:
    """An agent that acts in BTC, started when the first bar had been closed for a minute."""
    made = agent(user_id=user_id, **({"symbols": ("BTC",)} | changes))
    return replace(made, changed_at_s=close_of(FIRST) + 60.0)


@dataclass(slots=True)
class Worker:
    """Decides as a worker does: the note is the decision, kept in the transaction that ends the bar."""

    acting: Acting
    store: Store
    decided: list[str] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    lost: int = 0
    looks: int = 0

    def look(self, known: Sequence[Agent]) -> Sequence[Agent]:
        self.looks += 1
        return known

    async def decide(self, signal: Signal, decision_id: str, along: Work[None]) -> None:
        self.signals.append(signal)
        if self.failures:
            raise self.failures.pop()

        async def work(connection: StoreConnection) -> None:
            await along(connection)
            await note(connection, frozenset({decision_id}))  # type: ignore[arg-type]

        await self.store.write(work)
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("not confirmed")
        self.decided.append(decision_id)


@dataclass(slots=True)
class Place:
    """Workers of one market and store."""

    market: FakeMarket
    features: LiveFeatures
    workers: list[Worker]

    def close(self, place: int, *, late_by_s: float = 1.0) -> None:
        """The bars up to this place have closed, the last one so long ago, and every worker knows them."""
        self.market.set_now(close_of(place) + late_by_s)
        self.features.refresh()

    async def kept(self) -> list[str]:
        return await self.workers[0].store.read(noted)  # type: ignore[arg-type]

    async def states(self) -> list[tuple[int, str]]:
        async def work(connection: StoreConnection) -> list[tuple[int, str]]:
            rows = await connection.execute(select(agent_bars).order_by(agent_bars.c.bar_close, agent_bars.c.state))
            return [(row.bar_close, row.state) for row in rows]

        return await self.workers[0].store.read(work)

    async def come_to(self, states: Sequence[tuple[int, str]]) -> None:
        async with asyncio.timeout(20.0):
            while await self.states() != states:  # noqa: ASYNC110 - the store tells nobody of a change
                await asyncio.sleep(0.02)


@asynccontextmanager
async def place(
    location: Location, agents: Iterable[Agent], *, workers: int = 1, signals: Signals | None = None
) -> AsyncIterator[Place]:
    market = FakeMarket({"BTC": BARS, "ETH": BARS}, now_s=close_of(FIRST) + 120.0)
    features = LiveFeatures(market)
    features.refresh()
    known = list(agents)
    async with AsyncExitStack() as stack:
        made = Place(market=market, features=features, workers=[])
        for _ in range(workers):
            store = await stack.enter_async_context(running(location))
            worker = Worker(acting=None, store=store)  # type: ignore[arg-type]
            scene = Scene(
                store=store,
                market=market,
                features=features,
                signals=signals or GeneratedSignals(LiveSignals(market)),
                agents=partial(worker.look, known),
                decide=worker.decide,
                secret=SECRET,
                now=boot_clock(),
            )
            worker.acting = Acting(scene)
            made.workers.append(worker)
            loop = asyncio.create_task(worker.acting.run())
            stack.push_async_callback(_end, loop)
        # Everybody has looked once: nothing is due at a close before the agents ran.
        await eventually(lambda: all(worker.looks for worker in made.workers))
        yield made


async def _end(loop: asyncio.Task[None]) -> None:
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


def id_of(place: int, user_id: str = "user123", symbol: str = "BTC") -> str:
    return decision_id(SECRET, AgentBar(user_id=user_id, symbol=symbol, bar_close_s=close_of(place)))


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


class SlowSignals:
    """Implements Signals with none, once it is told that they will not come."""

    def __init__(self) -> None:
        self.over = False
        self.asked = 0

    def ready(self, close_s: int) -> bool:
        self.asked += 1
        return self.over

    def of(self, bar: AgentBar) -> Signal | None:
        assert self.over
        return Signal(user_id=bar.user_id, symbol=bar.symbol, reading=None, quote=None, sent_at_s=None)


def test_a_bar_waits_for_its_signal_untaken_and_is_decided_on_once_without_one(file: Location) -> None:
    async def main() -> None:
        signals = SlowSignals()
        async with place(file, [acting()], workers=2, signals=signals) as here:
            here.close(FIRST + 1)
            await eventually(lambda: signals.asked > 4)
            # Nobody holds it meanwhile: whoever has the signals first decides.
            assert await here.states() == []
            signals.over = True
            await here.come_to([(close_of(FIRST + 1), "done")])
            assert await here.kept() == [id_of(FIRST + 1)]
            decided = [signal for worker in here.workers for signal in worker.signals]
            assert [signal.reading for signal in decided] == [None] * len(decided)

    asyncio.run(main())


def test_a_bar_whose_signals_come_too_late_is_missed(file: Location) -> None:
    async def main() -> None:
        signals = SlowSignals()
        async with place(file, [acting()], signals=signals) as here:
            here.close(FIRST + 1)
            await eventually(lambda: signals.asked)
            here.market.set_now(close_of(FIRST + 1) + 600.0)
            await here.come_to([(close_of(FIRST + 1), "missed")])
            assert here.workers[0].signals == []

    asyncio.run(main())
