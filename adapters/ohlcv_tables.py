"""A CSV or parquet file as a header and rows of cells, each with its line."""

import csv
import importlib
import io
from dataclasses import dataclass
from pathlib import Path

from trading.errors import DatasetRefused

# The extra of this project that brings pyarrow.
PARQUET_EXTRA = "train"

Row = tuple[int, list[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The header and the rows in file order, each with its line, counted from 1 with the header on the first."""

    header: list[str]
    rows: list[Row]


def read_table(name: str, content: bytes) -> Table:
    """The table in a file's bytes, by the ending of its name. Raises DatasetRefused."""
    reader = READERS.get(Path(name).suffix.lower())
    if reader is None:
        raise DatasetRefused(f"is neither of {', '.join(READERS)}")
    table = reader(content)
    if not table.rows:
        raise DatasetRefused("has no rows")
    return table


def _read_csv(content: bytes) -> Table:
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        rows: list[Row] = [(lines.line_num, list(cells)) for cells in lines if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetRefused(f"is not CSV in UTF-8: {error}") from error
    if rows and len(rows[0][1]) == 1 and str(rows[0][1][0]).startswith("http"):
        del rows[0]  # the publisher's address, on the first line of CryptoDataDownload's files
    if not rows:
        raise DatasetRefused("is empty")
    header = [str(name) for name in rows[0][1]]
    for line, cells in rows:
        if len(cells) != len(header):
            raise DatasetRefused(f"line {line}: {len(cells)} cells under a header of {len(header)}")
    return Table(header=header, rows=rows[1:])


def _read_parquet(content: bytes) -> Table:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
        arrow = importlib.import_module("pyarrow")
    except ImportError as error:
        raise DatasetRefused(f"is parquet, which needs pyarrow: install the extra {PARQUET_EXTRA!r}") from error
    try:
        table = parquet.read_table(arrow.BufferReader(content))
        columns = [column.to_pylist() for column in table.columns]
    except (arrow.ArrowException, OSError) as error:
        raise DatasetRefused(f"is not readable parquet: {error}") from error
    rows: list[Row] = [(line, list(cells)) for line, cells in enumerate(zip(*columns, strict=True), start=2)]
    return Table(header=[str(name) for name in table.column_names], rows=rows)


READERS = {".csv": _read_csv, ".parquet": _read_parquet}
