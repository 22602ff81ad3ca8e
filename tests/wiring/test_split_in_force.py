"""What a worker goes by of the experiments it knows: read once each, and the rule where one cannot be read."""

import logging
from dataclasses import replace

import pytest

from ab.state import Command
from adapters.store.experiments import KeptExperiment
from tests.fakes.experiments import after, plan
from trading.vocabulary import Arm, AssignmentReason
from wiring.experiment_log import state_text
from wiring.split_in_force import SplitInForce


class Known:
    """Keeps wiring.split_in_force.KnownExperiments."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptExperiment] = {}
        self.experiments_version = -1

    def put(self, key: str, document: str, *, in_force: bool = True) -> None:
        self.kept = {other: replace(kept, in_force=kept.in_force and not in_force) for other, kept in self.kept.items()}
        self.experiments_version += 1
        self.kept[key] = KeptExperiment(key=key, document=document, in_force=in_force, version=self.experiments_version)

    def experiments(self) -> dict[str, KeptExperiment]:
        return self.kept

    def in_force(self) -> str | None:
        return next((key for key, kept in self.kept.items() if kept.in_force), None)

    def age_s(self, monotonic_s: float) -> float:
        return 0.0


def text(key: str) -> str:
    return state_text(after(Command.START, of=plan(key=key)))


def test_only_what_changed_is_read_again() -> None:
    known = Known()
    split = SplitInForce(known)
    known.put("one", text("one"))
    known.put("two", text("two"), in_force=False)
    split.apply()
    before = dict(split.states)
    known.put("two", text("two"))
    split.apply()
    assert split.states["one"] is before["one"]
    assert split.states["two"] is not before["two"]
    assert split.assign("anna").experiment == "two"


@pytest.mark.parametrize("document", ["", "[]", "{}", text("one").replace('"running"', '"dreaming"')])
def test_by_one_that_cannot_be_read_everybody_has_the_rule_and_it_is_said_once(
    document: str, caplog: pytest.LogCaptureFixture
) -> None:
    known = Known()
    split = SplitInForce(known)
    known.put("one", text("one"))
    split.apply()
    assert split.problem is None
    with caplog.at_level(logging.ERROR):
        known.put("one", document)
        split.apply()
        known.put("two", text("two"), in_force=False)
        split.apply()
    given = split.assign("anna")
    assert (given.experiment, given.arm, given.reason) == ("one", Arm.FALLBACK, AssignmentReason.UNKNOWN)
    assert (split.state, list(split.unreadable), len(caplog.records)) == (None, ["one"], 1)
    assert split.problem == split.unreadable["one"]
    known.put("one", text("one"))
    split.apply()
    assert (split.problem, dict(split.unreadable)) == (None, {})
    assert split.assign("anna").reason is not AssignmentReason.UNKNOWN


def test_one_that_cannot_be_read_and_is_not_in_force_is_nobodys_problem() -> None:
    known = Known()
    split = SplitInForce(known)
    known.put("one", text("one"))
    known.put("two", "{}", in_force=False)
    split.apply()
    assert (split.problem, list(split.unreadable)) == (None, ["two"])
    assert split.assign("anna").experiment == "one"
