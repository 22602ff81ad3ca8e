"""A replay begins, runs and ends with its bars."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.dataset import Dataset, DatasetReport
from adapters.market_clock import MarketClock
from adapters.ohlcv_files import read_ohlcv
from adapters.replay_market import OPENING_BARS, ReplayMarket, default_start_s, digest, replay_terms
from tests.fakes.market import EPOCH_S, HOUR_S, bars_from_closes
from trading.errors import DatasetRefused, InvalidSetting
from trading.vocabulary import Bar

WALL_S = 1_800_000_000.0


def dataset(count: int = 700, *, start_s: int = EPOCH_S, timeframe_s: int = HOUR_S, sha256: str = "0" * 64) -> Dataset:
    bars = bars_from_closes([100.0 + index for index in range(count)], start_s=start_s, timeframe_s=timeframe_s)
    report = DatasetReport(name="made.csv", newest_first=False, longest_hole=None, findings=())
    return Dataset(bars=bars, timeframe_s=timeframe_s, report=report, sha256=sha256)


def market_at(datasets: dict[str, Dataset], market_s: float) -> ReplayMarket:
    clock = MarketClock(epoch_wall_s=WALL_S, start_market_s=market_s, speed=60.0)
    return ReplayMarket(datasets, clock, wall_s=lambda: WALL_S)


def begun(datasets: dict[str, Dataset], *, wall_s: float = WALL_S, start_s: float | None = None) -> ReplayMarket:
    terms = replay_terms(datasets, speed=60.0, start_s=start_s)
    return ReplayMarket(datasets, terms.begin(WALL_S), wall_s=lambda: wall_s)


def newest(market: ReplayMarket, symbol: str = "BTC") -> Bar:
    return market.closed_bars(symbol, after_s=None, limit=1)[0]


def test_it_begins_with_the_opening_bars_closed() -> None:
    market = begun({"BTC": dataset()})
    assert len(market.closed_bars("BTC", after_s=None, limit=10_000)) == OPENING_BARS
    assert market.now_s() == EPOCH_S + OPENING_BARS * HOUR_S


def test_it_begins_when_the_youngest_symbol_has_its_opening_bars() -> None:
    young = dataset(start_s=EPOCH_S + 50 * HOUR_S)
    assert default_start_s({"BTC": dataset(), "ETH": young}) == EPOCH_S + (OPENING_BARS + 50) * HOUR_S


def test_too_few_bars_need_a_given_start() -> None:
    short = {"BTC": dataset(OPENING_BARS)}
    with pytest.raises(DatasetRefused, match="BTC: 600 bars; a replay without a start needs more than 600"):
        replay_terms(short, speed=1.0)
    start_s = EPOCH_S + 10 * HOUR_S
    market = begun(short, start_s=start_s)
    assert newest(market).open_time_s == EPOCH_S + 9 * HOUR_S


@pytest.mark.parametrize("start_s", [EPOCH_S, EPOCH_S + 701 * HOUR_S])
def test_a_start_outside_the_bars_is_refused(start_s: int) -> None:
    with pytest.raises(InvalidSetting, match="outside the bars: 2020-09-13T13:00:00Z to 2020-10-12T16:00:00Z"):
        replay_terms({"BTC": dataset()}, speed=1.0, start_s=start_s)


def test_files_of_two_timeframes_are_refused() -> None:
    with pytest.raises(DatasetRefused, match="BTC 3600 s, ETH 60 s"):
        replay_terms({"ETH": dataset(timeframe_s=60), "BTC": dataset()}, speed=1.0)


def test_a_replay_of_nothing_is_refused() -> None:
    with pytest.raises(DatasetRefused, match="at least one file"):
        replay_terms({}, speed=1.0)


def test_a_process_that_comes_later_is_where_the_clock_is() -> None:
    assert begun({"BTC": dataset()}, wall_s=WALL_S + 120.0).now_s() == EPOCH_S + (OPENING_BARS + 2) * HOUR_S


def test_other_bars_start_another_market() -> None:
    one = {"BTC": dataset()}
    assert digest(one) == digest({"BTC": dataset()})
    assert digest(one) != digest({"BTC": dataset(sha256="1" * 64)})
    assert digest(one) != digest({"ETH": dataset()})
    assert digest(one) != digest({"BTC": replace(dataset(), timeframe_s=60)})


def test_a_bar_closing_now_is_the_newest() -> None:
    assert newest(market_at({"BTC": dataset()}, EPOCH_S + 10 * HOUR_S)).open_time_s == EPOCH_S + 9 * HOUR_S
    assert newest(market_at({"BTC": dataset()}, EPOCH_S + 10 * HOUR_S - 1)).open_time_s == EPOCH_S + 8 * HOUR_S


def test_it_ends_after_the_last_close_of_its_longest_symbol() -> None:
    datasets = {"BTC": dataset(700), "ETH": dataset(650)}
    assert not market_at(datasets, EPOCH_S + 700 * HOUR_S).ended()
    ended = market_at(datasets, EPOCH_S + 700 * HOUR_S + 1)
    assert ended.ended()
    assert newest(ended).open_time_s == EPOCH_S + 699 * HOUR_S


def test_bars_do_not_depend_on_later_ones() -> None:
    full, cut = dataset(700), replace(dataset(700), bars=dataset(700).bars[:300])
    now_s = EPOCH_S + 300 * HOUR_S
    seen = [market_at({"BTC": data}, now_s).closed_bars("BTC", after_s=None, limit=10_000) for data in (full, cut)]
    assert seen[0] == seen[1]


def test_the_real_btc_hours_replay_to_their_end(shared_data: Path) -> None:
    btc = read_ohlcv(shared_data / "crypto/BTCUSD_1h_2019-07_2022-02_raw.csv")
    market = begun({"BTC": btc})
    assert newest(market) == btc.bars[OPENING_BARS - 1]
    assert market.datasets["BTC"].report.lines()
    assert market_at({"BTC": btc}, btc.last_close_s + 1.0).ended()
