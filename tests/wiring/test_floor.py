"""What becomes of decisions and orders is counted, whoever finds it out."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from adapters.boot import boot_clock
from adapters.store.engine import Location, Store
from adapters.store.snapshot import SnapshotReader
from tests.fakes.advisers import FakeFeatures
from tests.fakes.journals import journalling
from tests.fakes.market import EPOCH_S, HOUR_S, FakeMarket, bars_from_closes
from tests.fakes.orders import decided, put_agent
from tests.fakes.settings import settings
from tests.fakes.stores import running, sqlite
from tests.fakes.waiting import eventually
from trading.agents import AgentState
from trading.orders import Order
from trading.vocabulary import BlockReason, Decision
from wiring.floor import Floor


@dataclass
class FakeRecorder:
    """Keeps wiring.floor.Recorder."""

    refusals: list[tuple[BlockReason, ...]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)

    def refused(self, decision: Decision) -> None:
        self.refusals.append(decision.refused_by)

    def sent(self, order: Order) -> None:
        self.states.append(order.state.value)

    def settled(self, order: Order) -> None:
        self.later.append(order.state.value)


@dataclass
class Stage:
    """A floor whose paper venue sees bars of a volume that a test may change."""

    floor: Floor
    store: Store
    market: FakeMarket
    recorder: FakeRecorder

    async def reconciled(self) -> list[asyncio.Task[None]]:
        tasks = self.floor.loops()
        await eventually(lambda: self.floor.waiting_for() == [])
        return tasks


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return sqlite(tmp_path)


def on_stage(location: Location, folder: Path, test: Callable[[Stage], Awaitable[None]], *, volume: float) -> None:
    async def main() -> None:
        bars = [replace(bar, volume_quote=volume) for bar in bars_from_closes([100.0] * 50)]
        market, recorder = FakeMarket({"BTC": bars}, now_s=EPOCH_S + 40 * HOUR_S), FakeRecorder()
        async with running(location) as store, journalling(store, folder) as journal:
            await put_agent(store)
            known = SnapshotReader(store)
            await known.refresh()
            assert known.count(AgentState.RUNNING) == 1
            floor = Floor(
                settings(folder), store, journal, known, FakeFeatures(), market, recorder=recorder, now=boot_clock()
            )
            try:
                await test(Stage(floor, store, market, recorder))
            finally:
                await floor.stop()

    asyncio.run(main())


def test_a_decision_that_gets_no_order_is_told_with_its_reasons(location: Location, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.floor.desk.act(decided(1), budget_s=5.0)
        assert stage.recorder.refusals == [(BlockReason.RECONCILING,)]

    on_stage(location, tmp_path, test, volume=1e9)


def test_a_decision_that_the_store_could_not_take_is_told_too(location: Location, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.store.stop()
        await stage.floor.desk.act(decided(1), budget_s=0.2)
        assert stage.recorder.refusals == [(BlockReason.STORE_UNAVAILABLE,)]

    on_stage(location, tmp_path, test, volume=1e9)


def test_an_order_is_told_when_its_venue_has_answered(location: Location, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        tasks = await stage.reconciled()
        await stage.floor.desk.act(decided(1), budget_s=5.0)
        await eventually(lambda: stage.recorder.states == ["filled"])
        assert (stage.recorder.refusals, stage.recorder.later) == ([()], [])
        for task in tasks:
            task.cancel()

    on_stage(location, tmp_path, test, volume=1e9)


def test_an_order_that_is_filled_later_is_told_by_who_finds_it_out(location: Location, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        tasks = await stage.reconciled()
        # A tenth of a bar is what the venue fills of it: not all of 300 USD.
        await stage.floor.desk.act(decided(1), budget_s=5.0)
        await eventually(lambda: stage.recorder.states == ["open"])
        stage.market.advance(5.0 * HOUR_S)
        await eventually(lambda: stage.recorder.later == ["filled"])
        for task in tasks:
            task.cancel()

    on_stage(location, tmp_path, test, volume=1_500.0)
