"""The defects of real files are found where they are; the files are read from `../shared/data`, never copied."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.bar_checks import VolumeOrder, volume_order
from adapters.dataset import Defect
from adapters.ohlcv_columns import VolumeUnit
from adapters.ohlcv_files import read_ohlcv
from trading.errors import DatasetRefused

BTC_HOURLY = "crypto/BTCUSD_1h_2019-07_2022-02_raw.csv"


def unix_s(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_the_hourly_btc_file_is_newest_first_with_swapped_volumes_until_october_2020(shared_data: Path) -> None:
    dataset = read_ohlcv(shared_data / BTC_HOURLY)
    assert (len(dataset.bars), dataset.timeframe_s, dataset.report.newest_first) == (23_377, 3600, True)
    swapped = dataset.report.find(Defect.SWAPPED_VOLUME)
    assert swapped is not None
    assert (swapped.from_s, swapped.to_s) == (unix_s("2019-07-01T00:00"), unix_s("2020-10-12T08:00"))
    assert dataset.report.count(Defect.NO_TRADES) == 5
    early = [bar for bar in dataset.bars if bar.open_time_s <= swapped.to_s]
    assert swapped.count == sum(bar.volume_base > 0 for bar in early) == 11_261
    assert dataset.report.count(Defect.HOLE) == 0


def test_after_the_repair_every_traded_hour_of_btc_has_usd_as_quote_volume(shared_data: Path) -> None:
    bars = read_ohlcv(shared_data / BTC_HOURLY).bars
    orders = {volume_order(bar) for bar in bars}
    assert orders == {VolumeOrder.AS_NAMED, VolumeOrder.NO_TRADES}


def test_an_outage_of_seven_hours_is_the_longest_hole(shared_data: Path) -> None:
    report = read_ohlcv(shared_data / "crypto/BTCUSD_1m_trade_2018-04-04_06.csv").report
    assert report.longest_hole is not None
    assert report.longest_hole.missing_bars == 432
    assert report.longest_hole.after_s == unix_s("2018-04-04T16:47")


@pytest.mark.parametrize(
    ("file", "holes", "longest_s"),
    [("crypto/ADABTC_5m_2018-01.csv", 5, 170 * 60), ("crypto/XRPETH_1m_2019-10.csv", 676, 9 * 60)],
)
def test_the_holes_of_thin_markets_are_counted(shared_data: Path, file: str, holes: int, longest_s: int) -> None:
    dataset = read_ohlcv(shared_data / file)
    assert dataset.report.count(Defect.HOLE) == holes
    assert dataset.report.longest_hole is not None
    assert (dataset.report.longest_hole.missing_bars + 1) * dataset.timeframe_s == longest_s


def test_a_volume_in_usd_is_read_as_such_when_told(shared_data: Path) -> None:
    dataset = read_ohlcv(shared_data / "crypto/BTC-PERP_1m_2022-01.csv", volume_unit=VolumeUnit.QUOTE)
    assert dataset.bars[0].volume_quote == 2_300_413.7295
    assert dataset.bars[0].volume_base == pytest.approx(49.6, abs=0.1)


def test_new_york_times_become_utc(shared_data: Path) -> None:
    bars = read_ohlcv(shared_data / "stock/SPY_1h_2017_2021.csv").bars
    assert bars[0].open_time_s == unix_s("2017-01-03T14:00")
    assert bars[-1].open_time_s == unix_s("2021-03-31T19:00")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("crypto/BTCUSD_1m_quote_2017-09-03_04.csv", "bid and ask quotes"),
        ("fx/GBPUSD_1m_quote_2012-02.csv", "bid and ask quotes"),
        ("crypto/XRPETH_trades_2019-10.csv", "no column for time"),
        ("crypto/XRPUSDT-PERP_8h-funding_2021-11.csv", "no column for time"),
        ("stock/AAPL_factors.csv", "no column for open"),
    ],
)
def test_files_that_hold_no_bars_are_refused_with_the_reason(shared_data: Path, file: str, reason: str) -> None:
    with pytest.raises(DatasetRefused, match=reason):
        read_ohlcv(shared_data / file)
