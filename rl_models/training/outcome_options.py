"""The options that say what a calibration is about, the same for every command that calibrates."""

from argparse import ArgumentParser, Namespace

from rl_models.calibration import DEFAULT_HORIZON_BARS
from rl_models.training.calibrate import Outcome
from rl_models.training.costs import TradingCosts
from rl_models.training.options import basis_points, whole

LONGEST_HORIZON_BARS = 100_000


def add_outcome_arguments(parser: ArgumentParser) -> None:
    """Horizon and costs."""
    costs, horizon = TradingCosts(), whole(at_least=1, at_most=LONGEST_HORIZON_BARS)
    add = parser.add_argument
    add("--horizon", type=horizon, default=DEFAULT_HORIZON_BARS, help="bars a target is held when calibrating")
    add("--fee-bps", type=basis_points, default=costs.fee_bps)
    add("--half-spread-bps", type=basis_points, default=costs.half_spread_bps)


def read_outcome(args: Namespace) -> Outcome:
    """What those options ask of a decision."""
    costs = TradingCosts(fee_bps=args.fee_bps, half_spread_bps=args.half_spread_bps)
    return Outcome(horizon_bars=args.horizon, costs=costs)
