"""A file of bars as a value, with the report of every defect that was found in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from trading.vocabulary import Bar


class Defect(StrEnum):
    """What a file may have and still be read; what else is wrong with a file refuses it."""

    OUT_OF_ORDER = "out_of_order"
    DUPLICATE = "duplicate"
    HOLE = "hole"
    OFF_GRID = "off_grid"
    MIXED_TIME_UNITS = "mixed_time_units"
    SWAPPED_VOLUME = "swapped_volume"
    AMBIGUOUS_VOLUME = "ambiguous_volume"
    INCONSISTENT_VOLUME = "inconsistent_volume"
    NO_TRADES = "no_trades"
    ESTIMATED_QUOTE_VOLUME = "estimated_quote_volume"
    ESTIMATED_BASE_VOLUME = "estimated_base_volume"


SENTENCES: dict[Defect, str] = {
    Defect.OUT_OF_ORDER: "{count} rows stand after a later bar; sorted by open time",
    Defect.DUPLICATE: "{count} rows repeat a bar with the same numbers; dropped",
    Defect.HOLE: "{count} holes where bars are missing; left as holes",
    Defect.OFF_GRID: "{count} bars open off the timeframe's grid; kept as they are",
    Defect.MIXED_TIME_UNITS: "{count} rows give the time in another unit than the first row; read by magnitude",
    Defect.SWAPPED_VOLUME: "{count} rows have base and quote volume swapped; put right",
    Defect.AMBIGUOUS_VOLUME: "{count} rows whose volumes fit the price either way round; kept as named",
    Defect.INCONSISTENT_VOLUME: "{count} rows whose volumes fit the price neither way round; kept as named",
    Defect.NO_TRADES: "{count} bars without trades; kept with volume 0",
    Defect.ESTIMATED_QUOTE_VOLUME: "{count} rows without a quote volume; estimated as base volume x close",
    Defect.ESTIMATED_BASE_VOLUME: "{count} rows without a base volume; estimated as quote volume / close",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How often a defect occurs, the smallest line it is on, and the open times between which it occurs (Unix s)."""

    defect: Defect
    count: int
    first_line: int
    from_s: int
    to_s: int

    def sentence(self) -> str:
        """One sentence with the count, the line and the times."""
        where = f"first on line {self.first_line}, {iso(self.from_s)} to {iso(self.to_s)}"
        return f"{SENTENCES[self.defect].format(count=self.count)} ({where})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A run of missing bars: the open time of the bar before it (Unix seconds) and how many are missing."""

    after_s: int
    missing_bars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """What was found while reading a file; lines are counted from 1, the header included.

    `symbol` is what the file calls itself, None when it does not say.
    """

    name: str
    newest_first: bool
    longest_hole: Hole | None
    findings: tuple[Finding, ...]
    symbol: str | None = None

    def find(self, defect: Defect) -> Finding | None:
        """The finding of this defect, None when the file does not have it."""
        return next((finding for finding in self.findings if finding.defect is defect), None)

    def count(self, defect: Defect) -> int:
        """How often the file has this defect."""
        finding = self.find(defect)
        return finding.count if finding else 0

    def lines(self) -> tuple[str, ...]:
        """The report as sentences for a person, each beginning with the file's name; empty when there is no defect."""
        sentences = ["rows are newest first; read oldest first"] if self.newest_first else []
        sentences += [finding.sentence() for finding in self.findings]
        if self.longest_hole is not None:
            hole = self.longest_hole
            sentences.append(f"the longest hole misses {hole.missing_bars} bars after {iso(hole.after_s)}")
        return tuple(f"{self.name}: {sentence}" for sentence in sentences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Bars of one symbol, oldest first, each open time once; `sha256` is of the file's bytes (hexadecimal)."""

    bars: Sequence[Bar]
    timeframe_s: int
    report: DatasetReport
    sha256: str

    @property
    def first_close_s(self) -> int:
        """When the first bar is known, Unix seconds."""
        return self.bars[0].open_time_s + self.timeframe_s

    @property
    def last_close_s(self) -> int:
        """When the last bar is known, Unix seconds."""
        return self.bars[-1].open_time_s + self.timeframe_s


def iso(time_s: float) -> str:
    """Unix seconds as ISO-8601 UTC to the second."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
