"""The options of the train command, and the study they ask for."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from rl_models.bundle import Bundle
from rl_models.features.schema import FeatureSchema
from rl_models.features.warmup import minimal_warmup
from rl_models.shelf import find_bundles
from rl_models.training.algorithms import RECIPES
from rl_models.training.bar_file import BarFile
from rl_models.training.environment import Rules
from rl_models.training.folds import FoldPlan
from rl_models.training.history import Series, build_history
from rl_models.training.options import (
    exposure_levels,
    symbol_and_path,
    timeframe_label,
    whole,
)
from rl_models.training.outcome_options import add_outcome_arguments, read_outcome
from rl_models.training.packing import ENSEMBLE_ALGORITHM
from rl_models.training.schema_file import read_schema
from rl_models.training.study import SCHEMA, Study
from rl_models.training.train import Shipment, train
from trading.errors import DatasetRefused

FIRST_TRAIN_SHARE = 0.4
MOST_TIMESTEPS = 10**9
MOST_FOLDS = 1_000


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; `data` becomes pairs of symbol and path for the caller to read."""
    add = parser.add_argument
    add("--data", required=True, action="append", type=symbol_and_path, metavar="SYMBOL=FILE", help="OHLCV file")
    add("--origin", default="not stated", help="where the data was published, for the record")
    add("--out", type=Path, default=Path("rl_models/bundles"))
    add("--version", help="default: one above the highest in --out")
    add("--algorithms", nargs="+", choices=sorted(RECIPES), default=list(RECIPES))
    steps = whole(at_least=1, at_most=MOST_TIMESTEPS)
    add("--timesteps", type=steps, help="environment steps per network; default: each algorithm's own")
    add("--schema", type=Path, help="YAML or JSON list of features; default: 16 that are free of the price's unit")
    add("--levels", type=exposure_levels, default=Rules().levels, help="exposures to choose from: 0,0.5,1")
    add("--folds", type=whole(at_least=1, at_most=MOST_FOLDS), default=4)
    seed = whole(at_least=0, at_most=2**32 - 1)
    add("--seeds", type=seed, nargs="+", default=[1, 2, 3], help="of the walk-forward; the first one ships")
    add_outcome_arguments(parser)


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
    """The study of parsed arguments. Raises ValueError for arguments or series that cannot be trained with."""
    _check(args, series)
    if len({each.timeframe_s for each in series}) != 1:
        raise ValueError("all files must have the same timeframe")
    timeframe_s = series[0].timeframe_s
    schema: FeatureSchema = SCHEMA if args.schema is None else read_schema(args.schema)
    warmup_bars = max(minimal_warmup(schema, each.bars, timeframe_s=timeframe_s) for each in series)
    outcome = read_outcome(args)
    purge_s = (args.horizon + warmup_bars) * timeframe_s
    timesteps: Mapping[str, int] = {name: args.timesteps or RECIPES[name].timesteps for name in args.algorithms}
    study = Study(
        histories=tuple(build_history(each, schema, warmup_bars) for each in series),
        schema=schema,
        warmup_bars=warmup_bars,
        rules=Rules(levels=args.levels, costs=outcome.costs),
        outcome=outcome,
        plan=FoldPlan(folds=args.folds, first_train_share=FIRST_TRAIN_SHARE, purge_s=purge_s),
        timesteps=timesteps,
        seeds=tuple(args.seeds),
    )
    study.require_bars()
    return study


def _check(args: argparse.Namespace, series: Sequence[Series]) -> None:
    if len({each.symbol for each in series}) < len(series):
        raise ValueError("--data: one file for each symbol")
    if len(set(args.seeds)) < len(args.seeds):
        raise ValueError("--seeds: each once")
    if not all(-1.0 <= level <= 1.0 for level in args.levels):
        raise ValueError("--levels: what is trained here holds -1..1 of its capital")


def _next_version(root: Path, suffix: str) -> str:
    names = {f"{algorithm.lower()}-{suffix}" for algorithm in (*RECIPES, ENSEMBLE_ALGORITHM)}
    found = [candidate.manifest for candidate in find_bundles([root]).candidates]
    numbers = [int(each.version) for each in found if each.name in names and each.version.isdecimal()]
    return str(max(numbers, default=0) + 1)
