"""The live market of one worker: what the store has, by the wall clock. Its promises as a market: test_market.py."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.live_market import DUE_S, IDLE_S, MEMORY_BARS, LiveMarket
from adapters.store.bars import keep_bars
from adapters.store.engine import Store
from rl_models.live import LiveFeatures
from rl_models.regime import WARMUP_BARS
from tests.fakes.advisers import FakeAgents, FakeAssigner, FakeFallback, FakePolicies, FakePolicy, FakeRecorder, signal
from tests.fakes.bars import random_bars
from tests.fakes.bundles import SCHEMA, policy_manifest
from tests.fakes.market import EPOCH_S, HOUR_S, bars_from_closes
from tests.fakes.stores import running, sqlite
from trading.agents import ExecutionMode
from trading.desk import Advisers, Desk
from trading.errors import NoMarketData, UnknownSymbol
from trading.exposure import SPOT
from trading.gate import Limits
from trading.ports import Market
from trading.vocabulary import Action, Arm, Bar, BlockReason, Decision, FailureReason, Halt

BARS = random_bars(WARMUP_BARS + 100)


@dataclass
class Wall:
    """A wall clock moved by hand."""

    time_s: float = EPOCH_S + 500.0 * HOUR_S

    def __call__(self) -> float:
        return self.time_s


class Nothing:
    """Keeps trading.ports.Holdings: nobody holds anything."""

    def held(self, user_id: str, symbol: str, mode: ExecutionMode) -> Decimal:
        return Decimal(0)

    def opened_by(self, user_id: str, symbol: str, mode: ExecutionMode) -> Arm | None:
        return None

    def halt(self) -> Halt:
        return Halt.OPEN


def closes_at(bar: Bar) -> float:
    return float(bar.open_time_s + HOUR_S)


def with_store(folder: Path, test: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(sqlite(folder)) as store:
            await test(store)

    asyncio.run(main())


async def keep(store: Store, bars: list[Bar], symbol: str = "BTC") -> None:
    await store.write(keep_bars(symbol, HOUR_S, bars, written_at_s=1.0))


def decide(live: LiveFeatures, wall: Wall) -> Awaitable[Decision]:
    desk = Desk(
        features=live,
        assigner=FakeAssigner(),
        agents=FakeAgents(),
        holdings=Nothing(),
        symbols=lambda: 1,
        advisers=Advisers(rl=FakePolicies(FakePolicy("rl")), fallback=FakeFallback(FakePolicy("rule"))),
        recorder=FakeRecorder(),
        limits=Limits(signal_max_age_s=60.0, max_price_gap=0.05, dead_band=0.02),
        exposures=SPOT,
        wall_s=wall,
    )
    return desk.decide(signal(), request_id="r1", budget_s=5.0)


def test_bars_are_seen_once_they_are_in_the_store_and_taken_in(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        market = LiveMarket(store, ("ETH", "BTC"), HOUR_S, wall_s=Wall(closes_at(BARS[11])))
        await keep(store, BARS[:10])
        assert market.closed_bars("BTC", after_s=None, limit=100) == []
        await market.refresh()
        assert market.closed_bars("BTC", after_s=None, limit=100) == BARS[:10]
        assert market.closed_bars("ETH", after_s=None, limit=100) == []
        await keep(store, BARS[10:12])
        await market.refresh()
        await market.refresh()
        assert market.closed_bars("BTC", after_s=None, limit=100) == BARS[:12]

    with_store(tmp_path, test)


def test_it_is_a_market_on_the_wall_clock(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        wall = Wall()
        market: Market = LiveMarket(store, ("ETH", "BTC"), HOUR_S, wall_s=wall)
        assert (market.source, market.speed, market.timeframe_s) == ("live", 1.0, HOUR_S)
        assert market.symbols() == ("BTC", "ETH")
        assert (market.now_s(), market.wall_time_s(5.0), market.ended()) == (wall.time_s, 5.0, False)
        with pytest.raises(UnknownSymbol):
            market.closed_bars("DOGE", after_s=None, limit=1)

    with_store(tmp_path, test)


def test_a_bar_is_seen_from_its_close_on(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        wall = Wall(closes_at(BARS[9]) - 0.001)
        market = LiveMarket(store, ("BTC",), HOUR_S, wall_s=wall)
        await keep(store, BARS[:10])
        await market.refresh()
        assert market.closed_bars("BTC", after_s=BARS[7].open_time_s, limit=9) == BARS[8:9]
        wall.time_s += 0.001
        assert market.closed_bars("BTC", after_s=BARS[7].open_time_s, limit=9) == BARS[8:10]
        assert market.closed_bars("BTC", after_s=None, limit=1) == BARS[9:10]

    with_store(tmp_path, test)


def test_memory_holds_the_newest_bars_only(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        many = list(bars_from_closes([100.0] * (MEMORY_BARS + 50)))
        wall = Wall(closes_at(many[MEMORY_BARS]))
        market = LiveMarket(store, ("BTC",), HOUR_S, wall_s=wall)
        await keep(store, many)
        await market.refresh()
        wall.time_s = closes_at(many[-1])
        assert market.closed_bars("BTC", after_s=None, limit=10_000) == many[-MEMORY_BARS:]

    with_store(tmp_path, test)


def test_the_store_is_looked_at_often_while_a_bar_is_due(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        wall = Wall(closes_at(BARS[9]) + 60.0)
        market = LiveMarket(store, ("BTC",), HOUR_S, wall_s=wall)
        assert market.pause_s() == DUE_S
        await keep(store, BARS[:10])
        await market.refresh()
        assert market.pause_s() == IDLE_S
        wall.time_s = closes_at(BARS[10]) - 0.5
        assert market.pause_s() == pytest.approx(0.5)
        wall.time_s = closes_at(BARS[10])
        assert market.pause_s() == DUE_S

    with_store(tmp_path, test)


def test_features_are_the_same_in_a_worker_that_came_later(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        wall = Wall(closes_at(BARS[-11]))
        early = LiveMarket(store, ("BTC",), HOUR_S, wall_s=wall)
        features = LiveFeatures(early, [policy_manifest()])
        await keep(store, BARS[:-10])
        for count in range(10):
            wall.time_s = closes_at(BARS[count - 10])
            await keep(store, BARS[: len(BARS) - 9 + count])
            await early.refresh()
            features.refresh()
        late = LiveMarket(store, ("BTC",), HOUR_S, wall_s=wall)
        await late.refresh()
        fresh = LiveFeatures(late, [policy_manifest()])
        fresh.refresh()
        assert fresh.view("BTC") == features.view("BTC")
        assert fresh.view("BTC").as_of_s == closes_at(BARS[-1])
        observed = [each.observe("BTC", SCHEMA.digest, None, 0.25).tolist() for each in (features, fresh)]
        assert observed[0] == observed[1]

    with_store(tmp_path, test)


def test_when_bars_stop_coming_decisions_hold_and_say_stale_data(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        wall = Wall(closes_at(BARS[-1]))
        market = LiveMarket(store, ("BTC",), HOUR_S, wall_s=wall)
        live = LiveFeatures(market, [policy_manifest()])
        with pytest.raises(NoMarketData):
            live.view("BTC")
        assert market.stale()
        await keep(store, BARS)
        await market.refresh()
        live.refresh()
        assert (await decide(live, wall)).should_trade
        for hours, reasons in ((1.4, ()), (1.6, (BlockReason.STALE_DATA,))):
            wall.time_s = closes_at(BARS[-1]) + hours * HOUR_S
            await market.refresh()
            live.refresh()
            decision = await decide(live, wall)
            assert decision.blocked_by == reasons
            assert market.stale() is bool(reasons)
        assert (decision.action, decision.failure) == (Action.HOLD, FailureReason.NO_DATA)

    with_store(tmp_path, test)
