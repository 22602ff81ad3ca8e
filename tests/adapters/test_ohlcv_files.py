"""Reading OHLCV files: what is put right is reported, what cannot be is refused with its line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.dataset import Dataset, Defect, Hole
from adapters.ohlcv_columns import VolumeUnit
from adapters.ohlcv_files import read_ohlcv
from trading.errors import DatasetRefused
from trading.vocabulary import Bar

HOUR_S = 3600
FIRST_S = 1_600_000_000 - 1_600_000_000 % HOUR_S
HEADER = "unix,open,high,low,close,volume,quote_volume"


def row(hour: float, close: float = 100.0, volumes: str = "2.0,200.0") -> str:
    return f"{int(FIRST_S + hour * HOUR_S)},100.0,{max(close, 100.0)},{min(close, 100.0)},{close},{volumes}"


def read(folder: Path, rows: list[str], header: str = HEADER, timeframe_s: int | None = None) -> Dataset:
    path = folder / "bars.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_ohlcv(path, timeframe_s)


def hours(dataset: Dataset) -> list[float]:
    return [(bar.open_time_s - FIRST_S) / HOUR_S for bar in dataset.bars]


def test_a_sound_file_is_read_as_it_stands_with_nothing_to_report(tmp_path: Path) -> None:
    dataset = read(tmp_path, [row(0), row(1, close=101.0), row(2)])
    assert dataset.timeframe_s == HOUR_S
    assert dataset.report.lines() == ()
    assert dataset.bars[1] == Bar(
        open_time_s=FIRST_S + HOUR_S,
        open=100.0,
        high=101.0,
        low=100.0,
        close=101.0,
        volume_base=2.0,
        volume_quote=200.0,
    )
    assert (dataset.first_close_s, dataset.last_close_s) == (FIRST_S + HOUR_S, FIRST_S + 3 * HOUR_S)


def test_the_digest_is_of_the_file_s_bytes(tmp_path: Path) -> None:
    one = read(tmp_path, [row(0), row(1)])
    two = read(tmp_path, [row(0), row(1, close=101.0)])
    assert one.sha256 != two.sha256
    assert read(tmp_path, [row(0), row(1)]).sha256 == one.sha256


def test_newest_first_is_turned_round_and_reported(tmp_path: Path) -> None:
    dataset = read(tmp_path, [row(2), row(1), row(0)])
    assert hours(dataset) == [0, 1, 2]
    assert dataset.report.newest_first
    assert "bars.csv: rows are newest first; read oldest first" in dataset.report.lines()


def test_a_row_after_a_later_one_is_sorted_and_reported_with_its_line(tmp_path: Path) -> None:
    dataset = read(tmp_path, [row(0), row(2), row(1), row(3)])
    assert hours(dataset) == [0, 1, 2, 3]
    finding = dataset.report.find(Defect.OUT_OF_ORDER)
    assert finding is not None
    assert (finding.count, finding.first_line, finding.from_s) == (1, 4, FIRST_S + HOUR_S)


def test_the_same_bar_twice_is_dropped_and_reported(tmp_path: Path) -> None:
    dataset = read(tmp_path, [row(0), row(1), row(1), row(2)])
    assert hours(dataset) == [0, 1, 2]
    assert dataset.report.count(Defect.DUPLICATE) == 1


def test_two_different_bars_of_one_time_are_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused, match=r"bars.csv: line 4: another bar of 2020-.* than on line 3"):
        read(tmp_path, [row(0), row(1), row(1, close=101.0), row(2)])


def test_holes_stay_holes_and_the_longest_is_named(tmp_path: Path) -> None:
    dataset = read(tmp_path, [row(0), row(1), row(3), row(4), row(8)])
    assert hours(dataset) == [0, 1, 3, 4, 8]
    assert dataset.report.count(Defect.HOLE) == 2
    assert dataset.report.longest_hole == Hole(after_s=FIRST_S + 4 * HOUR_S, missing_bars=3)
    assert "misses 3 bars after 2020-09-13T16:00:00Z" in dataset.report.lines()[-1]


def test_bars_off_the_grid_are_reported(tmp_path: Path) -> None:
    dataset = read(tmp_path, [row(0), row(1), row(2), row(3.5), row(4.5)])
    assert dataset.report.count(Defect.OFF_GRID) == 1
    assert dataset.report.count(Defect.HOLE) == 0


def test_bars_that_overlap_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused, match="line 5: opens 1800 s after the bar before it; a bar lasts 3600 s"):
        read(tmp_path, [row(0), row(1), row(2), row(2.5)])


def test_a_given_timeframe_wins_over_the_common_distance(tmp_path: Path) -> None:
    dataset = read(tmp_path, [row(0), row(2), row(4)], timeframe_s=HOUR_S)
    assert dataset.timeframe_s == HOUR_S
    assert dataset.report.count(Defect.HOLE) == 2


def test_a_single_bar_needs_a_given_timeframe(tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused, match="single bar"):
        read(tmp_path, [row(0)])
    assert len(read(tmp_path, [row(0)], timeframe_s=HOUR_S).bars) == 1


def test_swapped_volumes_are_put_right_row_by_row_and_reported_with_their_times(tmp_path: Path) -> None:
    dataset = read(tmp_path, [row(0, volumes="200.0,2.0"), row(1, volumes="200.0,2.0"), row(2)])
    assert {(bar.volume_base, bar.volume_quote) for bar in dataset.bars} == {(2.0, 200.0)}
    finding = dataset.report.find(Defect.SWAPPED_VOLUME)
    assert finding is not None
    assert (finding.count, finding.from_s, finding.to_s) == (2, FIRST_S, FIRST_S + HOUR_S)


@pytest.mark.parametrize(
    ("prices", "volumes", "defect"),
    [
        ("1.0,1.0,1.0,1.0", "2.0,2.01", Defect.AMBIGUOUS_VOLUME),
        ("100.0,100.0,100.0,100.0", "2.0,3.0", Defect.INCONSISTENT_VOLUME),
        ("100.0,100.0,100.0,100.0", "0.0,0.0", Defect.NO_TRADES),
    ],
)
def test_volumes_that_cannot_be_judged_are_kept_and_reported(
    tmp_path: Path, prices: str, volumes: str, defect: Defect
) -> None:
    dataset = read(tmp_path, [row(0), f"{FIRST_S + HOUR_S},{prices},{volumes}"])
    bar = dataset.bars[1]
    assert f"{bar.volume_base},{bar.volume_quote}" == volumes
    assert dataset.report.count(defect) == 1


def test_a_missing_quote_volume_is_estimated_and_said(tmp_path: Path) -> None:
    rows = [f"{FIRST_S + hour * HOUR_S},1.0,1.0,1.0,1.0,3.0" for hour in range(3)]
    dataset = read(tmp_path, rows, header="unix,open,high,low,close,volume")
    assert dataset.bars[0].volume_quote == 3.0
    assert [finding.defect for finding in dataset.report.findings] == [Defect.ESTIMATED_QUOTE_VOLUME]
    assert dataset.report.count(Defect.ESTIMATED_QUOTE_VOLUME) == 3


def test_a_volume_in_quote_currency_gives_an_estimated_base_volume(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    rows = [f"{FIRST_S + hour * HOUR_S},100.0,100.0,100.0,100.0,300.0" for hour in range(2)]
    path.write_text("\n".join(["unix,open,high,low,close,volume", *rows]))
    dataset = read_ohlcv(path, volume_unit=VolumeUnit.QUOTE)
    assert (dataset.bars[0].volume_base, dataset.bars[0].volume_quote) == (3.0, 300.0)
    assert dataset.report.count(Defect.ESTIMATED_BASE_VOLUME) == 2


def test_times_in_mixed_units_are_read_and_reported(tmp_path: Path) -> None:
    dataset = read(tmp_path, [row(0), row(1).replace(str(FIRST_S + HOUR_S), f"{FIRST_S + HOUR_S}000"), row(2)])
    assert hours(dataset) == [0, 1, 2]
    assert dataset.report.count(Defect.MIXED_TIME_UNITS) == 1


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ("100.0,99.0,101.0,100.0,2.0,200.0", "high 99.0 is below low 101.0"),
        ("103.0,102.0,99.0,100.0,2.0,200.0", "open 103.0 is outside"),
        ("100.0,102.0,99.0,98.0,2.0,200.0", "close 98.0 is outside"),
        ("100.0,102.0,0.0,100.0,2.0,200.0", "not positive"),
        ("100.0,102.0,99.0,0.0,2.0,200.0", "not positive"),
        ("nan,102.0,99.0,100.0,2.0,200.0", "not finite"),
        ("100.0,1e999,99.0,100.0,2.0,200.0", "not finite"),
        ("100.0,102.0,99.0,100.0,-2.0,200.0", "volume is negative"),
        ("100.0,102.0,99.0,100.0,,200.0", "could not convert"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_with_its_line(tmp_path: Path, cells: str, rule: str) -> None:
    with pytest.raises(DatasetRefused, match=rf"^bars.csv: line 3: .*{rule}"):
        read(tmp_path, [row(0), f"{FIRST_S + HOUR_S},{cells}", row(2)])


def test_a_time_that_cannot_be_read_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused, match="line 3: 20200913 is not a Unix time"):
        read(tmp_path, [row(0), "20200913,100.0,100.0,100.0,100.0,2.0,200.0"])


def test_a_file_of_two_symbols_is_refused(tmp_path: Path) -> None:
    header = "unix,symbol,open,high,low,close,volume"
    rows = [f"{FIRST_S + hour * HOUR_S},{name},1,1,1,1,1" for hour, name in enumerate(("BTC/USD", "ETH/USD"))]
    with pytest.raises(DatasetRefused, match="2 symbols: BTC/USD, ETH/USD"):
        read(tmp_path, rows, header=header)


def test_a_file_that_is_not_there_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused, match=r"absent.csv: No such file"):
        read_ohlcv(tmp_path / "absent.csv")


def test_parquet_gives_the_same_bars_as_csv(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow (extra 'train') is not installed")
    arrow = pytest.importorskip("pyarrow")
    expected = read(tmp_path, [row(0), row(1, close=101.0), row(2)])
    columns = {
        "open_time": [datetime.fromtimestamp(bar.open_time_s, UTC) for bar in expected.bars],
        "open": [bar.open for bar in expected.bars],
        "high": [bar.high for bar in expected.bars],
        "low": [bar.low for bar in expected.bars],
        "close": [bar.close for bar in expected.bars],
        "volume": [bar.volume_base for bar in expected.bars],
        "quote_volume": [bar.volume_quote for bar in expected.bars],
    }
    parquet.write_table(arrow.table(columns), tmp_path / "bars.parquet")
    assert read_ohlcv(tmp_path / "bars.parquet").bars == expected.bars
