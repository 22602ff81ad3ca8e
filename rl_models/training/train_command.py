"""The options of the train command, and the study they ask for."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from rl_models.bundle import Bundle
from rl_models.features.schema import FeatureSchema
from rl_models.features.warmup import minimal_warmup
from rl_models.shelf import find_bundles
from rl_models.training.algorithms import RECIPES
from rl_models.training.calibrate import Outcome
from rl_models.training.costs import TradingCosts
from rl_models.training.environment import Rules
from rl_models.training.folds import FoldPlan
from rl_models.training.history import Series, build_history
from rl_models.training.packing import ENSEMBLE_ALGORITHM
from rl_models.training.provenance import DataSource
from rl_models.training.schema_file import read_schema
from rl_models.training.study import SCHEMA, Study
from rl_models.training.train import Shipment, train
from rl_models.training.walk_forward import iso
from trading.errors import DatasetRefused

FIRST_TRAIN_SHARE = 0.4
_UNITS_S = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class BarFile:
    """A file of bars as it was read: its name, SHA-256 (hexadecimal) and what the reader reported."""

    name: str
    sha256: str
    findings: tuple[str, ...]
    series: Series

    def source(self, origin: str) -> DataSource:
        """What a manifest says about it."""
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


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; `data` becomes pairs of symbol and path for the caller to read."""
    costs = TradingCosts()
    add = parser.add_argument
    add("--data", required=True, action="append", type=symbol_and_path, metavar="SYMBOL=FILE", help="OHLCV file")
    add("--origin", default="not stated", help="where the data was published, for the record")
    add("--out", type=Path, default=Path("rl_models/bundles"))
    add("--version", help="default: one above the highest in --out")
    add("--algorithms", nargs="+", choices=sorted(RECIPES), default=list(RECIPES))
    add("--timesteps", type=int, help="environment steps per network; default: each algorithm's own")
    add("--schema", type=Path, help="YAML or JSON list of features; default: 16 that are free of the price's unit")
    add("--levels", type=exposure_levels, default=Rules().levels, help="exposures to choose from: 0,0.5,1")
    add("--folds", type=int, default=4)
    add("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the walk-forward; the first one ships")
    add("--horizon", type=int, default=24, help="bars a target is held when calibrating")
    add("--fee-bps", type=float, default=costs.fee_bps)
    add("--half-spread-bps", type=float, default=costs.half_spread_bps)


def symbol_and_path(text: str) -> tuple[str, Path]:
    """The two sides of `BTC=bars.csv`. Raises ValueError."""
    symbol, separator, path = text.partition("=")
    if not separator or not symbol or not path:
        raise ValueError(text)
    return symbol, Path(path)


def exposure_levels(text: str) -> tuple[float, ...]:
    """The numbers of `0,0.5,1`. Raises ValueError."""
    return tuple(float(level) for level in text.split(","))


def run_train(args: argparse.Namespace, files: Sequence[BarFile], command: str) -> list[Bundle]:
    """The bundles of parsed arguments, with a progress bar on standard error.

    Raises DatasetRefused for bars that cannot be trained on as asked, BundleRefused for bundles that cannot be written.
    """
    try:
        study = design(args, [file.series for file in files])
    except ValueError as error:
        raise DatasetRefused(str(error)) from error
    suffix = "-".join([*(symbol.lower() for symbol in study.symbols), timeframe_label(study.timeframe_s)])
    shipment = Shipment(
        root=args.out,
        suffix=suffix,
        version=args.version or _next_version(args.out, suffix),
        command=command,
        data=tuple(file.source(args.origin) for file in files),
    )
    with tqdm(total=study.steps(), unit="step", unit_scale=True, desc=f"{study.networks()} networks") as bar:
        return train(study, shipment, bar.update)


def design(args: argparse.Namespace, series: Sequence[Series]) -> Study:
    """The study of parsed arguments. Raises ValueError when the series differ in timeframe or are too short."""
    if len({each.timeframe_s for each in series}) != 1:
        raise ValueError("all files must have the same timeframe")
    timeframe_s = series[0].timeframe_s
    schema: FeatureSchema = SCHEMA if args.schema is None else read_schema(args.schema)
    warmup_bars = max(minimal_warmup(schema, each.bars, timeframe_s=timeframe_s) for each in series)
    costs = TradingCosts(fee_bps=args.fee_bps, half_spread_bps=args.half_spread_bps)
    purge_s = (args.horizon + warmup_bars) * timeframe_s
    timesteps: Mapping[str, int] = {name: args.timesteps or RECIPES[name].timesteps for name in args.algorithms}
    return Study(
        histories=tuple(build_history(each, schema, warmup_bars) for each in series),
        schema=schema,
        warmup_bars=warmup_bars,
        rules=Rules(levels=args.levels, costs=costs),
        outcome=Outcome(horizon_bars=args.horizon, costs=costs),
        plan=FoldPlan(folds=args.folds, first_train_share=FIRST_TRAIN_SHARE, purge_s=purge_s),
        timesteps=timesteps,
        seeds=tuple(args.seeds),
    )


def timeframe_label(timeframe_s: int) -> str:
    """`1h` for 3600, `15m` for 900."""
    unit, length_s = next((unit, length_s) for unit, length_s in _UNITS_S.items() if timeframe_s % length_s == 0)
    return f"{timeframe_s // length_s}{unit}"


def _next_version(root: Path, suffix: str) -> str:
    names = {f"{algorithm.lower()}-{suffix}" for algorithm in (*RECIPES, ENSEMBLE_ALGORITHM)}
    found = [candidate.manifest for candidate in find_bundles([root]).candidates]
    numbers = [int(each.version) for each in found if each.name in names and each.version.isdecimal()]
    return str(max(numbers, default=0) + 1)
