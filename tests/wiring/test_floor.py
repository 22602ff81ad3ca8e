"""What becomes of decisions and orders is counted, whoever finds it out."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from adapters.boot import boot_clock
from adapters.store.agents import change_agent
from adapters.store.closing import close_positions_of
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.ledger import day_of
from adapters.store.snapshot import SnapshotReader
from adapters.store.trading_tables import profits
from tests.fakes.advisers import FakeFeatures
from tests.fakes.journals import journalling
from tests.fakes.market import EPOCH_S, HOUR_S, FakeMarket, bars_from_closes
from tests.fakes.orders import decided, limited, put_agent
from tests.fakes.settings import settings
from tests.fakes.stores import running, sqlite
from tests.fakes.waiting import eventually
from trading.agents import AgentState, stop_to_close
from trading.orders import Order
from trading.vocabulary import BlockReason, Decision, Halt
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
    known: SnapshotReader

    async def stop_and_close(self) -> str:
        """The agent of user123 is stopped; the client order id of what closes its one position."""
        stopping = self.floor.closer.stopping()
        change = change_agent("user123", lambda known: (stop_to_close(known, wall_s=time.time()), None))

        async def work(connection: StoreConnection) -> str | None:
            agent, _ = await change(connection)
            (closing,) = await close_positions_of(connection, agent, stopping)
            return closing.client_order_id

        made = await self.store.write(work)
        assert made is not None
        await self.known.refresh()
        self.floor.closer.wake()
        return made

    async def reconciled(self) -> list[asyncio.Task[None]]:
        tasks = self.floor.loops()
        await eventually(lambda: self.floor.waiting_for() == [])
        return tasks


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return sqlite(tmp_path)


def on_stage(
    location: Location, folder: Path, test: Callable[[Stage], Awaitable[None]], *, volume: float, **changes: object
) -> None:
    async def main() -> None:
        bars = [replace(bar, volume_quote=volume) for bar in bars_from_closes([100.0] * 50)]
        market, recorder = FakeMarket({"BTC": bars}, now_s=EPOCH_S + 40 * HOUR_S), FakeRecorder()
        async with running(location) as store, journalling(store, folder) as journal:
            await put_agent(store)
            known = SnapshotReader(store)
            await known.refresh()
            assert known.count(AgentState.RUNNING) == 1
            terms = settings(folder, **changes)
            floor = Floor(terms, store, journal, known, FakeFeatures(), market, recorder=recorder, now=boot_clock())
            try:
                await test(Stage(floor, store, market, recorder, known))
            finally:
                await floor.stop()

    asyncio.run(main())


def test_a_decision_that_gets_no_order_is_told_with_its_reasons(location: Location, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.floor.desk.act(decided(1), budget_s=5.0)
        assert stage.recorder.refusals == [(BlockReason.RECONCILING,)]

    on_stage(location, tmp_path, test, volume=1e9)


@pytest.mark.parametrize(("fee_bps", "refusals"), [(50.0, (BlockReason.LIMIT_DAILY_LOSS,)), (49.0, ())])
def test_the_loss_of_the_day_counts_the_assumed_fee_of_what_has_none(
    location: Location, tmp_path: Path, fee_bps: float, refusals: tuple[BlockReason, ...]
) -> None:
    mine = limited(max_daily_loss_usd=5.0)
    row = {"user_id": mine.user_id, "symbol": "BTC", "mode": "paper", "arm": "rl", "realized": "0", "fees": "0"}

    async def test(stage: Stage) -> None:
        await put_agent(stage.store, mine)

        async def traded(connection: StoreConnection) -> None:
            today = day_of(boot_clock()().wall_s)
            await connection.execute(insert(profits).values(row | {"day": today, "untold_value": "1000", "fills": 1}))

        await stage.store.write(traded)
        tasks = await stage.reconciled()
        await stage.floor.desk.act(decided(1, by=mine), budget_s=5.0)
        assert stage.recorder.refusals == [refusals]
        for task in tasks:
            task.cancel()

    on_stage(location, tmp_path, test, volume=1e9, assumed_fee_bps=fee_bps, paper_fee_bps=0.0)


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


def test_what_closes_a_position_goes_on_though_its_agent_is_stopped(location: Location, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        tasks = await stage.reconciled()
        await stage.floor.desk.act(decided(1), budget_s=5.0)
        await eventually(lambda: stage.recorder.states == ["open"])
        stage.market.advance(5.0 * HOUR_S)
        await eventually(lambda: stage.recorder.later == ["filled"])
        closing = await stage.stop_and_close()
        await eventually(lambda: stage.recorder.states == ["open", "open"])
        assert stage.known.count(AgentState.STOPPED) == 1
        stage.market.advance(5.0 * HOUR_S)
        await eventually(lambda: stage.recorder.later == ["filled", "filled"])
        shown = await stage.floor.pages.order(closing)
        assert shown["filled_quantity"] == shown["quantity"]
        for task in tasks:
            task.cancel()

    on_stage(location, tmp_path, test, volume=1_500.0)


def test_a_halt_ends_what_closes_a_position_too(location: Location, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        tasks = await stage.reconciled()
        await stage.floor.desk.act(decided(1), budget_s=5.0)
        await eventually(lambda: stage.recorder.states == ["open"])
        stage.market.advance(5.0 * HOUR_S)
        await eventually(lambda: stage.recorder.later == ["filled"])
        await stage.stop_and_close()
        await eventually(lambda: stage.recorder.states == ["open", "open"])
        await stage.floor.switch.set(Halt.HALTED, reason=None)
        await stage.known.refresh()
        await eventually(lambda: stage.recorder.later == ["filled", "canceled"])
        for task in tasks:
            task.cancel()

    on_stage(location, tmp_path, test, volume=1_500.0)
