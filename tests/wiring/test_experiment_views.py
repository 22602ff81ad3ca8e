"""How an experiment is shown: a draft with what is to be known of its plan, until it runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from ab.defaults import ANALYSIS
from ab.state import Command
from schemas.experiments import AnalysisRequest
from tests.fakes.experiment_desks import RAMP, Desk, within
from tests.fakes.experiments import START_S, after, plan, request, stage
from tests.fakes.settings import settings
from tests.fakes.stores import STORES
from trading.vocabulary import Arm
from wiring.experiment_views import show_experiment, show_status

SHORT = plan(analysis=replace(ANALYSIS, looks=5), stages=(stage(0.5),))


def warnings(*commands: Command) -> object:
    return show_experiment(after(*commands, of=SHORT), None, in_force=True, market_s=START_S)["warnings"]


def test_a_draft_that_can_conclude_nothing_is_shown_with_a_warning() -> None:
    (warning,) = warnings()  # type: ignore[misc]
    assert warning["code"] == "too_few_days"
    assert warning["message"].endswith("it takes 6 days or more to conclude anything.")


def test_a_draft_that_can_conclude_is_shown_without() -> None:
    assert show_experiment(after(of=plan()), None, in_force=False, market_s=START_S)["warnings"] == []


def test_it_is_shown_since_when_it_is_in_its_phase_and_what_was_commanded_last() -> None:
    ended = request(Command.ROLLBACK, at_s=START_S + 20.0, reason="it lost")
    later = request(Command.OVERRIDE, at_s=START_S + 80.0, user_id="anna", arm=Arm.FALLBACK, reason="a friend")
    state = after(Command.START, ended, later)
    whole = show_experiment(state, None, in_force=True, market_s=START_S)
    for shown in (whole, show_status(state, settings(Path()), in_force=True)):
        assert (shown["phase_since"], shown["phase_reason"]) == ("2023-11-14T22:13:40.000Z", "it lost")
        assert (shown["changed_at"], shown["reason"]) == ("2023-11-14T22:14:40.000Z", "a friend")


def test_once_it_runs_its_results_say_what_can_be_concluded() -> None:
    assert warnings(Command.START) == []


@pytest.mark.parametrize("store", STORES)
def test_who_creates_it_is_told_and_so_is_every_other_worker_until_it_starts(store: str, tmp_path: Path) -> None:
    async def test(one: Desk, other: Desk) -> None:
        told = [await one.experiments.create(RAMP.model_copy(update={"analysis": AnalysisRequest(looks=5)}))]
        told.append(await other.experiments.experiment("ramp"))
        for shown in told:
            assert [warning["code"] for warning in shown["warnings"]] == ["too_few_days"]  # type: ignore[attr-defined]
        await one.give("ramp", "start")
        assert (await other.experiments.experiment("ramp"))["warnings"] == []

    within(STORES[store](tmp_path), test)
