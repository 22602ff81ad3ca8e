"""Workers of one store and market whose agents decide by themselves: each store here stands for a worker."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy import select

from adapters.boot import boot_clock
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work
from adapters.store.trading_tables import agent_bars
from rl_models.live import LiveFeatures
from rl_models.live_signals import LiveSignals
from tests.fakes.advisers import agent
from tests.fakes.bars import random_bars
from tests.fakes.jobs import note, noted
from tests.fakes.market import HOUR_S, FakeMarket
from tests.fakes.stores import running
from tests.fakes.waiting import eventually
from trading.acting import AgentBar, decision_id
from trading.agents import Agent
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
    location: Location, agents: Iterable[Agent], *, workers: int = 1, signals: Sequence[Signals] | None = None
) -> AsyncIterator[Place]:
    """Workers in one place; `signals` are those of each worker, generated ones without."""
    market = FakeMarket({"BTC": BARS, "ETH": BARS}, now_s=close_of(FIRST) + 120.0)
    features = LiveFeatures(market)
    features.refresh()
    known = list(agents)
    async with AsyncExitStack() as stack:
        made = Place(market=market, features=features, workers=[])
        for number in range(workers):
            store = await stack.enter_async_context(running(location))
            worker = Worker(acting=None, store=store)  # type: ignore[arg-type]
            scene = Scene(
                store=store,
                market=market,
                features=features,
                signals=GeneratedSignals(LiveSignals(market)) if signals is None else signals[number],
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
    bar = AgentBar(user_id=user_id, symbol=symbol, bar_close_s=close_of(place))
    return decision_id(SECRET, bar, life_s=0.0)
