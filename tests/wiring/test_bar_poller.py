"""One worker of all brings each bar into the store once it has closed."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from adapters.data_aggregator.klines import MOST_ROWS, STALE_AFTER
from adapters.data_aggregator.refusal import Fault, MarketDataRefused
from adapters.store.bars import last_bars
from adapters.store.engine import Location, Store
from tests.fakes.bars import random_bars
from tests.fakes.jobs import HandClock
from tests.fakes.market import EPOCH_S, HOUR_S
from tests.fakes.stores import STORES, running, sqlite
from trading.boot import Moment
from trading.errors import OutcomeUnknown, UpstreamLimited, UpstreamRefused
from trading.vocabulary import Bar
from wiring.bar_poller import (
    AT_ONCE,
    DELAY_S,
    LEASE_S,
    LIMITED_S,
    LONGEST_PAUSE_S,
    OVERLAP_BARS,
    RENEW_S,
    SPREAD_S,
    TURN_S,
    BarPoller,
    Watched,
)

BARS = random_bars(1_600)
# A quarter past an hour, with a thousand bars and more behind it.
NOW = Moment(boot="this boot", monotonic_s=1_000.0, wall_s=EPOCH_S + 1_200.0 * HOUR_S + 900.0)


@dataclass
class FakeSource:
    """Keeps wiring.bar_poller.BarSource: tells BARS by the clock, `late_s` after their close."""

    clock: HandClock
    late_s: float = 0.0
    error: Exception | None = None
    bars: list[Bar] = field(default_factory=lambda: list(BARS))
    asked: list[tuple[str, int, float]] = field(default_factory=list)

    async def closed_bars(self, symbol: str, timeframe_s: int, *, limit: int, deadline_s: float) -> list[Bar]:
        self.asked.append((symbol, limit, self.clock.moment.wall_s))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        now_s = self.clock.moment.wall_s
        told = [bar for bar in self.bars if bar.open_time_s + timeframe_s + self.late_s <= now_s][-limit + 1 :]
        if now_s - told[-1].open_time_s > (1 + STALE_AFTER) * timeframe_s:
            raise MarketDataRefused(Fault.STALE, "old")
        return told

    @property
    def calls(self) -> Counter[str]:
        return Counter(symbol for symbol, _, _ in self.asked)


@dataclass
class Stage:
    """Pollers over one store, one source and one clock."""

    store: Store
    clock: HandClock
    source: FakeSource

    def poller(self, owner: str = "one", symbols: tuple[str, ...] = ("BTC",)) -> BarPoller:
        watched = Watched(symbols=symbols, timeframe_s=HOUR_S, usable_bars=400, keep_bars=1_000)
        return BarPoller(self.source, self.store, watched, owner=owner, now=self.clock, chance=lambda: 0.5)

    async def run(self, seconds: float, *pollers: BarPoller) -> None:
        """Time goes by, a turn at a time."""
        end_s = self.clock.moment.monotonic_s + seconds
        while self.clock.moment.monotonic_s < end_s:
            for poller in pollers:
                await poller.turn()
            self.clock.go(TURN_S)

    async def run_to_close(self, *pollers: BarPoller) -> None:
        """Time goes to the next close of a bar."""
        wall_s = self.clock.moment.wall_s
        self.clock.go((wall_s // HOUR_S + 1) * HOUR_S - wall_s)

    async def newest(self, symbol: str = "BTC") -> int | None:
        """When the newest bar in the store closed, in hours since the last close."""
        kept = await self.store.read(last_bars(symbol, HOUR_S, 1))
        if not kept:
            return None
        return int(kept[0].open_time_s + HOUR_S - self.clock.moment.wall_s // HOUR_S * HOUR_S) // HOUR_S


def on_stage(location: Location, test: Callable[[Stage], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = HandClock(NOW)
        async with running(location) as store:
            await test(Stage(store, clock, FakeSource(clock)))

    asyncio.run(main())


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return sqlite(tmp_path)


@pytest.mark.parametrize("database", list(STORES))
def test_the_first_turn_fills_the_store_and_each_close_adds_a_bar(database: str, tmp_path: Path) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller()
        await poller.turn()
        closed = [bar for bar in BARS if bar.open_time_s + HOUR_S <= NOW.wall_s]
        assert await stage.store.read(last_bars("BTC", HOUR_S, 2_000)) == closed[-MOST_ROWS + 1 :]
        for _ in range(3):
            await stage.run_to_close()
            await stage.run(3.0, poller)
            assert await stage.newest() == 0
        assert [limit for _, limit, _ in stage.source.asked] == [MOST_ROWS, *[1 + OVERLAP_BARS + 1] * 3]

    on_stage(STORES[database](tmp_path), test)


def test_a_bar_is_asked_for_once_and_not_before_it_has_closed(location: Location) -> None:
    async def test(stage: Stage) -> None:
        symbols = ("BTC", "ETH", "SOL")
        poller = stage.poller(symbols=symbols)
        await stage.run(30.0, poller)
        assert stage.source.calls == dict.fromkeys(symbols, 1)
        await stage.run_to_close()
        close_s = stage.clock.moment.wall_s
        await stage.run(30.0, poller)
        assert stage.source.calls == dict.fromkeys(symbols, 2)
        times_s = [asked_s - close_s for _, _, asked_s in stage.source.asked[3:]]
        assert len(set(times_s)) == 3
        assert all(DELAY_S <= time_s <= DELAY_S + SPREAD_S + TURN_S for time_s in times_s)

    on_stage(location, test)


def test_of_two_workers_one_asks(location: Location) -> None:
    async def test(stage: Stage) -> None:
        one, two = stage.poller("one"), stage.poller("two")
        await stage.run(5.0, one, two)
        await stage.run_to_close()
        await stage.run(60.0, one, two)
        assert stage.source.calls == {"BTC": 2}
        assert (one.state().holds, two.state().holds) == (True, False)

    on_stage(location, test)


def test_another_worker_goes_on_within_the_lease_of_one_that_died(location: Location) -> None:
    async def test(stage: Stage) -> None:
        one, two = stage.poller("one"), stage.poller("two")
        await stage.run(5.0, one, two)
        await stage.run_to_close()
        await stage.run(LEASE_S + RENEW_S + TURN_S, two)
        assert await stage.newest() == 0
        assert two.state().holds
        assert not one.state().holds
        assert LEASE_S + RENEW_S + TURN_S < 10.0

    on_stage(location, test)


def test_a_worker_that_stops_leaves_the_lease_to_the_next(location: Location) -> None:
    async def test(stage: Stage) -> None:
        one, two = stage.poller("one"), stage.poller("two")
        await stage.run(3.0, one, two)
        await one.stop()
        await stage.run(RENEW_S + TURN_S, two)
        assert two.state().holds

    on_stage(location, test)


def test_a_bar_that_comes_late_is_asked_for_until_it_is_there(location: Location) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller()
        await poller.turn()
        stage.source.late_s = 20.0
        await stage.run_to_close()
        await stage.run(19.0, poller)
        assert await stage.newest() == -1
        assert poller.state().failing == {"BTC": "late"}
        await stage.run(1.0 + LONGEST_PAUSE_S, poller)
        assert await stage.newest() == 0
        assert poller.state().failing == {}
        assert stage.source.calls["BTC"] < 10

    on_stage(location, test)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OutcomeUnknown("hangs"), "unavailable"),
        (UpstreamRefused("BINANCE_ERROR", "no such symbol", status=400), "refused"),
        (MarketDataRefused(Fault.MADE_UP, "fallback"), "made_up"),
    ],
)
def test_while_it_is_away_it_is_asked_ever_less_and_after_that_bars_come_again(
    location: Location, error: Exception, reason: str
) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller()
        await poller.turn()
        stage.source.error = error
        await stage.run_to_close()
        await stage.run(600.0, poller)
        asked = stage.source.calls["BTC"] - 1
        assert 600 / LONGEST_PAUSE_S <= asked < 600 / (LONGEST_PAUSE_S / 2) + 10
        assert poller.state().failed_totals == {reason: asked}
        assert poller.state().failing == {"BTC": reason}
        stage.source.error = None
        await stage.run(LONGEST_PAUSE_S, poller)
        assert await stage.newest() == 0

    on_stage(location, test)


def test_what_was_missed_while_it_was_away_is_brought_in_one_question(location: Location) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller()
        await poller.turn()
        stage.clock.go(5 * HOUR_S)
        await poller.turn()
        assert stage.source.asked[-1][1] == 5 + OVERLAP_BARS + 1
        assert await stage.newest() == 0
        assert poller.state().disputed_total == 0

    on_stage(location, test)


@pytest.mark.parametrize("told_s", [120.0, None])
def test_when_it_wants_fewer_calls_no_symbol_is_asked_until_then(location: Location, told_s: float | None) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller(symbols=("BTC", "ETH"))
        stage.source.error = UpstreamLimited(told_s)
        await poller.turn()
        assert sum(stage.source.calls.values()) == 2
        stage.source.error = None
        wait_s = LIMITED_S if told_s is None else told_s
        await stage.run(wait_s - TURN_S, poller)
        assert sum(stage.source.calls.values()) == 2
        await stage.run(2 * TURN_S, poller)
        assert await stage.newest("ETH") == 0

    on_stage(location, test)


def test_many_symbols_are_not_asked_at_once(location: Location) -> None:
    async def test(stage: Stage) -> None:
        symbols = tuple(f"S{place}" for place in range(10))
        poller = stage.poller(symbols=symbols)
        await stage.run(5.0, poller)
        assert stage.source.calls == dict.fromkeys(symbols, 1)
        assert max(Counter(asked_s for _, _, asked_s in stage.source.asked).values()) == AT_ONCE

    on_stage(location, test)


def test_a_symbol_that_fails_holds_up_no_other(location: Location) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller(symbols=("BTC", "ETH"))
        answer = stage.source.closed_bars

        async def picky(symbol: str, timeframe_s: int, *, limit: int, deadline_s: float) -> list[Bar]:
            if symbol == "BTC":
                raise OutcomeUnknown("500")
            return await answer(symbol, timeframe_s, limit=limit, deadline_s=deadline_s)

        stage.source.closed_bars = picky  # type: ignore[method-assign]
        await stage.run(1.0, poller)
        assert (await stage.newest("BTC"), await stage.newest("ETH")) == (None, 0)
        assert poller.state().failing == {"BTC": "unavailable"}

    on_stage(location, test)


def test_a_bar_told_otherwise_later_is_counted_once_and_kept_as_it_was(
    location: Location, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller()
        await poller.turn()
        place = next(place for place, bar in enumerate(BARS) if bar.open_time_s + 2 * HOUR_S > NOW.wall_s)
        stage.source.bars[place] = replace(BARS[place], close=BARS[place].close * 1.0001)
        for _ in range(2):
            await stage.run_to_close()
            await stage.run(3.0, poller)
        assert poller.state().disputed_total == 1
        assert BARS[place] in await stage.store.read(last_bars("BTC", HOUR_S, 5))
        assert "told otherwise" in caplog.text

    on_stage(location, test)


def test_a_bar_that_is_missing_is_waited_for(location: Location) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller()
        await poller.turn()
        place = next(place for place, bar in enumerate(BARS) if bar.open_time_s + HOUR_S > NOW.wall_s)
        del stage.source.bars[place]
        stage.clock.go(2 * HOUR_S)
        await poller.turn()
        assert poller.state().failing == {"BTC": "gap"}
        assert await stage.newest() == -2
        stage.source.bars.insert(place, BARS[place])
        await stage.run(5.0, poller)
        assert await stage.store.read(last_bars("BTC", HOUR_S, 3)) == BARS[place - 1 : place + 2]

    on_stage(location, test)


def test_a_wall_clock_set_back_asks_for_nothing(location: Location) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller()
        await poller.turn()
        stage.clock.jump(-HOUR_S)
        await stage.run(60.0, poller)
        assert stage.source.calls == {"BTC": 1}

    on_stage(location, test)


def test_what_is_too_old_ends(location: Location) -> None:
    async def test(stage: Stage) -> None:
        poller = stage.poller()
        await poller.turn()
        stage.clock.go(300 * HOUR_S)
        restarted = stage.poller("two")
        await restarted.turn()
        assert len(await stage.store.read(last_bars("BTC", HOUR_S, 2_000))) == 1_000

    on_stage(location, test)
