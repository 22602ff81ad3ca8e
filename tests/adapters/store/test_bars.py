"""The bars that one poller writes for all workers, on each database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from adapters.store.bars import Kept, end_old_bars, keep_bars, last_bars, newer_bars
from adapters.store.engine import Location, Store
from tests.fakes.bars import random_bars
from tests.fakes.market import HOUR_S
from tests.fakes.stores import running
from trading.vocabulary import Bar

BARS = random_bars(1_000)


def within(location: Location, test: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as store:
            await test(store)

    asyncio.run(main())


async def keep(store: Store, bars: list[Bar], symbol: str = "BTC", timeframe_s: int = HOUR_S) -> Kept:
    return await store.write(keep_bars(symbol, timeframe_s, bars, written_at_s=1.0))


def test_bars_come_back_bit_for_bit(location: Location) -> None:
    async def test(store: Store) -> None:
        assert await keep(store, BARS) == Kept(new=1_000, disputed=())
        assert await store.read(last_bars("BTC", HOUR_S, 2_000)) == BARS
        assert await store.read(last_bars("BTC", HOUR_S, 3)) == BARS[-3:]

    within(location, test)


def test_a_kept_bar_is_never_replaced_and_another_version_of_it_is_told(location: Location) -> None:
    async def test(store: Store) -> None:
        await keep(store, BARS[:10])
        other = replace(BARS[8], close=BARS[8].close * 1.001)
        assert await keep(store, [BARS[7], other, *BARS[9:12]]) == Kept(new=2, disputed=(BARS[8].open_time_s,))
        assert await store.read(last_bars("BTC", HOUR_S, 12)) == BARS[:12]

    within(location, test)


def test_the_same_bars_again_change_and_dispute_nothing(location: Location) -> None:
    async def test(store: Store) -> None:
        await keep(store, BARS[:10])
        assert await keep(store, BARS[:10]) == Kept(new=0, disputed=())
        assert await keep(store, []) == Kept(new=0, disputed=())

    within(location, test)


def test_a_bar_that_was_missing_is_not_put_where_workers_have_gone_past(location: Location) -> None:
    async def test(store: Store) -> None:
        await keep(store, [*BARS[:5], *BARS[6:10]])
        assert await keep(store, BARS[4:11]) == Kept(new=1, disputed=(BARS[5].open_time_s,))
        assert await store.read(last_bars("BTC", HOUR_S, 20)) == [*BARS[:5], *BARS[6:11]]

    within(location, test)


def test_two_pollers_at_once_keep_each_bar_once(location: Location) -> None:
    async def test(store: Store) -> None:
        async with running(location) as other:
            kept = await asyncio.gather(*(keep(one, BARS[:count]) for one in (store, other) for count in (20, 30, 40)))
        assert sum(outcome.new for outcome in kept) == 40
        assert await store.read(last_bars("BTC", HOUR_S, 100)) == BARS[:40]

    within(location, test)


def test_each_symbol_is_read_from_where_its_reader_stands(location: Location) -> None:
    async def test(store: Store) -> None:
        await keep(store, BARS[:10])
        await keep(store, BARS[:10], symbol="ETH")
        await keep(store, BARS[:10], symbol="SOL")
        after_s = {"BTC": BARS[7].open_time_s, "ETH": -1, "SOL": BARS[9].open_time_s, "DOGE": -1}
        assert await store.read(newer_bars(HOUR_S, after_s)) == {"BTC": BARS[8:10], "ETH": BARS[:10]}

    within(location, test)


def test_bars_of_another_timeframe_are_other_bars(location: Location) -> None:
    async def test(store: Store) -> None:
        await keep(store, BARS[:10])
        assert await keep(store, BARS[3:5], timeframe_s=60) == Kept(new=2, disputed=())
        assert await store.read(newer_bars(60, {"BTC": -1})) == {"BTC": BARS[3:5]}
        assert await store.read(last_bars("BTC", 60, 10)) == BARS[3:5]

    within(location, test)


def test_only_the_newest_bars_of_a_symbol_stay(location: Location) -> None:
    async def test(store: Store) -> None:
        await keep(store, BARS[:10])
        await keep(store, BARS[:10], symbol="ETH")
        assert await store.write(end_old_bars("BTC", HOUR_S, keep=10)) == 0
        assert await store.write(end_old_bars("BTC", HOUR_S, keep=4)) == 6
        assert await store.read(last_bars("BTC", HOUR_S, 20)) == BARS[6:10]
        assert await store.read(last_bars("ETH", HOUR_S, 20)) == BARS[:10]

    within(location, test)
