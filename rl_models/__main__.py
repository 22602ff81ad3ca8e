"""The commands for policies: `python -m rl_models train | import | ensemble | report | verify`; each has --help.

A door: the only file of this package that reads market data files. Training and import need the `train` extra, which is
why each command imports what it uses when it is chosen.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.market_clock import WALL_CLOCK
from adapters.ohlcv_files import read_ohlcv
from adapters.simulated_market import SimulatedMarket, Simulation
from adapters.simulated_prices import GENESIS_S
from rl_models.shelf import SHIPPED_BUNDLES, find_bundles
from trading.errors import BundleRefused, OperatorNeeded, ServiceError
from trading.vocabulary import Bar

if TYPE_CHECKING:
    from rl_models.training.bar_file import BarFile

PROGRAM = "python -m rl_models"
# What training and import need beside the service, and the packages that no extra would bring.
EXTRA = "train"
OURS = ("adapters", "rl_models", "trading")
# Enough for the longest warm-up that is looked for.
SIMULATED_BARS = 6_000


def train(argv: Sequence[str]) -> None:
    """Train PPO, A2C and DQN on bars, walk forward, calibrate, write bundles and an ensemble of them."""
    from rl_models.training.train_command import add_train_arguments, run_train

    parser = _parser("train", train)
    add_train_arguments(parser)
    args = parser.parse_args(argv)
    files = [_read(symbol, path) for symbol, path in args.data]
    for bundle in run_train(args, files, command_line("train", argv)):
        print(f"{bundle.manifest.name}:{bundle.manifest.version} {bundle.digest}")


def import_(argv: Sequence[str]) -> None:
    """Import a Stable-Baselines3 zip or an ONNX network as a bundle; nothing in it is run."""
    from rl_models.training.import_policy import add_import_arguments, run_import

    parser = _parser("import", import_)
    add_import_arguments(parser)
    args = parser.parse_args(argv)
    simulated = _simulated(args.timeframe)
    unseen = None if args.bars is None else _read(args.symbol[0], args.bars, args.timeframe)
    print(run_import(args, simulated=simulated, unseen=unseen))


def ensemble(argv: Sequence[str]) -> None:
    """Make an ensemble of bundles that are there already."""
    from rl_models.training.ensemble_command import add_ensemble_arguments, run_ensemble

    parser = _parser("ensemble", ensemble)
    add_ensemble_arguments(parser)
    args = parser.parse_args(argv)
    unseen = None if args.bars is None else _read(*args.bars)
    bundle = run_ensemble(args, unseen)
    print(f"{bundle.manifest.name}:{bundle.manifest.version} {bundle.digest}")


def report(argv: Sequence[str]) -> None:
    """Write the walk-forward results that trained bundles carry as a page and as a document."""
    from rl_models.training.report_command import add_report_arguments, run_report

    parser = _parser("report", report)
    add_report_arguments(parser)
    args = parser.parse_args(argv)
    if args.page is None and args.document is None:
        parser.error("give --page, --document or both")
    print(*run_report(args), sep="\n")


def verify(argv: Sequence[str]) -> None:
    """Verify every bundle under directories as the service would before serving it."""
    from rl_models.training.options import OWN_BUNDLES

    parser = _parser("verify", verify)
    shown = f"default: {OWN_BUNDLES} and those that ship"
    parser.add_argument("roots", type=Path, nargs="*", metavar="DIRECTORY", help=shown)
    roots = parser.parse_args(argv).roots
    missing = [str(root) for root in roots if not root.is_dir()]
    if missing:
        raise OperatorNeeded(f"no such directory: {', '.join(missing)}")
    shelf = find_bundles(roots or [OWN_BUNDLES, SHIPPED_BUNDLES])
    refused = [f"{refusal.path}: {refusal.reason}" for refusal in shelf.refusals]
    for candidate in shelf.candidates:
        try:
            shelf.open(candidate)
            print(f"{candidate.tag} {candidate.digest}")
        except BundleRefused as error:
            refused.append(f"{candidate.path}: {error}")
    if refused:
        raise OperatorNeeded("\n".join(refused))


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "train": train,
    "import": import_,
    "ensemble": ensemble,
    "report": report,
    "verify": verify,
}


def command_line(command: str, argv: Sequence[str]) -> str:
    """The command as it was typed, absolute paths cut to their last part: a record names no machine's directories."""
    return shlex.join(["python", "-m", "rl_models", command, *(_without_directories(word) for word in argv)])


def main(argv: Sequence[str]) -> int:
    """Runs one command; the exit status."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("options", nargs=argparse.REMAINDER)
    args = parser.parse_args(argv)
    try:
        COMMANDS[args.command](args.options)
    except (ServiceError, OSError) as error:
        problem = str(error)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OURS:
            raise
        problem = f"{error.name} is not installed; it comes with the extra: pip install '.[{EXTRA}]'"
    else:
        return 0
    print(f"{PROGRAM} {args.command}: {problem}", file=sys.stderr)
    return 1


def _read(symbol: str, path: Path, timeframe_s: int | None = None) -> "BarFile":
    from rl_models.training.bar_file import BarFile
    from rl_models.training.history import Series

    dataset = read_ohlcv(path, timeframe_s)
    print(*dataset.report.lines(), sep="\n")
    series = Series(symbol=symbol, timeframe_s=dataset.timeframe_s, bars=dataset.bars)
    return BarFile(name=path.name, sha256=dataset.sha256, findings=dataset.report.lines(), series=series)


def _simulated(timeframe_s: int) -> Sequence[Bar]:
    simulation = Simulation(seed=0, symbols=("BTC",), timeframe_s=timeframe_s)
    end_s = GENESIS_S + SIMULATED_BARS * timeframe_s
    market = SimulatedMarket(simulation, WALL_CLOCK, wall_s=lambda: end_s)
    return market.closed_bars("BTC", after_s=None, limit=SIMULATED_BARS)


def _parser(command: str, run: Callable[[Sequence[str]], None]) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"{PROGRAM} {command}", description=run.__doc__)


def _without_directories(word: str) -> str:
    symbol, separator, path = word.rpartition("=")
    return f"{symbol}{separator}{Path(path).name}" if Path(path).is_absolute() else word


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
