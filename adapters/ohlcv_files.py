"""Reads a file of OHLCV bars: what can be put right without inventing data is, and said; the rest refuses the file."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from adapters.bar_checks import VolumeOrder, broken_rule, volume_order
from adapters.dataset import Dataset, DatasetReport, Defect, Finding, Hole, iso
from adapters.ohlcv_columns import Columns, VolumeUnit, find_columns, number, open_time
from adapters.ohlcv_tables import Row, Table, read_table
from trading.errors import DatasetRefused
from trading.vocabulary import Bar

VOLUME_DEFECTS: dict[VolumeOrder, Defect] = {
    VolumeOrder.SWAPPED: Defect.SWAPPED_VOLUME,
    VolumeOrder.EITHER: Defect.AMBIGUOUS_VOLUME,
    VolumeOrder.NEITHER: Defect.INCONSISTENT_VOLUME,
    VolumeOrder.NO_TRADES: Defect.NO_TRADES,
}

Line = tuple[int, Bar]


class Tally:
    """Counts defects while a file is read."""

    def __init__(self) -> None:
        self._findings: dict[Defect, Finding] = {}

    def note(self, defect: Defect, line: int, time_s: int) -> None:
        """One more of this defect, on this line and at this open time."""
        known = self._findings.get(defect)
        self._findings[defect] = Finding(
            defect=defect,
            count=known.count + 1 if known else 1,
            first_line=min(known.first_line, line) if known else line,
            from_s=min(known.from_s, time_s) if known else time_s,
            to_s=max(known.to_s, time_s) if known else time_s,
        )

    def findings(self) -> tuple[Finding, ...]:
        """All that was noted, in the order of the enumeration."""
        return tuple(self._findings[defect] for defect in Defect if defect in self._findings)


def read_ohlcv(path: Path, timeframe_s: int | None = None, volume_unit: VolumeUnit = VolumeUnit.BASE) -> Dataset:
    """The bars of a CSV or parquet file, oldest first.

    `timeframe_s` None means the most common distance between rows. `volume_unit` says what a single volume column
    counts; no file can tell. Raises DatasetRefused naming the file, the line and the rule.
    """
    try:
        content = path.read_bytes()
        table = read_table(path.name, content)
        return _read(path.name, table, timeframe_s, volume_unit, hashlib.sha256(content).hexdigest())
    except OSError as error:
        raise DatasetRefused(f"{path}: {error.strerror}") from error
    except DatasetRefused as error:
        raise DatasetRefused(f"{path.name}: {error}") from error


def _read(name: str, table: Table, timeframe_s: int | None, volume_unit: VolumeUnit, sha256: str) -> Dataset:
    tally = Tally()
    columns = find_columns(table.header, volume_unit)
    symbol = _only_symbol(table.rows, columns)
    lines = _parse(table.rows, columns, tally)
    newest_first = _is_newest_first(lines)
    lines = _in_order(lines[::-1] if newest_first else lines, tally)
    timeframe_s = timeframe_s or _common_step_s(lines)
    longest_hole = _measure_steps(lines, timeframe_s, tally)
    report = DatasetReport(
        name=name,
        newest_first=newest_first,
        longest_hole=longest_hole,
        findings=tally.findings(),
        symbol=symbol,
    )
    return Dataset(bars=tuple(bar for _, bar in lines), timeframe_s=timeframe_s, report=report, sha256=sha256)


def _only_symbol(rows: Sequence[Row], columns: Columns) -> str | None:
    symbols = {str(cells[columns.symbol]) for _, cells in rows} if columns.symbol is not None else set()
    if len(symbols) > 1:
        raise DatasetRefused(f"holds {len(symbols)} symbols: {', '.join(sorted(symbols)[:5])}; give one file for each")
    return next(iter(symbols), None)


def _parse(rows: Sequence[Row], columns: Columns, tally: Tally) -> list[Line]:
    lines: list[Line] = []
    first_ticks: int | None = None
    for line, cells in rows:
        try:
            time_s, ticks = open_time(cells[columns.time], local=columns.times_are_local)
            bar = _bar(time_s, cells, columns)
        except ValueError as error:
            raise DatasetRefused(f"line {line}: {error}") from error
        rule = broken_rule(bar)
        if rule is not None:
            raise DatasetRefused(f"line {line}: {rule}")
        first_ticks = ticks if first_ticks is None else first_ticks
        if ticks != first_ticks:
            tally.note(Defect.MIXED_TIME_UNITS, line, time_s)
        lines.append((line, _with_volumes(bar, line, columns, tally)))
    return lines


def _bar(time_s: int, cells: Sequence[object], columns: Columns) -> Bar:
    close = number(cells[columns.close])
    base = None if columns.volume_base is None else number(cells[columns.volume_base])
    quote = None if columns.volume_quote is None else number(cells[columns.volume_quote])
    if base is None and quote is not None:
        base = quote / close if close else quote
    if quote is None and base is not None:
        quote = base * close
    return Bar(
        open_time_s=time_s,
        open=number(cells[columns.open]),
        high=number(cells[columns.high]),
        low=number(cells[columns.low]),
        close=close,
        volume_base=math.nan if base is None else base,
        volume_quote=math.nan if quote is None else quote,
    )


def _with_volumes(bar: Bar, line: int, columns: Columns, tally: Tally) -> Bar:
    order = volume_order(bar)
    estimate = None
    if columns.volume_quote is None:
        estimate = Defect.ESTIMATED_QUOTE_VOLUME
    elif columns.volume_base is None:
        estimate = Defect.ESTIMATED_BASE_VOLUME
    if estimate is not None:
        tally.note(estimate, line, bar.open_time_s)
    if order in VOLUME_DEFECTS and (estimate is None or order is VolumeOrder.NO_TRADES):
        tally.note(VOLUME_DEFECTS[order], line, bar.open_time_s)
    if order is VolumeOrder.SWAPPED:
        return replace(bar, volume_base=bar.volume_quote, volume_quote=bar.volume_base)
    return bar


def _is_newest_first(lines: Sequence[Line]) -> bool:
    falling = sum(later.open_time_s < earlier.open_time_s for (_, earlier), (_, later) in pairwise(lines))
    rising = sum(later.open_time_s > earlier.open_time_s for (_, earlier), (_, later) in pairwise(lines))
    return falling > rising


def _in_order(lines: Sequence[Line], tally: Tally) -> list[Line]:
    latest_s = lines[0][1].open_time_s
    for line, bar in lines:
        if bar.open_time_s < latest_s:
            tally.note(Defect.OUT_OF_ORDER, line, bar.open_time_s)
        latest_s = max(latest_s, bar.open_time_s)
    ordered = sorted(lines, key=lambda entry: entry[1].open_time_s)
    kept = [ordered[0]]
    for line, bar in ordered[1:]:
        kept_line, kept_bar = kept[-1]
        if bar.open_time_s > kept_bar.open_time_s:
            kept.append((line, bar))
        elif bar == kept_bar:
            tally.note(Defect.DUPLICATE, line, bar.open_time_s)
        else:
            raise DatasetRefused(
                f"line {line}: another bar of {iso(bar.open_time_s)} than on line {kept_line}; one of them is wrong"
            )
    return kept


def _common_step_s(lines: Sequence[Line]) -> int:
    steps = Counter(later.open_time_s - earlier.open_time_s for (_, earlier), (_, later) in pairwise(lines))
    if not steps:
        raise DatasetRefused("has a single bar, which does not tell its timeframe")
    most = max(steps.values())
    return min(step_s for step_s, times in steps.items() if times == most)


def _measure_steps(lines: Sequence[Line], timeframe_s: int, tally: Tally) -> Hole | None:
    longest: Hole | None = None
    for (_, earlier), (line, later) in pairwise(lines):
        step_s = later.open_time_s - earlier.open_time_s
        if step_s == timeframe_s:
            continue
        if step_s < timeframe_s:
            raise DatasetRefused(f"line {line}: opens {step_s} s after the bar before it; a bar lasts {timeframe_s} s")
        if step_s % timeframe_s:
            tally.note(Defect.OFF_GRID, line, later.open_time_s)
        missing = step_s // timeframe_s - 1
        if missing:
            tally.note(Defect.HOLE, line, later.open_time_s)
        if missing > (longest.missing_bars if longest else 0):
            longest = Hole(after_s=earlier.open_time_s, missing_bars=missing)
    return longest
