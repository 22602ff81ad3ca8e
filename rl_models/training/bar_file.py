"""A file of bars as a command has read it, and what a manifest says about it."""

from dataclasses import dataclass

from rl_models.strict_json import Json
from rl_models.training.history import Series
from rl_models.training.provenance import DataSource
from rl_models.training.walk_forward import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class BarFile:
    """Its name, SHA-256 (hexadecimal), what the reader reported, and the bars."""

    name: str
    sha256: str
    findings: tuple[str, ...]
    series: Series

    def source(self, origin: str) -> DataSource:
        """It as data that a bundle was trained on."""
        bars = self.series.bars
        return DataSource(
            symbol=self.series.symbol,
            file=self.name,
            origin=origin,
            sha256=self.sha256,
            bars=len(bars),
            first=iso(bars[0].open_time_s),
            last=iso(bars[-1].open_time_s),
            findings=self.findings,
        )

    def calibrated_on(self) -> dict[str, Json]:
        """It as bars that a policy had not seen and was calibrated on."""
        source = self.source("")
        return {
            "symbol": source.symbol,
            "file": source.file,
            "sha256": source.sha256,
            "bars": source.bars,
            "first": source.first,
            "last": source.last,
            "findings": list(source.findings),
        }
