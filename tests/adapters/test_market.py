"""The promises of trading.ports.Market, kept by every implementer."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.dataset import Dataset, DatasetReport
from adapters.live_market import LiveMarket
from adapters.market_clock import WALL_CLOCK
from adapters.replay_market import ReplayMarket, replay_terms
from adapters.simulated_market import SimulatedMarket, Simulation, simulation_terms
from adapters.simulated_prices import DAY_S, GENESIS_S
from adapters.store.bars import keep_bars
from tests.fakes.market import EPOCH_S, HOUR_S, FakeMarket, bars_from_closes
from tests.fakes.stores import running, sqlite
from trading.errors import UnknownSymbol
from trading.ports import Market
from trading.vocabulary import Bar

WALL_S = float(GENESIS_S + 100 * DAY_S + 1_234)


@dataclass(kw_only=True)
class Wall:
    """A wall clock moved by hand."""

    time_s: float

    def __call__(self) -> float:
        return self.time_s


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A market and the way to move its time on, in market seconds."""

    market: Market
    advance: Callable[[float], None]

    def bars(self, after_s: int | None = None, limit: int = 10_000) -> list[Bar]:
        return list(self.market.closed_bars("BTC", after_s=after_s, limit=limit))


def dataset(closes: list[float]) -> Dataset:
    report = DatasetReport(name="made.csv", newest_first=False, longest_hole=None, findings=())
    return Dataset(bars=bars_from_closes(closes), timeframe_s=HOUR_S, report=report, sha256="0" * 64)


def replay() -> Stage:
    wall = Wall(time_s=WALL_S)
    datasets = {"ETH": dataset([50.0] * 700), "BTC": dataset([100.0 + index % 7 for index in range(700)])}
    market = ReplayMarket(datasets, replay_terms(datasets, speed=60.0).begin(WALL_S), wall_s=wall)
    return Stage(market=market, advance=lambda seconds: setattr(wall, "time_s", wall.time_s + seconds / 60.0))


def simulated(speed: float = 1.0) -> Stage:
    wall = Wall(time_s=WALL_S)
    simulation = Simulation(seed=7, symbols=("ETH", "BTC"), timeframe_s=HOUR_S)
    terms = simulation_terms(simulation, speed=speed)
    market = SimulatedMarket(simulation, WALL_CLOCK if terms is None else terms.begin(WALL_S), wall_s=wall)
    return Stage(market=market, advance=lambda seconds: setattr(wall, "time_s", wall.time_s + seconds / speed))


def fake() -> Stage:
    bars = bars_from_closes([100.0 + index % 7 for index in range(700)])
    market = FakeMarket({"ETH": bars, "BTC": bars}, now_s=EPOCH_S + 600 * HOUR_S)
    return Stage(market=market, advance=market.advance)


def live() -> Stage:
    wall = Wall(time_s=float(EPOCH_S + 600 * HOUR_S + 10))
    bars = bars_from_closes([100.0 + index % 7 for index in range(700)])

    async def fill() -> LiveMarket:
        with tempfile.TemporaryDirectory() as folder:
            async with running(sqlite(Path(folder))) as store:
                for symbol in ("ETH", "BTC"):
                    await store.write(keep_bars(symbol, HOUR_S, bars, written_at_s=0.0))
                market = LiveMarket(store, ("ETH", "BTC"), HOUR_S, wall_s=wall)
                await market.refresh()
                return market

    return Stage(market=asyncio.run(fill()), advance=lambda seconds: setattr(wall, "time_s", wall.time_s + seconds))


MARKETS: dict[str, Callable[[], Stage]] = {
    "replay": replay,
    "simulated": simulated,
    "simulated at another speed": lambda: simulated(speed=60.0),
    "fake": fake,
    "live": live,
}


@pytest.fixture(params=list(MARKETS.values()), ids=list(MARKETS))
def open_stage(request: pytest.FixtureRequest) -> Callable[[], Stage]:
    made: Callable[[], Stage] = request.param
    return made


@pytest.fixture
def stage(open_stage: Callable[[], Stage]) -> Stage:
    return open_stage()


def test_a_bar_is_seen_from_its_close_on_and_not_before(stage: Stage) -> None:
    last = stage.bars()[-1]
    next_close_s = last.open_time_s + 2 * HOUR_S
    stage.advance(next_close_s - stage.market.now_s() - 1.0)
    assert stage.bars()[-1] == last
    stage.advance(1.001)
    assert stage.bars()[-1].open_time_s == last.open_time_s + HOUR_S


def test_no_bar_closes_after_the_market_s_time(stage: Stage) -> None:
    for _ in range(5):
        assert stage.bars()[-1].open_time_s + stage.market.timeframe_s <= stage.market.now_s()
        stage.advance(1_777.0)


def test_a_bar_that_closes_this_moment_is_seen() -> None:
    wall = Wall(time_s=float(GENESIS_S + 2 * HOUR_S))
    simulation = Simulation(seed=7, symbols=("BTC",), timeframe_s=HOUR_S)
    market = SimulatedMarket(simulation, WALL_CLOCK, wall_s=wall)
    assert market.closed_bars("BTC", after_s=None, limit=1)[0].open_time_s == GENESIS_S + HOUR_S


def test_bars_are_oldest_first_with_each_open_time_once(stage: Stage) -> None:
    bars = stage.bars()
    assert len(bars) >= 600
    assert all(earlier.open_time_s < later.open_time_s for earlier, later in pairwise(bars))


def test_what_was_seen_never_changes(stage: Stage) -> None:
    seen = stage.bars()
    stage.advance(10 * HOUR_S)
    later = stage.bars()
    assert later[: len(seen)] == seen
    assert len(later) == len(seen) + 10


def test_two_instances_show_the_same_bars_at_the_same_time(open_stage: Callable[[], Stage]) -> None:
    one, two = open_stage(), open_stage()
    assert one.market.now_s() == two.market.now_s()
    assert one.bars() == two.bars()


def test_a_limit_keeps_the_newest_bars(stage: Stage) -> None:
    assert stage.bars(limit=3) == stage.bars()[-3:]
    assert stage.bars(limit=0) == []


def test_after_keeps_the_bars_opened_later(stage: Stage) -> None:
    bars = stage.bars()
    assert stage.bars(after_s=bars[-4].open_time_s) == bars[-3:]
    assert stage.bars(after_s=bars[-4].open_time_s - 1) == bars[-4:]
    assert stage.bars(after_s=bars[-1].open_time_s) == []


def test_after_and_limit_together_keep_the_newest_of_the_later_bars(stage: Stage) -> None:
    bars = stage.bars()
    assert stage.bars(after_s=bars[-100].open_time_s, limit=2) == bars[-2:]


def test_an_unlisted_symbol_is_refused_by_name(stage: Stage) -> None:
    with pytest.raises(UnknownSymbol, match="'DOGE'"):
        stage.market.closed_bars("DOGE", after_s=None, limit=1)


def test_symbols_are_sorted(stage: Stage) -> None:
    assert stage.market.symbols() == ("BTC", "ETH")


def test_the_wall_time_of_a_market_time_is_when_the_clock_shows_it(stage: Stage) -> None:
    now_s = stage.market.now_s()
    wall_s = stage.market.wall_time_s(now_s + HOUR_S) - stage.market.wall_time_s(now_s)
    assert wall_s == pytest.approx(HOUR_S / stage.market.speed)


def test_a_market_with_bars_to_come_has_not_ended(stage: Stage) -> None:
    assert not stage.market.ended()
