"""Column names and cells."""

from datetime import UTC, date, datetime

import pytest

from adapters.ohlcv_columns import VolumeUnit, find_columns, number, open_time
from trading.errors import DatasetRefused

PRICES = ["open", "high", "low", "close"]


@pytest.mark.parametrize(
    "header",
    [
        ["unix", "date", "symbol", *PRICES, "volume", "Volume USD"],
        ["Timestamp", "Open", "High", "Low", "Close", "Volume"],
        ["date", *PRICES, "volume"],
        ["open_time", *PRICES, "quote_volume"],
    ],
)
def test_published_headers_are_recognised(header: list[str]) -> None:
    columns = find_columns(header, VolumeUnit.BASE)
    assert columns.time == 0
    assert header[columns.close].lower() == "close"


def test_both_volumes_are_told_apart_by_name() -> None:
    columns = find_columns(["unix", *PRICES, "volume", "Volume USD"], VolumeUnit.BASE)
    assert (columns.volume_base, columns.volume_quote) == (5, 6)


def test_a_single_volume_column_is_quote_volume_only_when_told() -> None:
    header = ["unix", *PRICES, "volume"]
    assert find_columns(header, VolumeUnit.BASE).volume_base == 5
    columns = find_columns(header, VolumeUnit.QUOTE)
    assert (columns.volume_base, columns.volume_quote) == (None, 5)


def test_a_file_with_a_quote_volume_column_cannot_be_told_another() -> None:
    with pytest.raises(DatasetRefused, match="has a quote volume column"):
        find_columns(["unix", *PRICES, "volume", "Volume USD"], VolumeUnit.QUOTE)


@pytest.mark.parametrize("missing", ["unix", *PRICES, "volume"])
def test_a_missing_column_is_named(missing: str) -> None:
    header = [name for name in ["unix", *PRICES, "volume"] if name != missing]
    with pytest.raises(DatasetRefused, match=f"no column for .*{missing}"):
        find_columns(header, VolumeUnit.BASE)


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(DatasetRefused, match="same name"):
        find_columns(["unix", *PRICES, "Close", "volume"], VolumeUnit.BASE)


NOON_S = int(datetime(2022, 3, 1, 12, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("cell", "ticks"),
    [
        (NOON_S, 1),
        (str(NOON_S), 1),
        (f"{NOON_S}.0", 1),
        (NOON_S * 1_000, 1_000),
        (str(NOON_S * 10**6), 10**6),
        (NOON_S * 10**9, 10**9),
        ("2022-03-01 12:00:00", 0),
        ("2022-03-01T12:00:00Z", 0),
        ("2022-03-01T07:00:00-0500", 0),
        (datetime(2022, 3, 1, 12), 0),
        (datetime(2022, 3, 1, 12, tzinfo=UTC), 0),
    ],
)
def test_times_of_every_kind_are_read_as_utc(cell: object, ticks: int) -> None:
    assert open_time(cell, local=False) == (NOON_S, ticks)


@pytest.mark.parametrize("cell", ["2022-03-01", date(2022, 3, 1)])
def test_a_date_is_its_midnight(cell: object) -> None:
    assert open_time(cell, local=False)[0] == NOON_S - 12 * 3600


@pytest.mark.parametrize("cell", ["20220301", 20220301, "noon", "", None, "1646092800.5", 1646092800500, "nan"])
def test_a_cell_that_is_no_time_is_refused(cell: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        open_time(cell, local=False)


def test_a_local_time_needs_its_offset() -> None:
    assert open_time("2022-03-01T07:00:00-05:00", local=True)[0] == NOON_S
    with pytest.raises(ValueError, match="without an offset"):
        open_time("2022-03-01T07:00:00", local=True)


@pytest.mark.parametrize("cell", ["", "abc", None])
def test_a_cell_that_is_no_number_is_refused(cell: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        number(cell)
