"""The operator's commands: python -m wiring doctor, models, register, activate, restart-market, replay, settings; and
evaluate, report, power, aa and performance, see analyses.py."""

import argparse
import sys

from rl_models.shelf import SHIPPED_BUNDLES
from settings import Settings, read_settings, settings_table
from trading.errors import InvalidField, NotFound, OperatorNeeded
from wiring.analyses import add_analyses
from wiring.doctor import examine
from wiring.markets import restart_market
from wiring.models import activate, find_models, register_shipped
from wiring.replay import replay


def main() -> int:
    """Run one command; 0 when all is well, 1 when an operator has to act."""
    arguments = _arguments()
    try:
        return int(arguments.run(arguments))
    except (OperatorNeeded, InvalidField, NotFound, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m wiring", description="Commands for the operator.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("doctor", help="check everything, say what to do").set_defaults(run=_doctor)
    commands.add_parser("models", help="list every bundle that can be activated").set_defaults(run=_models)
    commands.add_parser("register", help="put the shipped bundles into BentoML's model store").set_defaults(
        run=_register
    )
    switch = commands.add_parser("activate", help="serve another bundle, on all workers, within a second")
    switch.add_argument("model", help="NAME or NAME:VERSION")
    switch.set_defaults(run=_activate)
    commands.add_parser(
        "restart-market", help="let the replay or simulation begin anew with the next start of the service"
    ).set_defaults(run=_restart_market)
    again = commands.add_parser("replay", help="recompute a past decision: 0 equal, 1 different, 2 it cannot be said")
    again.add_argument("decision_id", help="its request_id")
    again.set_defaults(run=_replay)
    add_analyses(commands)
    commands.add_parser("settings", help="print the table of settings").set_defaults(run=_settings)
    return parser.parse_args()


def _doctor(_: argparse.Namespace) -> int:
    findings = list(examine())
    for finding in findings:
        print(f"{finding.mark:7} {finding.subject}: {finding.text}")
    return int(any(finding.failed for finding in findings))


def _models(_: argparse.Namespace) -> int:
    shelf = find_models(read_settings())
    for found in shelf.candidates:
        print(f"{found.tag:28} {found.manifest.algorithm:10} {found.digest[:19]} {found.path}")
    for refusal in shelf.refusals:
        print(f"REFUSED {refusal.path}: {refusal.reason}", file=sys.stderr)
    return int(bool(shelf.refusals))


def _register(_: argparse.Namespace) -> int:
    for tag in register_shipped(SHIPPED_BUNDLES):
        print(tag)
    return 0


def _activate(arguments: argparse.Namespace) -> int:
    settings: Settings = read_settings()
    model = activate(settings, arguments.model)
    print(f"active: {model.manifest.name}:{model.manifest.version} {model.digest}")
    return 0


def _restart_market(_: argparse.Namespace) -> int:
    if restart_market(read_settings()):
        print("the market begins anew with the next start of the service; the experiment in force is rolled back then")
    else:
        print("this market has no clock to forget")
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    return replay(read_settings(), arguments.decision_id)


def _settings(_: argparse.Namespace) -> int:
    print(settings_table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
