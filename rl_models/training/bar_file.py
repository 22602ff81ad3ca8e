"""A file of bars as a command has read it, and what a manifest says about it."""

from dataclasses import asdict, dataclass

from rl_models.strict_json import Json, free_json
from rl_models.training.history import Series
from rl_models.training.provenance import DataSource, iso


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
        stated = asdict(self.source(origin="")).items()
        return {name: free_json(value, name) for name, value in stated if name != "origin"}
