"""Whatever the DataAggregator tells, no worker's market shows a bar that is not the market's own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.data_aggregator.client import SERVICE, DataAggregator
from adapters.live_market import LiveMarket
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from rl_models.live import LiveFeatures
from tests.fakes.jobs import HandClock
from tests.fakes.market import EPOCH_S, HOUR_S
from tests.fakes.stack.candles import LIES, candle
from tests.fakes.stack.remote import Control
from tests.fakes.stack.running import Service, running_stack
from tests.fakes.stores import running, sqlite
from trading.boot import Moment
from wiring.bar_poller import LEASE_S, LONGEST_PAUSE_S, RENEW_S, BarPoller, Watched

START = Moment(boot="this boot", monotonic_s=1_000.0, wall_s=EPOCH_S + 600.0)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_stack(aggregator="v1m") as stack:
        yield stack.aggregator


@dataclass
class Stage:
    """A worker that polls, its market and the aggregator, on one clock."""

    control: Control
    clock: HandClock
    poller: BarPoller
    market: LiveMarket

    async def pass_time(self, seconds: float) -> None:
        """The clock of everybody goes on, then the worker has its turn."""
        self.clock.go(seconds)
        self.control.set(clock_s=self.clock.moment.wall_s)
        await self.poller.turn()
        await self.market.refresh()

    async def pass_turns(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            await self.pass_time(1.0)

    def newest_close_s(self) -> int:
        return self.market.closed_bars("BTC", after_s=None, limit=1)[0].open_time_s + HOUR_S

    def has_true_bars(self) -> bool:
        now_s = self.clock.moment.wall_s
        return all(
            [bar.open, bar.high, bar.low, bar.close, bar.volume_base, bar.volume_quote]
            == [float(row[column]) for column in (1, 2, 3, 4, 5, 7)]
            for bar in self.market.closed_bars("BTC", after_s=None, limit=20)
            for row in [candle("BTC", bar.open_time_s, HOUR_S, now_s)]
        )


def on_stage(service: Service, folder: Path, test: Callable[[Stage], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = HandClock(START)
        upstream = Upstream(SERVICE, service.url, Breakers(monotonic_s=lambda: clock.moment.monotonic_s))
        await upstream.start()
        asked = DataAggregator(upstream, version=None, wall_s=lambda: clock.moment.wall_s)
        watched = Watched(symbols=("BTC",), timeframe_s=HOUR_S, usable_bars=400, keep_bars=1_000)
        async with running(sqlite(folder)) as store:
            poller = BarPoller(asked, store, watched, owner="one", now=clock, chance=lambda: 0.5)
            market = LiveMarket(store, ("BTC",), HOUR_S, wall_s=lambda: clock.moment.wall_s)
            await test(Stage(service.control, clock, poller, market))
        await upstream.stop()

    service.control.reset()
    service.control.set(candles="true", binance_up=True)
    asyncio.run(main())


@pytest.mark.parametrize("lie", sorted(LIES.keys() - {"true", "gap"}))
def test_a_lie_becomes_no_bar_and_the_truth_after_it_does(service: Service, tmp_path: Path, lie: str) -> None:
    async def test(stage: Stage) -> None:
        await stage.pass_time(0.0)
        features = LiveFeatures(stage.market)
        features.refresh()
        before_s = stage.newest_close_s()
        assert before_s == EPOCH_S
        stage.control.set(candles=lie)
        await stage.pass_time(HOUR_S)
        await stage.pass_turns(5.0)
        assert (stage.newest_close_s(), stage.has_true_bars()) == (before_s, True)
        assert stage.poller.state().failing.keys() == {"BTC"}
        await stage.pass_time(0.5 * HOUR_S)
        features.refresh()
        assert features.view("BTC").stale
        stage.control.set(candles="true")
        await stage.pass_turns(LONGEST_PAUSE_S)
        features.refresh()
        assert (stage.newest_close_s(), stage.has_true_bars()) == (before_s + HOUR_S, True)
        assert not features.view("BTC").stale

    on_stage(service, tmp_path, test)


def test_a_service_that_was_down_is_caught_up_with(service: Service, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        await stage.pass_time(0.0)
        stage.control.down()
        await stage.pass_time(3 * HOUR_S)
        await stage.pass_turns(20.0)
        assert stage.newest_close_s() == EPOCH_S
        stage.control.up()
        await stage.pass_turns(LEASE_S + RENEW_S + LONGEST_PAUSE_S)
        assert stage.newest_close_s() == EPOCH_S + 3 * HOUR_S
        bars = stage.market.closed_bars("BTC", after_s=None, limit=5)
        assert [bar.open_time_s - EPOCH_S for bar in bars] == [place * HOUR_S for place in (-2, -1, 0, 1, 2)]
        assert stage.poller.state().disputed_total == 0
        assert stage.control.authorized() == 0

    on_stage(service, tmp_path, test)
