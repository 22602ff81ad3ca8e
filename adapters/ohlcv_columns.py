"""Which column of a file is which figure of a bar, and what a cell of it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from trading.errors import DatasetRefused

# The names each figure goes by, the preferred one first; compared in lower case with spaces as underscores.
NAMES: dict[str, tuple[str, ...]] = {
    "time": ("unix", "open_time", "open_time_new_york", "timestamp", "timestamp_utc", "time", "datetime", "date"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume_base": ("volume_base", "base_volume", "volume"),
    "volume_quote": ("volume_quote", "quote_volume", "quote_asset_volume", "volume_usd", "volume_usdt"),
    "symbol": ("symbol",),
}

# The columns whose times are local, so that one without an offset could be any hour.
LOCAL_TIME = ("open_time_new_york",)

# A plain number below this (Unix seconds of 1973) is a date such as 20220301, not a time.
_LEAST_UNIX_S = 1e8

_TICKS_PER_S = (1, 10**3, 10**6, 10**9)


class VolumeUnit(StrEnum):
    """What a column called just `volume` counts; some venues publish it in quote currency."""

    BASE = "base"
    QUOTE = "quote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The place of each figure in a row, counted from 0; None when the file has none (one of the volumes is there)."""

    time: int
    open: int
    high: int
    low: int
    close: int
    volume_base: int | None
    volume_quote: int | None
    symbol: int | None
    times_are_local: bool


def find_columns(header: Sequence[str], volume_unit: VolumeUnit) -> Columns:
    """The columns of a header. Raises DatasetRefused saying what is missing."""
    names = [name.strip().lower().replace(" ", "_") for name in header]
    if len(set(names)) < len(names):
        raise DatasetRefused(f"two columns have the same name: {', '.join(header)}")
    if "open" not in names and any(name.startswith(("bid", "ask")) for name in names):
        raise DatasetRefused("holds bid and ask quotes, not traded prices and volumes; a bar needs both")
    time, opened, high, low, close = (_require(names, figure) for figure in ("time", "open", "high", "low", "close"))
    base, quote = _find(names, "volume_base"), _find(names, "volume_quote")
    if base is None and quote is None:
        raise DatasetRefused(_missing(names, "volume_base"))
    if volume_unit is VolumeUnit.QUOTE:
        if quote is not None:
            raise DatasetRefused("has a quote volume column, so its volume column cannot be in quote currency as well")
        base, quote = None, base
    return Columns(
        time=time,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume_base=base,
        volume_quote=quote,
        symbol=_find(names, "symbol"),
        times_are_local=names[time] in LOCAL_TIME,
    )


def number(cell: object) -> float:
    """A cell as a number, NaN and infinity included. Raises ValueError."""
    # float() also reads 1_000 and digits of other scripts, which no venue writes.
    if isinstance(cell, (int, float)) or (isinstance(cell, str) and cell.isascii() and "_" not in cell):
        return float(cell)
    raise ValueError(f"{str(cell)[:60]!r} is not a number")


_LONGEST_TIME = 64


def open_time(cell: object, *, local: bool) -> tuple[int, int]:
    """A cell as (Unix seconds, ticks a second of the unit it was in: 1, 1000, ...; 0 for a calendar time).

    Calendar times without an offset are UTC, unless the column's are `local`. Raises ValueError.
    """
    if isinstance(cell, str) and len(cell) > _LONGEST_TIME:
        raise ValueError(f"{cell[:60]!r} is not a time")
    if isinstance(cell, str) and cell.isascii() and cell.strip().replace(".", "", 1).isdigit():
        cell = float(cell) if "." in cell else int(cell)
    if isinstance(cell, (int, float)):
        return _from_number(cell)
    moment = datetime.fromisoformat(cell.strip()) if isinstance(cell, str) else cell
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if not isinstance(moment, datetime):
        raise ValueError(f"{cell!r} is not a time")
    if moment.tzinfo is None and local:
        raise ValueError(f"{cell!r} is a local time without an offset to UTC")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _whole(moment.timestamp(), cell), 0


def _find(names: Sequence[str], figure: str) -> int | None:
    return next((names.index(name) for name in NAMES[figure] if name in names), None)


def _require(names: Sequence[str], figure: str) -> int:
    column = _find(names, figure)
    if column is None:
        raise DatasetRefused(_missing(names, figure))
    return column


def _missing(names: Sequence[str], figure: str) -> str:
    return f"no column for {figure} ({' or '.join(NAMES[figure])}) among {', '.join(names)}"


def _from_number(value: float) -> tuple[int, int]:
    for ticks in _TICKS_PER_S:
        if _LEAST_UNIX_S <= value / ticks < 1000 * _LEAST_UNIX_S:
            return _whole(value / ticks, value), ticks
    raise ValueError(f"{value!r} is not a Unix time")


def _whole(time_s: float, cell: object) -> int:
    if time_s != int(time_s):
        raise ValueError(f"{cell!r} is not a whole second")
    return int(time_s)
