"""The options of the ensemble command: bundles that are there already become one that lets them vote."""

import argparse
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rl_models.bundle import Bundle
from rl_models.calibration import Calibration
from rl_models.shelf import SHIPPED_BUNDLES, find_bundles
from rl_models.training.calibrate import Outcome, calibrate
from rl_models.training.costs import TradingCosts
from rl_models.training.environment import Rules
from rl_models.training.history import Series
from rl_models.training.packing import Label, pack_ensemble
from rl_models.training.rollout import roll_out
from rl_models.training.train_command import exposure_levels, symbol_and_path


def add_ensemble_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; `bars` becomes a pair of symbol and path for the caller to read."""
    costs = TradingCosts()
    add = parser.add_argument
    add("members", nargs="+", metavar="NAME[:VERSION]", help="bundles under --bundles, two or more")
    add("--name", required=True)
    add("--version", default="1")
    add("--bundles", type=Path, default=SHIPPED_BUNDLES, help="where the members are and the ensemble goes")
    add("--levels", type=exposure_levels, default=Rules().levels, help="exposures they vote on: 0,0.5,1")
    add("--bars", type=symbol_and_path, metavar="SYMBOL=FILE", help="bars no member was trained on, to calibrate")
    add("--horizon", type=int, default=24, help="bars a target is held when calibrating")
    add("--fee-bps", type=float, default=costs.fee_bps)
    add("--half-spread-bps", type=float, default=costs.half_spread_bps)


def run_ensemble(args: argparse.Namespace, unseen: Series | None) -> Bundle:
    """The ensemble of parsed arguments; `unseen` are the bars of `args.bars`. Raises BundleRefused."""
    shelf = find_bundles([args.bundles])
    members = [shelf.open(shelf.select(wanted)) for wanted in args.members]
    label = Label(name=args.name, version=args.version, created_at=datetime.now(UTC).isoformat(timespec="seconds"))
    if unseen is not None:
        costs = TradingCosts(fee_bps=args.fee_bps, half_spread_bps=args.half_spread_bps)
        with tempfile.TemporaryDirectory() as folder:
            there = partial(_member_path, args.bundles)
            draft = pack_ensemble(Path(folder), members, args.levels, label, there)
            outcome = Outcome(horizon_bars=args.horizon, costs=costs)
            label = replace(label, calibration=_calibration(draft, unseen, outcome))
    return pack_ensemble(args.bundles, members, args.levels, label)


def _member_path(root: Path, name: str, version: str) -> Path:
    return root / name / version


def _calibration(bundle: Bundle, unseen: Series, outcome: Outcome) -> Calibration | None:
    bars = unseen.bars
    first = min(bundle.manifest.warmup_bars, len(bars) - 1)
    rollout = roll_out(bundle, unseen, first_s=bars[first].open_time_s, end_s=bars[-1].open_time_s + unseen.timeframe_s)
    return calibrate([rollout], outcome, unseen.timeframe_s)
