"""CSV and parquet as rows of cells."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.ohlcv_tables import PARQUET_EXTRA, read_table
from trading.errors import DatasetRefused

READ_WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None
from adapters.ohlcv_tables import read_table
read_table("bars.parquet", b"PAR1")
"""


def test_rows_carry_the_line_they_are_on() -> None:
    table = read_table("bars.csv", b"a,b\r\n1,2\r\n\r\n3,4\r\n")
    assert table.header == ["a", "b"]
    assert table.rows == [(2, ["1", "2"]), (4, ["3", "4"])]


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert read_table("bars.csv", b"\xef\xbb\xbfunix\n1\n").header == ["unix"]


def test_the_publisher_s_address_above_the_header_is_passed_over() -> None:
    table = read_table("bars.CSV", b"https://www.example.com\nunix,open\n1,2\n")
    assert table.header == ["unix", "open"]
    assert table.rows == [(3, ["1", "2"])]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("bars.feather", b"a\n1\n", r"neither of \.csv, \.parquet"),
        ("bars.csv", b"", "is empty"),
        ("bars.csv", b"a,b\n", "has no rows"),
        ("bars.csv", b"a,b\n1,2\n3\n", "line 3: 1 cells under a header of 2"),
        ("bars.csv", b"a,b\n1,2\n3,4,5\n", "line 3: 3 cells"),
        ("bars.csv", b"a,b\n1,\xff\n", "not CSV in UTF-8"),
        ("bars.csv", b'a,b\n1,"2\n', "not CSV"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(DatasetRefused, match=reason):
        read_table(name, content)


def test_damaged_parquet_is_refused() -> None:
    pytest.importorskip("pyarrow", reason=f"pyarrow (extra {PARQUET_EXTRA!r}) is not installed")
    with pytest.raises(DatasetRefused, match="not readable parquet"):
        read_table("bars.parquet", b"PAR1 and nothing more")


def test_parquet_without_pyarrow_says_what_to_install() -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", READ_WITHOUT_PYARROW],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=30,
        check=False,
    )
    assert f"DatasetRefused: is parquet, which needs pyarrow: install the extra '{PARQUET_EXTRA}'" in outcome.stderr
