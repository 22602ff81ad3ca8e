"""What each command makes of an experiment, and that its state is what its log adds up to."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ab.commands import CHANGES, ENDED, begins_run, fold, stage_since_s
from ab.requests import CommandRequest, decide
from ab.running import share_in_force
from ab.state import Command, Event, ExperimentState, Override, Phase, Step, is_promoted, phase_began
from tests.fakes.experiments import DAY_S, START_S, after, folded, log, plan, request, stage
from trading.errors import IllegalChange, InvalidField
from trading.vocabulary import Arm

OPEN_ENDED = plan(stages=(stage(0.1, min_days=0.0, min_units=0),))


def configure(enabled: bool | None = None, share: float | None = None, **changes: object) -> CommandRequest:
    return request(Command.CONFIGURE, enabled=enabled, share=share, **changes)


def override(user_id: str, arm: Arm | None) -> CommandRequest:
    return request(Command.OVERRIDE, user_id=user_id, arm=arm)


def summary(state: ExperimentState) -> tuple[Phase, int, int, float]:
    return state.phase, state.run, state.stage, state.share


def test_an_experiment_begins_as_a_draft_that_nobody_meets() -> None:
    created = after()
    assert summary(created) == (Phase.DRAFT, 0, 0, 0.0)
    assert (created.version, created.enabled, created.approved) == (1, True, False)
    assert (created.plan, created.steps, created.overrides) == (plan(), (), ())
    assert stage_since_s(created) is None


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ((Command.START,), (Phase.RUNNING, 1, 0, 0.1)),
        ((Command.START, Command.PAUSE), (Phase.PAUSED, 1, 0, 0.1)),
        ((Command.START, Command.PAUSE, Command.RESUME), (Phase.RUNNING, 1, 0, 0.1)),
        ((Command.START, Command.ADVANCE), (Phase.RUNNING, 1, 1, 0.25)),
        ((Command.START, Command.ADVANCE, Command.APPROVE, Command.ADVANCE), (Phase.RUNNING, 1, 2, 0.5)),
        ((Command.START, Command.ADVANCE, Command.ROLLBACK), (Phase.ROLLED_BACK, 1, 1, 0.0)),
        ((Command.START, Command.ADVANCE, Command.KILL), (Phase.KILLED, 1, 1, 0.0)),
        ((Command.START, Command.PROMOTE), (Phase.PROMOTED, 1, 0, 1.0)),
        ((Command.START, Command.PROMOTE, Command.ROLLBACK), (Phase.ROLLED_BACK, 1, 0, 0.0)),
        ((Command.START, Command.PROMOTE, Command.PAUSE), (Phase.PAUSED, 1, 0, 1.0)),
        ((Command.START, Command.PROMOTE, Command.PAUSE, Command.RESUME), (Phase.PROMOTED, 1, 0, 1.0)),
        ((Command.START, Command.PAUSE, Command.RESUME, Command.PROMOTE), (Phase.PROMOTED, 1, 0, 1.0)),
        ((Command.START, Command.ADVANCE, Command.ROLLBACK, Command.START), (Phase.RUNNING, 2, 0, 0.1)),
        ((Command.START, Command.KILL, Command.START), (Phase.RUNNING, 2, 0, 0.1)),
    ],
)
def test_what_commands_lead_to(commands: tuple[Command, ...], expected: tuple[Phase, int, int, float]) -> None:
    assert summary(after(*commands)) == expected


def test_every_step_of_the_share_is_kept_until_the_next_start() -> None:
    times = iter(range(9))
    timed = [
        request(command, market_s=START_S + next(times))
        for command in (Command.START, Command.ADVANCE, Command.PAUSE, Command.RESUME, Command.ROLLBACK)
    ]
    rolled_back = after(*timed)
    assert rolled_back.steps == (
        Step(stage=0, share=0.1, since_s=START_S),
        Step(stage=1, share=0.25, since_s=START_S + 1),
        Step(stage=1, share=0.0, since_s=START_S + 2),
        Step(stage=1, share=0.25, since_s=START_S + 3),
        Step(stage=1, share=0.0, since_s=START_S + 4),
    )
    assert stage_since_s(rolled_back) == START_S + 1
    again = after(*timed, request(Command.START, market_s=START_S + 9))
    assert again.steps == (Step(stage=0, share=0.1, since_s=START_S + 9),)


def test_an_approval_is_for_one_stage() -> None:
    approved = after(Command.START, Command.ADVANCE, Command.APPROVE)
    assert approved.approved
    assert not after(Command.START, Command.ADVANCE, Command.APPROVE, Command.ADVANCE).approved
    assert not after(Command.START, Command.APPROVE, Command.ROLLBACK, Command.START).approved


def test_a_state_says_when_it_changed_and_why() -> None:
    paused = after(Command.START, request(Command.PAUSE, reason="too many errors", at_s=7.0))
    assert (paused.changed_at_s, paused.reason, paused.version) == (7.0, "too many errors", 3)
    assert after(Command.START, request(Command.PAUSE, reason="x"), Command.RESUME).reason is None


def test_a_state_says_since_when_it_is_in_its_phase_and_why_whatever_was_commanded_since() -> None:
    later = replace(override("anna", Arm.FALLBACK), at_s=9.0, reason="a friend")
    ended = after(Command.START, request(Command.ROLLBACK, reason="it lost", at_s=7.0))
    for state in (ended, fold(ended, decide(ended, later))):
        assert (phase_began(state), state.ended_at_s) == ((7.0, "it lost"), 7.0)
    killed = fold(ended, decide(ended, request(Command.KILL, at_s=9.0, reason="for good")))
    assert (phase_began(killed), killed.ended_at_s) == ((9.0, "for good"), 7.0)
    again = fold(killed, decide(killed, request(Command.START, at_s=11.0)))
    assert (phase_began(again), again.ended_at_s) == ((11.0, None), None)


def test_a_new_run_begins_its_phase_though_that_is_called_the_same() -> None:
    promoted = after(Command.START, Command.PROMOTE, of=OPEN_ENDED)
    paused = fold(promoted, decide(promoted, request(Command.PAUSE, at_s=7.0, reason="x")))
    assert phase_began(fold(paused, decide(paused, configure(enabled=False, at_s=8.0)))) == (7.0, "x")
    assert phase_began(fold(paused, decide(paused, configure(share=0.2, at_s=9.0, reason="y")))) == (9.0, "y")


def test_configure_sets_what_it_names_and_notes_the_step() -> None:
    raised = after(Command.START, configure(share=0.4, market_s=START_S + 5), of=OPEN_ENDED)
    assert summary(raised) == (Phase.RUNNING, 1, 0, 0.4)
    assert raised.steps[-1] == Step(stage=0, share=0.4, since_s=START_S + 5)
    disabled = after(Command.START, configure(share=0.4), configure(enabled=False), of=OPEN_ENDED)
    assert (disabled.enabled, disabled.share) == (False, 0.4)
    assert [step.share for step in disabled.steps] == [0.1, 0.4, 0.0]
    assert after(Command.START, configure(enabled=False), configure(True), of=OPEN_ENDED).steps[-1].share == 0.1
    assert after(Command.START, configure(True, 0.1), of=OPEN_ENDED).steps == raised.steps[:1]


def test_a_run_ends_once_however_often_it_is_ended_and_whatever_was_before() -> None:
    times = iter(range(9))
    ended = after(
        *(
            request(command, market_s=START_S + next(times))
            for command in (Command.START, Command.PAUSE, Command.ROLLBACK, Command.KILL)
        )
    )
    assert [(step.share, step.since_s - START_S) for step in ended.steps] == [(0.1, 0), (0.0, 1), (0.0, 2)]


def test_configure_takes_every_share() -> None:
    for share in (0.0, 0.5, 1.0):
        assert after(Command.START, configure(share=share), of=OPEN_ENDED).share == share


def test_configure_keeps_a_pause() -> None:
    assert summary(after(Command.START, Command.PAUSE, configure(share=0.3), of=OPEN_ENDED)) == (
        Phase.PAUSED,
        1,
        0,
        0.3,
    )


@pytest.mark.parametrize("end", [Command.ROLLBACK, Command.PROMOTE])
def test_configure_with_a_share_starts_a_new_run_where_none_goes_on(end: Command) -> None:
    anew = after(Command.START, end, configure(share=0.2, market_s=START_S + 5), of=OPEN_ENDED)
    assert summary(anew) == (Phase.RUNNING, 2, 0, 0.2)
    assert anew.steps == (Step(stage=0, share=0.2, since_s=START_S + 5),)
    ended = after(Command.START, end, of=OPEN_ENDED)
    switched = after(Command.START, end, configure(enabled=False), of=OPEN_ENDED)
    assert (summary(switched), switched.enabled) == (summary(ended), False)


def test_a_promotion_that_is_paused_stays_one_and_nobody_new_meets_the_policy_meanwhile() -> None:
    paused = after(Command.START, Command.PROMOTE, Command.PAUSE, Command.APPROVE)
    assert is_promoted(paused)
    assert [step.share for step in paused.steps] == [0.1, 1.0, 0.0]
    resumed = fold(paused, decide(paused, request(Command.RESUME)))
    assert [step.share for step in resumed.steps] == [0.1, 1.0, 0.0, 1.0]
    assert resumed.paused_from is None
    over = fold(paused, decide(paused, request(Command.ROLLBACK)))
    again = fold(over, decide(over, request(Command.START)))
    assert not is_promoted(over)
    paused_again = fold(again, decide(again, request(Command.PAUSE)))
    assert not is_promoted(paused_again)


def test_a_share_of_one_is_no_promotion() -> None:
    paused = after(Command.START, configure(share=1.0), Command.PAUSE, of=OPEN_ENDED)
    assert fold(paused, decide(paused, request(Command.RESUME))).phase is Phase.RUNNING


def test_configure_with_a_share_begins_anew_where_a_promotion_is_paused_and_keeps_the_pause() -> None:
    anew = after(Command.START, Command.PROMOTE, Command.PAUSE, configure(share=0.2), of=OPEN_ENDED)
    assert (summary(anew), is_promoted(anew)) == ((Phase.PAUSED, 2, 0, 0.2), False)
    assert [step.share for step in anew.steps] == [0.0]
    resumed = fold(anew, decide(anew, request(Command.RESUME)))
    assert (summary(resumed), resumed.steps[-1].share) == ((Phase.RUNNING, 2, 0, 0.2), 0.2)


def test_an_override_lasts_until_it_is_ended_over_starts_too() -> None:
    first, second = override("b", Arm.RL), override("a", Arm.FALLBACK)
    state = after(first, Command.START, second, Command.ROLLBACK, Command.START)
    assert state.overrides == (Override(user_id="a", arm=Arm.FALLBACK), Override(user_id="b", arm=Arm.RL))
    assert after(first, override("b", Arm.FALLBACK)).overrides == (Override(user_id="b", arm=Arm.FALLBACK),)
    assert after(first, second, override("b", None)).overrides == (Override(user_id="a", arm=Arm.FALLBACK),)
    assert after(override("nobody", None)).overrides == ()


def test_a_log_that_skips_or_repeats_an_event_is_refused() -> None:
    events = log([request(Command.CREATE, plan=plan()), request(Command.START), request(Command.PAUSE)])
    state = folded(events[:2])
    for wrong in (events[1], replace(events[2], number=4), replace(events[2], experiment="other")):
        with pytest.raises(ValueError, match="does not follow"):
            fold(state, wrong)
    with pytest.raises(ValueError, match="does not follow"):
        fold(state, replace(events[2], command=Command.RESUME))
    with pytest.raises(ValueError, match="begins with event 2"):
        fold(None, events[1])


def a_request() -> st.SearchStrategy[CommandRequest]:
    return st.builds(
        request,
        st.sampled_from([command for command in Command if command is not Command.CREATE]),
        share=st.none() | st.floats(0.0, 1.0),
        enabled=st.none() | st.booleans(),
        user_id=st.sampled_from(["a", "b", "c"]),
        arm=st.none() | st.sampled_from([Arm.RL, Arm.FALLBACK]),
        through=st.none() | st.integers(int(START_S // DAY_S) - 2, int(START_S // DAY_S) + 14),
        market_s=st.floats(START_S, START_S + 1e6),
    )


def taken(state: ExperimentState | None, asked: CommandRequest) -> Event | None:
    try:
        return decide(state, asked)
    except (IllegalChange, InvalidField):
        return None


@settings(max_examples=200)
@given(st.sampled_from([plan(), OPEN_ENDED]), st.lists(a_request(), max_size=30))
def test_whatever_is_asked_the_state_is_sound_and_is_what_the_log_adds_up_to(
    of: object, asked: list[CommandRequest]
) -> None:
    events = log([request(Command.CREATE, plan=of)])
    state = folded(events)
    for one in asked:
        event = taken(state, one)
        if event is None:
            continue
        before, state = state, fold(state, event)
        events.append(event)
        resumed = event.command is Command.RESUME and state.phase is before.paused_from
        assert CHANGES[before.phase, event.command] is state.phase or state.run > before.run or resumed
        assert state.paused_from is None or state.phase is Phase.PAUSED
        assert state.version == len(events) == event.number
        assert 0.0 <= state.share <= 1.0
        assert (state.share == 0.0) >= (state.phase in (Phase.DRAFT, Phase.ROLLED_BACK, Phase.KILLED))
        assert bool(state.steps) == (state.run > 0)
        assert not state.steps or state.steps[-1].share == share_in_force(state)
        assert 0 <= state.stage < len(state.plan.stages)
        assert (state.ended_at_s is not None) == (state.phase in ENDED)
        assert begins_run(before, event.command, event.share) == (state.run > before.run)
        earlier = before.missing_accepted_through if state.run == before.run else None
        assert earlier is None or (state.missing_accepted_through or 0) >= earlier
    assert folded(events) == state


def accept(through: int, **changes: object) -> CommandRequest:
    return request(Command.ACCEPT_MISSING, through=through, market_s=START_S + 9 * DAY_S, **changes)


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PAUSED])
def test_days_are_accepted_as_missing_and_all_else_stays_as_it_was(phase: Phase) -> None:
    state = after(Command.START, *((Command.PAUSE,) if phase is Phase.PAUSED else ()))
    day = int(START_S // DAY_S) + 2
    accepted = fold(state, decide(state, accept(day, reason="the feed was down")))
    assert (accepted.missing_accepted_through, accepted.missing_accepted_reason) == (day, "the feed was down")
    changed = {"version", "reason", "changed_at_s", "missing_accepted_through", "missing_accepted_reason"}
    same = {name: value for name, value in asdict(accepted).items() if name not in changed}
    assert same == {name: value for name, value in asdict(state).items() if name not in changed}


def test_what_was_accepted_as_missing_is_so_in_its_run_only() -> None:
    day = int(START_S // DAY_S)
    ended = after(Command.START, accept(day, reason="x"), Command.PAUSE, Command.RESUME, Command.ROLLBACK)
    assert (ended.missing_accepted_through, ended.missing_accepted_reason) == (day, "x")
    again = fold(ended, decide(ended, request(Command.START)))
    assert (again.missing_accepted_through, again.missing_accepted_reason) == (None, None)
