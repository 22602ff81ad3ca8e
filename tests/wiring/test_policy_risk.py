"""The policy takes new risk for whom it would be asked now, by the experiment that the store has in force."""

from dataclasses import replace

import pytest

from ab.assignment import Split
from ab.state import Command, ExperimentState, Phase
from tests.fakes.experiment_rows import everybody
from tests.fakes.experiments import after, plan, request, running, stage
from tests.fakes.one_order import one_order
from trading.orders import MadeUnder, Order
from trading.position_hold import held_arm
from trading.vocabulary import Arm
from wiring.experiment_log import state_text
from wiring.policy_risk import takes_risk

RULE = request(Command.OVERRIDE, user_id="amy", arm=Arm.FALLBACK)
POLICY = request(Command.OVERRIDE, user_id="amy", arm=Arm.RL)
OFF = request(Command.CONFIGURE, enabled=False)
NONE = request(Command.CONFIGURE, enabled=True, share=0.0)
ALL = plan(stages=(stage(1.0),))


def order_of(user_id: str = "amy", *, run: int = 1, version: int = 1) -> Order:
    """An order worth 300, made in the first run."""
    request = replace(one_order().request, user_id=user_id)
    return one_order(request=request, made_under=MadeUnder(experiment="ramp", run=run, version=version))


def takes(state: ExperimentState, opened_by: Arm | None = None, order: Order | None = None) -> bool:
    return takes_risk(state_text(state), order or order_of(), opened_by)


def test_a_running_or_promoted_policy_does() -> None:
    assert takes(everybody())
    assert takes(after(Command.START, Command.PROMOTE, of=ALL))
    assert takes(after(Command.START, POLICY))


@pytest.mark.parametrize("opened_by", [None, Arm.RL, Arm.FALLBACK])
@pytest.mark.parametrize("command", [Command.ROLLBACK, Command.KILL, Command.PAUSE, OFF, RULE])
def test_one_that_was_stopped_does_not_whatever_is_held(command: Command, opened_by: Arm | None) -> None:
    assert not takes(after(Command.START, command, of=ALL), opened_by)
    assert not takes(after(Command.START, command, of=replace(ALL, holdout_share=0.5)), opened_by)


def test_an_override_to_the_policy_waits_for_the_end_of_a_pause() -> None:
    assert not takes(after(Command.START, POLICY, Command.PAUSE))


def test_where_the_split_gives_the_rule_it_only_goes_on_with_what_it_opened() -> None:
    nobody = after(Command.START, NONE, of=ALL)
    assert [takes(nobody, opened_by) for opened_by in (None, Arm.FALLBACK, Arm.RL)] == [False, False, True]


@pytest.mark.parametrize("opened_by", [None, Arm.RL, Arm.FALLBACK])
@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.PAUSED])
def test_it_is_what_the_desk_would_ask_but_for_a_pause(phase: Phase, opened_by: Arm | None) -> None:
    for share in (0.0, 0.1, 0.5, 1.0):
        state = replace(running(share, holdout_share=0.2), phase=phase)
        for user_id in map(str, range(50)):
            assignment = Split(state).assign(user_id)
            asked = held_arm(assignment, opened_by) or assignment.arm
            assert takes(state, opened_by, order_of(user_id)) is (asked is Arm.RL)


def test_what_was_decided_in_another_run_takes_none_whatever_the_user_has_in_this_one() -> None:
    anew = after(Command.START, Command.KILL, Command.START, of=ALL)
    assert [takes(anew, order=order_of(run=run)) for run in (0, 1, 2)] == [False, False, True]
    assert not takes(anew, Arm.RL)


@pytest.mark.parametrize(("cap", "taken"), [(None, True), (300.0, True), (299.99, False)])
def test_it_takes_no_more_than_the_stage_allows_by_now(cap: float | None, taken: bool) -> None:
    ramp = plan(stages=(stage(0.5), stage(1.0, max_notional_usd=cap)))
    amy = request(Command.OVERRIDE, user_id="amy", arm=Arm.RL)
    assert takes(after(Command.START, amy, of=ramp))
    assert takes(after(Command.START, amy, Command.ADVANCE, of=ramp)) is taken
    # The stages are over once it is promoted, and with them what they cap.
    assert takes(after(Command.START, amy, Command.ADVANCE, Command.PROMOTE, of=ramp))


def test_an_experiment_that_cannot_be_read_gives_everybody_the_rule() -> None:
    assert not takes_risk("{}", order_of(), Arm.RL)
    assert not takes_risk("", order_of(), None)
