"""A close says what a price was until it is stale; what may yet come is told from what never will."""

import asyncio
from pathlib import Path

from adapters.live_market import LiveMarket
from adapters.store.bars import keep_bars
from adapters.store.engine import Store
from tests.fakes.exposures import START_S, hourly
from tests.fakes.market import HOUR_S, FakeMarket
from tests.fakes.stores import running, sqlite
from wiring.closes import Closes, closes_since
from wiring.stores import OpenStore

AT_S = START_S + 10.0 * HOUR_S


def at(hours: float) -> float:
    return START_S + hours * HOUR_S


def of_embedded(folder: Path) -> Closes:
    market = FakeMarket({"BTC": hourly([100.0 + hour for hour in range(20)])}, now_s=AT_S)
    with OpenStore(sqlite(folder)) as store:
        return closes_since(market, store, float(START_S), at_s=AT_S)


def test_a_close_holds_until_it_is_older_than_one_and_a_half_bars(tmp_path: Path) -> None:
    closes = of_embedded(tmp_path)
    assert closes.close_at("BTC", at(5)) == 105.0
    assert closes.close_at("BTC", at(5.9)) == 105.0
    assert closes.close_at("BTC", at(10)) == 110.0
    assert closes.close_at("BTC", at(11.5)) == 110.0
    assert closes.close_at("BTC", at(11.6)) is None
    assert closes.close_at("BTC", at(-10)) is None


def test_an_embedded_market_has_all_bars_up_to_now(tmp_path: Path) -> None:
    assert of_embedded(tmp_path).complete_to_s("BTC") == AT_S


def test_a_symbol_that_the_market_does_not_list_has_no_price_and_will_have_none(tmp_path: Path) -> None:
    closes = of_embedded(tmp_path)
    assert closes.close_at("ETH", at(5)) is None
    assert closes.complete_to_s("ETH") == float("inf")


def test_bars_of_a_live_market_come_from_the_store_and_later_ones_may_yet_come(tmp_path: Path) -> None:
    location = sqlite(tmp_path)

    async def keep() -> None:
        async with running(location) as store:
            bars = hourly([100.0 + hour for hour in range(8)])
            await store.write(keep_bars("BTC", HOUR_S, bars, written_at_s=0.0))

    asyncio.run(keep())
    market = LiveMarket(Store(location), ("BTC", "ETH"), HOUR_S, wall_s=lambda: AT_S)
    with OpenStore(location) as store:
        closes = closes_since(market, store, float(START_S), at_s=AT_S)
    assert closes.close_at("BTC", at(7)) == 107.0
    assert closes.complete_to_s("BTC") == at(7)
    assert closes.complete_to_s("ETH") == float("-inf")
