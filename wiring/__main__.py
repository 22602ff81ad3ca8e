"""The operator's commands: python -m wiring doctor | models | register | activate NAME[:VERSION] | settings."""

import argparse
import sys

from rl_models.shelf import SHIPPED_BUNDLES
from settings import Settings, read_settings, settings_table
from trading.errors import OperatorNeeded
from wiring.doctor import examine
from wiring.models import activate, find_models, register_shipped


def main() -> int:
    """Run one command; 0 when all is well, 1 when an operator has to act."""
    arguments = _arguments()
    try:
        return int(arguments.run(arguments))
    except (OperatorNeeded, ValueError, OSError) as error:
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


def _settings(_: argparse.Namespace) -> int:
    print(settings_table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
