"""The options of the ensemble command: bundles that are there already become one that lets them vote."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rl_models.bundle import Bundle, FindMember
from rl_models.shelf import SHIPPED_BUNDLES, Candidate, find_bundles
from rl_models.training.bar_file import BarFile
from rl_models.training.calibrate import calibrate
from rl_models.training.environment import Rules
from rl_models.training.options import (
    OWN_BUNDLES,
    exposure_levels,
    symbol_and_path,
)
from rl_models.training.outcome_options import add_outcome_arguments, read_outcome
from rl_models.training.packing import Label, pack_ensemble
from rl_models.training.rollout import roll_out_all
from trading.errors import BundleRefused

ROOTS = (OWN_BUNDLES, SHIPPED_BUNDLES)


def add_ensemble_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; `bars` becomes a pair of symbol and path for the caller to read."""
    add = parser.add_argument
    add("members", nargs="+", metavar="NAME[:VERSION]", help="two or more bundles")
    add("--name", required=True)
    add("--version", default="1")
    add("--bundles", type=Path, action="append", help=f"where members are; default: {' and '.join(map(str, ROOTS))}")
    add("--out", type=Path, default=OWN_BUNDLES, help="where the ensemble goes")
    add("--levels", type=exposure_levels, default=Rules().levels, help="exposures they vote on: 0,0.5,1")
    add("--bars", type=symbol_and_path, metavar="SYMBOL=FILE", help="bars no member was trained on, to calibrate")
    add_outcome_arguments(parser)


def run_ensemble(args: argparse.Namespace, unseen: BarFile | None) -> Bundle:
    """The ensemble of parsed arguments; `unseen` are the bars of `args.bars`. Raises BundleRefused."""
    shelf = find_bundles(args.bundles or ROOTS)
    candidates = [shelf.select(wanted) for wanted in args.members]
    if len({candidate.tag for candidate in candidates}) < len(candidates):
        raise BundleRefused("a member is named twice; each has one vote")
    members, there = [shelf.open(candidate) for candidate in candidates], _finder(candidates)
    label = Label(name=args.name, version=args.version, created_at=datetime.now(UTC).isoformat(timespec="seconds"))
    if unseen is not None:
        with tempfile.TemporaryDirectory() as folder:
            draft = pack_ensemble(Path(folder), members, args.levels, label, there)
        _require_its_bars(draft, unseen)
        calibration = calibrate([roll_out_all(draft, unseen.series)], read_outcome(args), unseen.series.timeframe_s)
        if calibration is not None:
            label = replace(label, calibration=calibration, provenance={"calibrated_on": unseen.calibrated_on()})
    return pack_ensemble(args.out, members, args.levels, label, there)


def _require_its_bars(bundle: Bundle, unseen: BarFile) -> None:
    manifest, series = bundle.manifest, unseen.series
    if series.symbol not in manifest.symbols:
        raise BundleRefused(f"--bars: {series.symbol} is not among the members' symbols {', '.join(manifest.symbols)}")
    if series.timeframe_s != manifest.timeframe_s:
        raise BundleRefused(
            f"--bars: {unseen.name} has bars of {series.timeframe_s} s, the members decide on {manifest.timeframe_s} s"
        )


def _finder(candidates: Sequence[Candidate]) -> FindMember:
    paths = {(found.manifest.name, found.manifest.version): found.path for found in candidates}
    return lambda name, version: paths.get((name, version))
