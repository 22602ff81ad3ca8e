import asyncio
from dataclasses import replace

import numpy as np
import pytest

from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.features.stream import FeatureStream
from rl_models.live import SPARE_BARS, LiveFeatures
from rl_models.regime import WARMUP_BARS, RegimeStream
from tests.fakes.bars import random_bars
from tests.fakes.bundles import SCHEMA, policy_manifest
from tests.fakes.market import HOUR_S, FakeMarket
from trading.errors import BundleRefused, FeaturesMissing, FeaturesWarmingUp, NoMarketData, UnknownSymbol
from trading.vocabulary import Bar

HISTORY = WARMUP_BARS + SPARE_BARS
BARS = random_bars(HISTORY + 100)
RSI = FeatureSchema(features=(FeatureSpec(name="rsi", feature="rsi", params={"n": 14}),))


def closes_at(bar: Bar) -> float:
    return float(bar.open_time_s + HOUR_S)


def opened(market: FakeMarket) -> LiveFeatures:
    live = LiveFeatures(market, [policy_manifest()])
    live.refresh()
    return live


def observed(live: LiveFeatures) -> list[float]:
    values: list[float] = live.observe("BTC", SCHEMA.digest, None, 0.25).tolist()
    return values


def expected_at(place: int) -> list[float]:
    return [float(np.log(BARS[place].close / BARS[place - 1].close)), 0.25]


def test_the_view_is_that_of_the_last_closed_bar() -> None:
    last = BARS[HISTORY]
    market = FakeMarket({"BTC": BARS}, now_s=closes_at(last) + 600, speed=2.0)
    view = opened(market).view("BTC")
    regime = RegimeStream(HOUR_S)
    for bar in BARS[1 : HISTORY + 1]:
        regime.update(bar)
    assert (view.as_of_s, view.now_s, view.close) == (closes_at(last), closes_at(last) + 600, last.close)
    assert view.valid_until_s == market.wall_time_s(closes_at(last) + HOUR_S)
    assert (view.timeframe_s, view.ended, view.stale) == (HOUR_S, False, False)
    assert regime.label is not None
    assert view.regime == regime.label


def test_each_new_bar_is_taken_in_once() -> None:
    market = FakeMarket({"BTC": BARS}, now_s=closes_at(BARS[50]))
    live = opened(market)
    for place in range(51, 60):
        market.set_now(closes_at(BARS[place]))
        live.refresh()
        live.refresh()
        assert observed(live) == pytest.approx(expected_at(place), rel=1e-9)


def test_nothing_of_a_bar_is_seen_before_it_closes() -> None:
    market = FakeMarket({"BTC": BARS}, now_s=closes_at(BARS[50]))
    live = opened(market)
    before = observed(live)
    market.advance(HOUR_S - 1)
    live.refresh()
    assert observed(live) == before


def test_live_features_equal_a_stream_over_the_same_bars() -> None:
    manifest = replace(policy_manifest(), schema=RSI, normalisation=None, warmup_bars=20)
    live = LiveFeatures(FakeMarket({"BTC": BARS}), [manifest])
    live.refresh()
    stream = FeatureStream(RSI, HOUR_S, 20)
    for bar in BARS[-HISTORY:]:
        stream.push(bar)
    assert live.observe("BTC", RSI.digest, None, 0.0).tolist() == stream.observe(None, 0.0).tolist()


@pytest.mark.parametrize("place", [30, HISTORY + 90], ids=["backwards", "far forwards"])
def test_a_market_that_jumps_is_read_again(place: int) -> None:
    market = FakeMarket({"BTC": BARS}, now_s=closes_at(BARS[60]))
    live = opened(market)
    market.set_now(closes_at(BARS[place]))
    live.refresh()
    assert live.view("BTC").as_of_s == closes_at(BARS[place])
    assert observed(live) == pytest.approx(expected_at(place), rel=1e-9)


def test_a_market_that_goes_back_before_its_first_bar_has_no_data_again() -> None:
    market = FakeMarket({"BTC": BARS}, now_s=closes_at(BARS[60]))
    live = opened(market)
    market.set_now(float(BARS[0].open_time_s))
    live.refresh()
    with pytest.raises(NoMarketData):
        live.view("BTC")


def test_a_symbol_listed_later_is_picked_up() -> None:
    market = FakeMarket({"BTC": BARS})
    live = opened(market)
    with pytest.raises(UnknownSymbol):
        live.view("ETH")
    market.put("ETH", BARS)
    with pytest.raises(NoMarketData):
        live.view("ETH")
    live.refresh()
    assert live.view("ETH").close == BARS[-1].close


def test_before_the_first_refresh_there_is_no_data() -> None:
    live = LiveFeatures(FakeMarket({"BTC": BARS}), [policy_manifest()])
    with pytest.raises(NoMarketData):
        live.view("BTC")
    with pytest.raises(NoMarketData):
        live.observe("BTC", SCHEMA.digest, None, 0.0)


def test_too_few_bars_for_the_warm_up_are_named_as_such() -> None:
    live = opened(FakeMarket({"BTC": BARS[:2]}))
    assert live.view("BTC").close == BARS[1].close
    with pytest.raises(FeaturesWarmingUp):
        observed(live)


def test_a_schema_that_is_not_tracked_is_missing_until_it_is() -> None:
    live = opened(FakeMarket({"BTC": BARS}))
    with pytest.raises(FeaturesMissing, match=RSI.digest):
        live.observe("BTC", RSI.digest, None, 0.0)
    asyncio.run(live.track([replace(policy_manifest(), schema=RSI, normalisation=None, warmup_bars=20)]))
    assert 0.0 < live.observe("BTC", RSI.digest, None, 0.0)[0] < 100.0
    assert len(observed(live)) == 2


def test_a_policy_on_other_bars_than_the_market_is_refused() -> None:
    with pytest.raises(BundleRefused, match="bars of 60 s, this market has bars of 3600 s"):
        LiveFeatures(FakeMarket({"BTC": BARS}), [replace(policy_manifest(), timeframe_s=60)])


def test_the_end_of_the_market_is_in_the_view() -> None:
    market = FakeMarket({"BTC": BARS}, ends=True)
    live = opened(market)
    assert not live.view("BTC").ended
    market.advance(1)
    assert live.view("BTC").ended


def test_others_have_their_turn_between_two_symbols_and_what_was_warm_stays_so() -> None:
    names = [f"S{number}" for number in range(5)]
    live = opened(FakeMarket(dict.fromkeys(names, BARS)))
    turns = 0

    async def main() -> None:
        nonlocal turns
        tracking = asyncio.create_task(
            live.track([replace(policy_manifest(), schema=RSI, normalisation=None, warmup_bars=20)])
        )
        while not tracking.done():
            assert all(len(live.observe(name, SCHEMA.digest, None, 0.25)) == 2 for name in names)
            turns += 1
            await asyncio.sleep(0)

    asyncio.run(main())
    assert turns > len(names)
    assert all(len(live.observe(name, RSI.digest, None, 0.0)) == 1 for name in names)


def test_symbols_are_opened_by_what_is_tracked_first() -> None:
    live = LiveFeatures(FakeMarket({"BTC": BARS}))
    asyncio.run(live.track([policy_manifest()]))
    assert observed(live) == pytest.approx(expected_at(-1), rel=1e-9)
