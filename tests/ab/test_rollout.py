"""The engine: what it stops at once, what it lets grow, and that nothing unknown ever lets the share grow."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.commands import fold
from ab.plan import Guard, Plan, Response
from ab.requests import decide
from ab.results import Conclusion, Findings, SampleRatio
from ab.rollout import Verdict, evaluate
from ab.state import Command, ExperimentState, Phase
from ab.waiting import waiting_for
from tests.fakes.experiments import (
    DAY_S,
    ERRORS,
    LOSS,
    START_S,
    after,
    findings,
    look,
    plan,
    primary,
    reading,
    request,
    stage,
)

TICK_S = START_S + 8 * DAY_S
NAN = float("nan")
LOSING = (reading(LOSS, 612.4, units=3), reading(ERRORS, 0.01))
FAILING = (reading(LOSS, 30.0), reading(ERRORS, 0.2))
MISMATCH = SampleRatio(users_rl=620, users_control=380, expected_rl=500.0, p_value=1e-9, mismatch=True)
RUNNING = after(Command.START)
UNAPPROVED = after(Command.START, Command.ADVANCE)
PAUSED = after(Command.START, Command.PAUSE)
PROMOTED = after(Command.START, Command.PROMOTE)
PAUSED_PROMOTION = after(Command.START, Command.PROMOTE, Command.PAUSE)
LAST = after(Command.START, of=plan(stages=(stage(0.5),)))


def judged(state: ExperimentState = RUNNING, **changes: object) -> Verdict:
    return evaluate(state, findings(**changes), TICK_S)


def of_response(response: Response) -> Plan:
    return plan(guardrails=(LOSS, replace(ERRORS, response=response)))


def test_a_stage_whose_conditions_are_met_leads_to_the_next() -> None:
    verdict = judged()
    assert (verdict.command, verdict.waiting_for) == (Command.ADVANCE, ())
    assert verdict.reasons == (
        "Stage 1 of 4 is done: 8.00 market days of 7, 1,000 user-days an arm of 100. The share grows from 0.1 to 0.25.",
    )


def test_what_a_stage_does_not_ask_for_is_no_reason_for_the_next() -> None:
    ramp = plan(stages=(replace(stage(0.1), min_days=0.0, min_units=0), stage(0.25)))
    assert judged(after(Command.START, of=ramp)).reasons == (
        "Stage 1 of 2 is done: 8.00 market days. The share grows from 0.1 to 0.25.",
    )


@pytest.mark.parametrize("state", [RUNNING, UNAPPROVED, PAUSED, PROMOTED, LAST])
def test_a_loss_rolls_back_on_the_first_tick_also_while_waiting(state: ExperimentState) -> None:
    verdict = judged(state, guards=LOSING)
    assert (verdict.command, verdict.waiting_for) == (Command.ROLLBACK, ())
    assert verdict.reasons == (
        "The policy's loss on its worst day is 612.4 bps of the capital, above the limit of 500, after 3 user-days.",
    )
    after_it = fold(state, decide(state, request(Command.ROLLBACK, by="engine", reason=verdict.reasons[0])))
    assert (after_it.phase, after_it.share) == (Phase.ROLLED_BACK, 0.0)


@pytest.mark.parametrize(
    "unknown", [{"complete": False}, {"units_in_stage": 0}, {"ratio": MISMATCH}, {"at_s": START_S}]
)
def test_a_loss_rolls_back_whatever_else_is_not_known(unknown: dict[str, object]) -> None:
    assert judged(UNAPPROVED, guards=LOSING, **unknown).command is Command.ROLLBACK


@pytest.mark.parametrize(
    ("response", "state", "command"),
    [
        (Response.HOLD, RUNNING, None),
        (Response.PAUSE, RUNNING, Command.PAUSE),
        (Response.ROLL_BACK, RUNNING, Command.ROLLBACK),
        (Response.KILL, RUNNING, Command.KILL),
        (Response.HOLD, PAUSED, None),
        (Response.PAUSE, PAUSED, None),
        (Response.ROLL_BACK, PAUSED, Command.ROLLBACK),
        (Response.KILL, PAUSED, Command.KILL),
        (Response.PAUSE, PROMOTED, Command.PAUSE),
        (Response.PAUSE, PAUSED_PROMOTION, None),
        (Response.ROLL_BACK, PAUSED_PROMOTION, Command.ROLLBACK),
        (Response.ROLL_BACK, PROMOTED, Command.ROLLBACK),
        (Response.KILL, PROMOTED, Command.KILL),
    ],
)
def test_a_broken_guardrail_has_the_response_of_the_plan_where_the_phase_allows_it(
    response: Response, state: ExperimentState, command: Command | None
) -> None:
    verdict = judged(replace(state, plan=of_response(response)), guards=FAILING)
    assert verdict.command is command
    assert any("0.2, above the limit of 0.1" in reason for reason in verdict.reasons)
    assert command is not None or "guardrails" in verdict.waiting_for


def test_of_several_broken_guardrails_the_most_severe_response_is_given() -> None:
    killing = replace(RUNNING, plan=plan(guardrails=(ERRORS, replace(LOSS, response=Response.KILL))))
    verdict = judged(killing, guards=(LOSING[0], FAILING[1]))
    assert (verdict.command, len(verdict.reasons)) == (Command.KILL, 2)
    assert judged(guards=(LOSING[0], FAILING[1])).command is Command.ROLLBACK


def test_a_wrong_split_pauses_once() -> None:
    verdict = judged(ratio=MISMATCH)
    assert verdict.command is Command.PAUSE
    assert "Of 1,000 compared users 620 have the policy where 500 were to be expected" in verdict.reasons[0]
    again = judged(PAUSED, ratio=MISMATCH)
    assert (again.command, again.waiting_for) == (None, ("operator", "sample_ratio"))


def test_a_policy_that_is_worse_is_rolled_back_but_a_promotion_stands() -> None:
    worse = primary(Conclusion.WORSE)
    for state in (RUNNING, UNAPPROVED, PAUSED, LAST):
        assert judged(state, primary=worse).command is Command.ROLLBACK
    for state in (PROMOTED, PAUSED_PROMOTION):
        assert judged(state, primary=worse).command is None
        assert judged(state, ratio=MISMATCH).command is None


@pytest.mark.parametrize("phase", [Phase.DRAFT, Phase.ROLLED_BACK, Phase.KILLED])
def test_where_nobody_meets_the_policy_there_is_nothing_to_do_and_it_says_so(phase: Phase) -> None:
    state = {
        Phase.DRAFT: after(),
        Phase.ROLLED_BACK: after(Command.START, Command.ROLLBACK),
        Phase.KILLED: after(Command.START, Command.KILL),
    }[phase]
    verdict = judged(state, guards=LOSING, ratio=MISMATCH, primary=primary(Conclusion.WORSE))
    assert verdict.command is None
    assert len(verdict.reasons) == 1
    assert verdict.waiting_for == (("operator",) if phase is Phase.DRAFT else ())


def test_a_paused_and_a_promoted_experiment_stay_as_they_are() -> None:
    assert (judged(PAUSED).command, judged(PAUSED).waiting_for) == (None, ("operator",))
    assert judged(PAUSED_PROMOTION).reasons == ("It is promoted, and paused: an operator has to resume it.",)
    assert judged(PROMOTED) == Verdict(command=None, reasons=("It is promoted, and no guardrail is broken.",))


def test_findings_of_an_earlier_run_say_nothing_of_this_one() -> None:
    anew = after(Command.START, Command.ROLLBACK, request(Command.START, market_s=TICK_S + 1.0))
    verdict = evaluate(anew, findings(guards=LOSING, ratio=MISMATCH), TICK_S + 2.0)
    assert (verdict.command, verdict.waiting_for) == (None, ("outcomes", "time", "units"))


def test_findings_of_the_stage_before_do_not_end_this_one() -> None:
    hasty = plan(stages=tuple(stage(share, min_days=0.0, min_units=0) for share in (0.1, 0.2, 0.3)))
    advanced = after(Command.START, request(Command.ADVANCE, market_s=TICK_S), of=hasty)
    assert evaluate(advanced, findings(), TICK_S).waiting_for == ("outcomes",)
    assert evaluate(advanced, findings(at_s=TICK_S + 1.0), TICK_S + 1.0).command is Command.ADVANCE


@pytest.mark.parametrize(
    ("state", "changes", "waiting", "figures"),
    [
        (RUNNING, {"units_in_stage": 99}, ("units",), "99 of 100 user-days"),
        (RUNNING, {"complete": False}, ("outcomes",), "missing or late"),
        (RUNNING, {"guards": ()}, ("guardrails",), "cannot be told"),
        (RUNNING, {"guards": (reading(LOSS, None), reading(ERRORS, 0.01))}, ("guardrails",), "cannot be told"),
        (UNAPPROVED, {}, ("approval",), "approve"),
        (replace(RUNNING, enabled=False), {}, ("operator",), "disabled"),
        (LAST, {}, ("looks",), "8 of 30 planned looks"),
        (LAST, {"primary": primary(Conclusion.CANNOT_CONCLUDE)}, ("looks",), "as the test has it"),
        (LAST, {"primary": primary(Conclusion.BETTER)}, ("operator",), "Only an operator promotes it"),
        (LAST, {"primary": primary(Conclusion.NOT_WORSE)}, ("operator",), "Only an operator promotes it"),
        (LAST, {"primary": primary(Conclusion.INCONCLUSIVE, looks=30)}, ("operator",), "promotes nothing"),
        (RUNNING, {"primary": primary(Conclusion.INCONCLUSIVE, looks=30)}, ("operator",), "promotes nothing"),
        (LAST, {"primary": primary(Conclusion.CANNOT_CONCLUDE, looks=30)}, ("operator",), "promotes nothing"),
    ],
)
def test_what_is_missing_holds_and_is_named(
    state: ExperimentState, changes: dict[str, object], waiting: tuple[str, ...], figures: str
) -> None:
    verdict = judged(state, **changes)
    assert (verdict.command, verdict.waiting_for) == (None, waiting)
    assert figures in " ".join(verdict.reasons)
    assert waiting_for(state, findings(**changes), TICK_S) == waiting


def test_a_stage_lasts_its_market_days_however_much_was_seen() -> None:
    verdict = evaluate(RUNNING, findings(at_s=START_S + 1.0), START_S + 6.99 * DAY_S)
    assert (verdict.command, verdict.waiting_for) == (None, ("time",))
    assert verdict.reasons == ("It has run for 6.99 of the 7 market days of this stage.",)


def test_a_pause_is_no_time_of_a_stage() -> None:
    resumed = after(
        Command.START,
        request(Command.PAUSE, market_s=START_S + 1.0 * DAY_S),
        request(Command.RESUME, market_s=START_S + 6.0 * DAY_S),
    )
    verdict = evaluate(resumed, findings(at_s=TICK_S), TICK_S)
    assert (verdict.command, verdict.waiting_for) == (None, ("time",))
    assert verdict.reasons == ("It has run for 3.00 of the 7 market days of this stage.",)
    over_s = START_S + 12.0 * DAY_S
    assert evaluate(resumed, findings(at_s=over_s), over_s).command is Command.ADVANCE


def test_without_any_findings_it_waits_for_them() -> None:
    verdict = evaluate(RUNNING, None, TICK_S)
    assert (verdict.command, verdict.waiting_for) == (None, ("outcomes", "units"))


def test_a_guardrail_without_a_figure_does_not_hold_before_it_is_judged() -> None:
    young = (reading(LOSS, 30.0, units=9), reading(ERRORS, None, units=9))
    assert judged(guards=young).command is Command.ADVANCE


@pytest.mark.parametrize(
    ("conclusion", "command"),
    [
        (Conclusion.UNDECIDED, None),
        (Conclusion.CANNOT_CONCLUDE, None),
        (Conclusion.BETTER, Command.ADVANCE),
        (Conclusion.NOT_WORSE, Command.ADVANCE),
    ],
)
def test_beyond_one_half_only_what_was_found_good_enough_grows(conclusion: Conclusion, command: Command | None) -> None:
    half = after(Command.START, of=plan(stages=(stage(0.5), stage(0.8))))
    assert judged(half, primary=primary(conclusion)).command is command


def test_a_stage_of_everybody_is_a_promotion_and_left_to_the_operator() -> None:
    half = after(Command.START, of=plan(stages=(stage(0.5), stage(1.0))))
    verdict = judged(half, primary=primary(Conclusion.BETTER))
    assert (verdict.command, verdict.waiting_for) == (None, ("operator",))


def with_a_number_that_is_none(bad: float) -> list[Findings]:
    broken_look = [look(3, **{name: bad}) for name in ("effect_bps", "low_bps", "high_bps", "p_value", "level", "at_s")]
    return [
        *(findings(primary=replace(primary(), looks=(look(1), wrong))) for wrong in broken_look),
        findings(ratio=replace(findings().ratio, p_value=bad)),
        findings(ratio=replace(findings().ratio, expected_rl=bad)),
        findings(guards=(replace(reading(LOSS, 30.0), value=bad), reading(ERRORS, 0.01))),
        findings(guards=(replace(reading(LOSS, 30.0), limit=bad), reading(ERRORS, 0.01))),
        findings(units_in_stage=bad),
        findings(at_s=bad),
    ]


@given(st.sampled_from([NAN, float("inf"), -float("inf")]), st.sampled_from([Conclusion.UNDECIDED, Conclusion.BETTER]))
def test_no_number_that_is_none_lets_the_share_grow(bad: float, conclusion: Conclusion) -> None:
    for wrong in with_a_number_that_is_none(bad):
        concluded = replace(wrong, primary=replace(wrong.primary, conclusion=conclusion))
        verdict = evaluate(RUNNING, concluded, TICK_S)
        assert verdict.command is None
        assert verdict.waiting_for
    assert evaluate(RUNNING, findings(), NAN).command is None


@given(
    st.sampled_from(
        [RUNNING, UNAPPROVED, PAUSED, PROMOTED, PAUSED_PROMOTION, LAST, after(), after(Command.START, Command.KILL)]
    ),
    st.sampled_from(Conclusion),
    st.integers(0, 40),
    st.lists(st.none() | st.floats(), min_size=2, max_size=2),
    st.booleans(),
    st.booleans(),
    st.floats(),
)
def test_every_verdict_can_be_carried_out_promotes_nothing_and_has_a_reason(
    state: ExperimentState,
    conclusion: Conclusion,
    looks: int,
    values: list[float | None],
    mismatch: bool,
    complete: bool,
    market_s: float,
) -> None:
    known = findings(
        primary=primary(conclusion, looks=looks),
        ratio=replace(MISMATCH, mismatch=mismatch),
        guards=tuple(reading(rail, value) for rail, value in zip((LOSS, ERRORS), values, strict=True)),
        complete=complete,
    )
    verdict = evaluate(state, known, market_s)
    assert verdict.command in (None, Command.ADVANCE, Command.PAUSE, Command.ROLLBACK, Command.KILL)
    assert verdict.reasons
    assert all(reason.endswith(".") for reason in verdict.reasons)
    if verdict.command is not None:
        assert verdict.waiting_for == ()
        fold(state, decide(state, request(verdict.command, by="engine", based_on=state.version)))
    else:
        assert verdict.waiting_for == waiting_for(state, known, market_s)


@pytest.mark.parametrize("guard", Guard)
def test_every_guard_is_said_in_words(guard: Guard) -> None:
    guardrail = replace(LOSS, guard=guard)
    state = replace(RUNNING, plan=plan(guardrails=(guardrail,)))
    assert "above the limit of 500" in judged(state, guards=(reading(guardrail, 501.0),)).reasons[0]
