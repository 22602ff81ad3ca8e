"""Which commands are taken and which are refused, and with what."""

from dataclasses import replace

import pytest

from ab.commands import CHANGES, fold
from ab.requests import (
    AWAITING_APPROVAL,
    LAST_STAGE,
    MOST_OVERRIDES,
    MOST_STEPS,
    PLANNED_STAGES,
    TOO_MANY_STEPS,
    CommandRequest,
    decide,
)
from ab.state import Command, ExperimentState, Phase
from tests.fakes.experiments import DAY_S, START_S, after, plan, request, stage
from trading.errors import IllegalChange, InvalidField, NotFound, StaleVersion
from trading.vocabulary import Arm

OPEN_ENDED = plan(stages=(stage(0.1),))
IN_PHASE: dict[Phase, tuple[Command, ...]] = {
    Phase.DRAFT: (),
    Phase.RUNNING: (Command.START,),
    Phase.PAUSED: (Command.START, Command.PAUSE),
    Phase.ROLLED_BACK: (Command.START, Command.ROLLBACK),
    Phase.KILLED: (Command.START, Command.KILL),
    Phase.PROMOTED: (Command.START, Command.PROMOTE),
}
ALLOWED: dict[Phase, set[str]] = {
    Phase.DRAFT: {"start", "override"},
    Phase.RUNNING: {
        "pause",
        "advance",
        "approve",
        "rollback",
        "kill",
        "promote",
        "configure",
        "override",
        "accept_missing",
    },
    Phase.PAUSED: {"resume", "approve", "rollback", "kill", "configure", "override", "accept_missing"},
    Phase.ROLLED_BACK: {"start", "kill", "configure", "override"},
    Phase.KILLED: {"start", "override"},
    Phase.PROMOTED: {"pause", "rollback", "kill", "configure", "override"},
}


@pytest.mark.parametrize("phase", Phase)
def test_in_each_phase_the_closed_table_says_what_may_be_asked(phase: Phase) -> None:
    assert {command for known, command in CHANGES if known is phase} == ALLOWED[phase]
    state = after(*IN_PHASE[phase], of=OPEN_ENDED)
    assert state.phase is phase
    for command in set(Command) - ALLOWED[phase]:
        with pytest.raises(IllegalChange) as refused:
            decide(state, request(command, plan=plan(), share=0.2, user_id="a"))
        assert refused.value.state == phase


def test_an_event_carries_what_was_asked_and_its_number() -> None:
    asked = request(Command.OVERRIDE, by="operator", reason="a test", at_s=5.0, market_s=6.0, user_id="a", arm=Arm.RL)
    event = decide(after(Command.START), asked)
    assert (event.experiment, event.number, event.command) == ("default", 3, Command.OVERRIDE)
    assert (event.by, event.reason, event.at_s, event.market_s) == ("operator", "a test", 5.0, 6.0)
    assert (event.user_id, event.arm, event.plan, event.enabled, event.share) == ("a", Arm.RL, None, None, None)


def test_a_command_based_on_another_version_is_refused_with_the_present_one() -> None:
    state = after(Command.START)
    assert decide(state, request(Command.PAUSE, based_on=2)).number == 3
    for version in (0, 1, 3):
        with pytest.raises(StaleVersion) as refused:
            decide(state, request(Command.PAUSE, based_on=version))
        assert refused.value.version == 2


def test_a_stale_command_is_said_to_be_stale_whatever_else_is_wrong_with_it() -> None:
    with pytest.raises(StaleVersion):
        decide(after(Command.START), request(Command.RESUME, based_on=1))


def test_nothing_can_be_asked_of_what_was_never_created() -> None:
    with pytest.raises(NotFound) as refused:
        decide(None, request(Command.START))
    assert refused.value.what == "experiment"


def test_an_experiment_is_created_once_with_a_sound_plan() -> None:
    with pytest.raises(IllegalChange) as refused:
        decide(after(), request(Command.CREATE, plan=plan()))
    assert refused.value.state == "draft"
    for bad, field in ((None, "plan"), (plan(key="Not a key"), "key")):
        with pytest.raises(InvalidField) as invalid:
            decide(None, request(Command.CREATE, plan=bad))
        assert invalid.value.field == field


def test_the_next_stage_waits_for_the_approval_of_the_present_one() -> None:
    waiting = after(Command.START, Command.ADVANCE)
    with pytest.raises(IllegalChange) as refused:
        decide(waiting, request(Command.ADVANCE))
    assert refused.value.state == AWAITING_APPROVAL
    approved = fold(waiting, decide(waiting, request(Command.APPROVE)))
    assert decide(approved, request(Command.ADVANCE)).command is Command.ADVANCE


def test_there_is_nothing_after_the_last_stage() -> None:
    with pytest.raises(IllegalChange) as refused:
        decide(after(Command.START, of=OPEN_ENDED), request(Command.ADVANCE))
    assert refused.value.state == LAST_STAGE


def test_a_planned_ramp_is_not_configured_by_hand() -> None:
    with pytest.raises(IllegalChange) as refused:
        decide(after(Command.START), request(Command.CONFIGURE, share=0.9))
    assert refused.value.state == PLANNED_STAGES


@pytest.mark.parametrize("share", [-0.01, -0.0, 1e-300, 0.00009, 1.01, float("nan"), float("inf")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(InvalidField, match="share"):
        decide(after(Command.START, of=OPEN_ENDED), request(Command.CONFIGURE, share=share))


def test_a_configure_that_says_nothing_is_refused() -> None:
    with pytest.raises(InvalidField, match="share"):
        decide(after(Command.START, of=OPEN_ENDED), request(Command.CONFIGURE))


def test_nobody_is_assigned_to_hold_and_no_user_has_no_name() -> None:
    for user_id, arm, field in (("a", Arm.HOLD, "arm"), ("", Arm.RL, "user_id"), (None, Arm.RL, "user_id")):
        with pytest.raises(InvalidField) as refused:
            decide(after(), request(Command.OVERRIDE, user_id=user_id, arm=arm))
        assert refused.value.field == field


def test_a_run_has_so_many_steps_and_then_can_only_be_stopped_or_begun_anew() -> None:
    running = after(Command.START, of=OPEN_ENDED)
    many = replace(running, steps=running.steps * MOST_STEPS)
    less = replace(many, steps=many.steps[1:])
    assert decide(less, request(Command.CONFIGURE, share=0.2)).share == 0.2
    for state, asked in (
        (many, request(Command.CONFIGURE, share=0.2)),
        (replace(many, enabled=False), request(Command.CONFIGURE, enabled=True)),
        (replace(many, phase=Phase.PAUSED), request(Command.RESUME)),
    ):
        with pytest.raises(IllegalChange) as refused:
            decide(state, asked)
        assert refused.value.state == TOO_MANY_STEPS
    for command in (Command.PAUSE, Command.ROLLBACK, Command.KILL):
        assert decide(many, request(command)).command is command
    assert decide(many, request(Command.CONFIGURE, enabled=False)).enabled is False
    assert decide(many, request(Command.CONFIGURE, share=0.0)).share == 0.0
    over = replace(many, phase=Phase.ROLLED_BACK)
    again = fold(over, decide(over, request(Command.CONFIGURE, share=0.2)))
    assert len(again.steps) == 1


def full() -> ExperimentState:
    return after(*(request(Command.OVERRIDE, user_id=f"u{n}", arm=Arm.RL) for n in range(MOST_OVERRIDES)))


def test_there_are_so_many_overrides_and_no_more() -> None:
    state = full()
    with pytest.raises(InvalidField, match="user_id"):
        decide(state, request(Command.OVERRIDE, user_id="one more", arm=Arm.RL))
    for user_id, arm in (("u7", Arm.FALLBACK), ("u7", None), ("one more", None)):
        assert decide(state, request(Command.OVERRIDE, user_id=user_id, arm=arm)).user_id == user_id


TODAY = int(START_S // DAY_S) + 5


def accept(through: int | None) -> CommandRequest:
    return request(Command.ACCEPT_MISSING, through=through, market_s=(TODAY + 0.5) * DAY_S)


@pytest.mark.parametrize(
    ("through", "problem"),
    [
        (None, "is missing"),
        (TODAY, "must be a market day that is over"),
        (TODAY + 1, "must be a market day that is over"),
        (TODAY - 6, "is before the first day of this run"),
        (TODAY - 4, "is accepted already"),
        (TODAY - 3, "is accepted already"),
    ],
)
def test_days_are_accepted_as_missing_once_they_are_over_and_never_again(through: int | None, problem: str) -> None:
    state = after(Command.START, accept(TODAY - 3))
    with pytest.raises(InvalidField, match=problem) as refused:
        decide(state, accept(through))
    assert refused.value.field == "through"
    assert decide(state, accept(TODAY - 1)).through == TODAY - 1


def test_the_first_day_of_a_run_can_be_accepted_as_missing() -> None:
    assert decide(after(Command.START), accept(TODAY - 5)).through == TODAY - 5
