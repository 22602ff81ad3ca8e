"""What an experiment has shown is computed from what is recorded of it: every figure here is worked out by hand."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ab.account import Costs
from ab.guardrails import Operations
from ab.metrics import Served
from ab.outcomes import OutcomeState, UnitDay
from ab.plan import Analysis, OutcomeSource
from ab.requests import CommandRequest
from ab.results import Conclusion, Findings
from ab.state import Command, ExperimentState, Phase, Step
from adapters.store.engine import Location
from adapters.store.outcomes import Outcome, read_outcomes, save_outcomes
from adapters.store.reported_outcomes import ReportedOutcome, save_reported
from tests.fakes.advisers import agent
from tests.fakes.experiments import after, plan, request, running, stage
from tests.fakes.exposures import DAY_S, START_S, Exposing, entries, hourly
from tests.fakes.journals import insert
from tests.fakes.market import HOUR_S, FakeMarket
from tests.fakes.orders import put_agent
from tests.fakes.stores import running as opened
from tests.fakes.stores import sqlite
from trading.agents import Agent, ExecutionMode
from trading.vocabulary import Arm, AssignmentReason, Bar, FailureReason
from wiring.analysis import compared_until_s, find, money_days
from wiring.evidence import Evidence, Question, gather
from wiring.stores import OpenStore
from wiring.unit_days import Terms

RL, RULE = Arm.RL, Arm.FALLBACK
# A purchase of the whole capital costs 11 basis points.
TERMS = Terms(costs=Costs(fee_bps=10.0, spread_bps=2.0), dead_band=0.02)
COST_BPS = 11.0


def analysis(**changes: object) -> Analysis:
    return replace(plan().analysis, **changes)  # type: ignore[arg-type]


def begun(source: OutcomeSource = OutcomeSource.AS_IF, **changes: object) -> ExperimentState:
    """An experiment that began at the start."""
    state = running(analysis=analysis(source=source))
    return replace(state, steps=(Step(stage=0, share=0.1, since_s=float(START_S)),), **changes)  # type: ignore[arg-type]


def flat(hours: int) -> tuple[Bar, ...]:
    return hourly([100.0] * (hours + 1))


def rising(hours: int) -> tuple[Bar, ...]:
    """One percent of the first price more each day."""
    return hourly([100.0 + hour / 24 for hour in range(hours + 1)])


def fill(location: Location, exposing: Sequence[Exposing]) -> None:
    async def main() -> None:
        async with opened(location) as store:
            await insert(store, entries(exposing))

    asyncio.run(main())


@contextmanager
def asked(location: Location) -> Iterator[OpenStore]:
    with OpenStore(location) as store:
        yield store


def evidence(
    location: Location,
    bars: Mapping[str, Sequence[Bar]],
    *,
    at_hours: float,
    state: ExperimentState | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Evidence:
    at_s = START_S + at_hours * HOUR_S
    market = FakeMarket(bars, now_s=at_s)
    question = Question(state=state or begun(), at_s=at_s, latency_p99_ms=12.5)
    with asked(location) as store:
        return gather(store, market, TERMS, question, wall_s=at_s + 5.0, progress=progress)


def days_of(found: Evidence, user_id: str) -> list[UnitDay]:
    return [unit for unit in found.days if unit.user_id == user_id]


def bought(user_id: str, arm: Arm, hours: float = 1, price: float = 100.0, **changes: object) -> Exposing:
    return Exposing(user_id=user_id, arm=arm, hours=hours, target=1.0, price=price, **changes)  # type: ignore[arg-type]


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return sqlite(tmp_path)


def test_a_position_earns_what_the_market_did_after_costs(location: Location) -> None:
    fill(location, [bought("amy", RL, price=100 + 1 / 24), bought("bob", RULE, hours=2, price=100 + 2 / 24)])
    found = evidence(location, {"BTC": rising(60)}, at_hours=60)
    amy = days_of(found, "amy")
    assert [unit.state for unit in amy] == [OutcomeState.KNOWN, OutcomeState.KNOWN, OutcomeState.LATE]
    bought_at = 100 + 1 / 24
    assert amy[0].net_bps == pytest.approx((101 / bought_at - 1) * 10_000 - COST_BPS)
    assert amy[1].net_bps == pytest.approx(1 / bought_at * 10_000)
    assert find(found).complete


def test_outcomes_are_kept_by_user_and_day_and_marked_again_only_when_they_changed(location: Location) -> None:
    fill(location, [bought("amy", RL), bought("bob", RULE)])
    first = evidence(location, {"BTC": flat(30)}, at_hours=30)
    assert {(one.user_id, one.day, one.state) for one in first.fresh} == {
        ("amy", "2020-09-13", "known"),
        ("amy", "2020-09-14", "late"),
        ("bob", "2020-09-13", "known"),
        ("bob", "2020-09-14", "late"),
    }
    with asked(location) as store:
        store.write(save_outcomes(first.fresh))
        assert len(store.read(read_outcomes("default", 1))) == 4
    assert evidence(location, {"BTC": flat(31)}, at_hours=31).fresh == []
    later = evidence(location, {"BTC": flat(49)}, at_hours=49).fresh
    assert {(one.user_id, one.day, one.state) for one in later} == {
        ("amy", "2020-09-14", "known"),
        ("amy", "2020-09-15", "late"),
        ("bob", "2020-09-14", "known"),
        ("bob", "2020-09-15", "late"),
    }


def test_a_price_that_nobody_has_is_missing_and_holds(location: Location) -> None:
    fill(location, [bought("amy", RL), bought("bob", RULE)])
    bars = flat(60)
    hole = [bar for bar in bars if not 20 <= (bar.open_time_s - START_S) / HOUR_S < 30]
    found = evidence(location, {"BTC": hole}, at_hours=60)
    assert [unit.state for unit in days_of(found, "amy")] == [
        OutcomeState.MISSING,
        OutcomeState.MISSING,
        OutcomeState.LATE,
    ]
    assert all(one.net_bps is None for one in found.fresh)
    findings = find(found)
    assert not findings.complete
    assert findings.money[RL].missing == 2
    assert findings.money[RL].net_bps is None


def test_missing_days_that_were_accepted_are_left_out_and_counted_as_before(location: Location) -> None:
    fill(location, [bought("amy", RL), bought("bob", RULE)])
    hole = [bar for bar in flat(60) if not 20 <= (bar.open_time_s - START_S) / HOUR_S < 30]
    first_day = START_S // DAY_S
    untouched = find(evidence(location, {"BTC": hole}, at_hours=60))
    for through, complete in ((first_day, False), (first_day + 1, True)):
        state = begun(missing_accepted_through=through)
        found = find(evidence(location, {"BTC": hole}, at_hours=60, state=state))
        assert found == replace(untouched, complete=complete)


def test_what_was_known_stays_known_when_its_bars_are_gone(location: Location) -> None:
    fill(location, [bought("amy", RL), bought("bob", RULE)])
    first = evidence(location, {"BTC": flat(30)}, at_hours=30)
    with asked(location) as store:
        store.write(save_outcomes(first.fresh))
    found = evidence(location, {"BTC": flat(60)[26:]}, at_hours=60)
    assert days_of(found, "amy")[0] == days_of(first, "amy")[0]


def test_what_was_known_of_a_run_that_is_over_stays_as_it_was(location: Location) -> None:
    fill(location, [bought("amy", RL), bought("bob", RULE)])
    first = evidence(location, {"BTC": flat(30)}, at_hours=30)
    with asked(location) as store:
        store.write(save_outcomes(first.fresh))
    running = begun()
    over = Step(stage=0, share=0.0, since_s=START_S + 30 * HOUR_S)
    state = replace(running, phase=Phase.ROLLED_BACK, share=0.0, steps=(*running.steps, over))
    # Another life of the market, with other prices on the same days.
    again = {"BTC": rising(60)}
    assert days_of(evidence(location, again, at_hours=60), "amy")[0] != days_of(first, "amy")[0]
    assert days_of(evidence(location, again, at_hours=60, state=state), "amy")[0] == days_of(first, "amy")[0]


def test_an_adviser_who_could_not_answer_keeps_what_is_held(location: Location) -> None:
    silent = bought("amy", RL, hours=3, served=Arm.HOLD, failure=FailureReason.NO_SIGNAL)
    fill(location, [bought("amy", RL, price=100 + 1 / 24), replace(silent, target=0.0, price=100 + 3 / 24)])
    found = evidence(location, {"BTC": rising(30)}, at_hours=30)
    assert days_of(found, "amy")[0].turnover == pytest.approx(1.0)
    assert found.operations == Operations(rejected_share=0.0, error_share=0.5, latency_p99_ms=12.5)


def test_the_rule_keeps_what_it_bought_for_a_user_without_an_agent(location: Location) -> None:
    # Nobody knows a position of such a user: the advice to keep it names a target of 0.
    kept = replace(bought("bob", RULE, hours=3, price=100 + 3 / 24, keeps=True), target=0.0)
    fill(location, [bought("bob", RULE, price=100 + 1 / 24), kept])
    found = evidence(location, {"BTC": rising(30)}, at_hours=30)
    (first, *_) = days_of(found, "bob")
    assert first.turnover == pytest.approx(1.0)
    assert first.net_bps == pytest.approx((101 / (100 + 1 / 24) - 1) * 10_000 - COST_BPS)


def test_a_user_who_gets_the_rule_when_the_experiment_is_disabled_earns_by_the_rule_from_then_on(
    location: Location,
) -> None:
    off = bought("amy", RULE, hours=2, price=100 + 2 / 24, propensity=None, reason=AssignmentReason.DISABLED)
    fill(location, [bought("amy", RL, price=100 + 1 / 24), replace(off, target=0.0)])
    first, second, *_ = days_of(evidence(location, {"BTC": rising(60)}, at_hours=60), "amy")
    assert first.turnover == pytest.approx(1.0 + (100 + 2 / 24) / (100 + 1 / 24))
    assert (second.state, second.net_bps) == (OutcomeState.KNOWN, 0.0)


FALLING = hourly([100.0] * 30 + [90.0] * 3)


@pytest.mark.parametrize("reason", [AssignmentReason.HASH, AssignmentReason.OVERRIDE])
def test_a_loss_of_users_who_are_not_compared_breaks_the_guardrail(
    location: Location, reason: AssignmentReason
) -> None:
    # As everybody beyond a share of one half, and whoever an operator gave the policy.
    fill(location, [bought("amy", RL, propensity=None, reason=reason), bought("bob", RULE, propensity=None)])
    findings = find(evidence(location, {"BTC": FALLING}, at_hours=32))
    assert findings.money == {}
    assert (findings.guards[0].broken, findings.guards[0].value) == (True, pytest.approx(1000.0))


def test_guardrails_follow_a_user_of_the_control_from_where_the_policy_serves(location: Location) -> None:
    later = bought("bob", RL, hours=28, propensity=None)
    fill(location, [bought("amy", RL), bought("bob", RULE), later, replace(later, user_id="cyd")])
    found = evidence(location, {"BTC": FALLING}, at_hours=32)
    assert [unit.day - START_S // DAY_S for unit in found.policy_days if unit.user_id == "bob"] == [1]
    # Bob's own account, which begins at the entry, is the comparison's.
    assert [unit.day - START_S // DAY_S for unit in days_of(found, "bob")] == [0, 1]
    # Bob and Cyd pay for what they bought on that day as well.
    assert find(found).guards[0].value == pytest.approx((3 * 1000.0 + 2 * COST_BPS) / 3)
    assert find(found).money[RL].users == find(found).money[RULE].users == 1


def test_a_failure_of_the_policy_counts_for_whoever_it_was_to_serve(location: Location) -> None:
    fill(
        location,
        [
            bought("amy", RL, propensity=None, served=RULE, failure=FailureReason.POLICY_ERROR),
            bought("bob", RL, propensity=None),
            bought("cyd", RULE),
        ],
    )
    assert evidence(location, {"BTC": flat(30)}, at_hours=30).operations.error_share == 0.5


def test_profit_is_that_of_the_arm_a_user_was_first_compared_in_whoever_answered(location: Location) -> None:
    exposing = [
        bought("amy", RL),
        bought("amy", RULE, hours=2, served=RULE, propensity=None),
        bought("bob", RULE),
        bought("cyd", RL, propensity=None),
    ]
    found = evidence(location, {"BTC": flat(30)}, at_hours=30, state=begun())
    assert found.arrivals == []
    fill(location, exposing)
    found = evidence(location, {"BTC": flat(30)}, at_hours=30)
    findings = find(found)
    assert {user: entry.arm for user, entry in found.entries.items()} == {"amy": RL, "bob": RULE}
    assert findings.money[RL].users == findings.money[RULE].users == 1
    assert findings.money[RL].as_served == 0.5
    assert (findings.ratio.users_rl, findings.ratio.users_control, findings.ratio.expected_rl) == (1, 1, 1.0)


def crowd(users: int, *, losing: float = 0.0) -> list[Exposing]:
    """As many users in each arm; those of the policy hold a share that differs a little from user to user."""
    exposing = []
    for number in range(users):
        target = 0.5 + 0.4 * number / users
        exposing.append(replace(bought(f"rl{number:03}", RL), target=target))
        exposing.append(replace(bought(f"rule{number:03}", RULE), target=target * (1.0 - losing)))
    return exposing


def test_each_planned_look_is_taken_once_its_days_are_over(location: Location) -> None:
    fill(location, crowd(10))
    looks = find(evidence(location, {"BTC": rising(80)}, at_hours=80)).primary.looks
    assert [look.at_s for look in looks] == [START_S + day * DAY_S for day in (1, 2, 3)]
    assert looks[0].users_rl == looks[0].users_control == 10
    assert find(evidence(location, {"BTC": rising(23)}, at_hours=23)).primary.looks == ()


def test_no_look_is_taken_on_outcomes_that_may_still_come(location: Location) -> None:
    fill(location, crowd(3))
    reported = begun(OutcomeSource.REPORTED)
    late = find(evidence(location, {"BTC": flat(40)}, at_hours=40, state=reported))
    assert late.primary.looks == ()
    assert not late.complete
    # A day later nobody waits for them any more: they are missing.
    missing = find(evidence(location, {"BTC": flat(49)}, at_hours=49, state=reported))
    assert [look.users_rl for look in missing.primary.looks[:1]] == [0]
    assert missing.primary.conclusion is Conclusion.UNDECIDED
    assert not missing.complete


def test_reported_outcomes_are_compared_where_the_plan_says_so(location: Location) -> None:
    fill(location, [bought("amy", RL), bought("bob", RULE, acts=False)])

    async def tell() -> None:
        async with opened(location) as store:
            told = ReportedOutcome(
                decision_id=f"{1:032x}",
                user_id="amy",
                experiment="default",
                run=1,
                market_s=START_S + HOUR_S + 1.0,
                net_bps=-42.0,
                net_usd=None,
                at_s=1.0,
                document="{}",
            )
            await store.write(save_reported(told))

    asyncio.run(tell())
    found = evidence(location, {"BTC": flat(30)}, at_hours=30, state=begun(OutcomeSource.REPORTED))
    assert days_of(found, "amy")[0].net_bps == -42.0
    assert days_of(found, "bob")[0].net_bps == 0.0
    assert find(found).complete


def test_days_of_a_stage_count_from_its_first_whole_day(location: Location) -> None:
    fill(location, crowd(2))
    state = begun()
    later = Step(stage=1, share=0.25, since_s=START_S + 1.5 * DAY_S)
    state = replace(state, stage=1, share=0.25, steps=(*state.steps, later))
    found = evidence(location, {"BTC": flat(90)}, at_hours=90, state=state)
    # Whole days in it are the third one only.
    assert find(found).units_in_stage == 2


def test_a_rollback_ends_the_days(location: Location) -> None:
    fill(location, crowd(2))
    state = begun()
    ended = Step(stage=0, share=0.0, since_s=START_S + 1.5 * DAY_S)
    state = replace(state, phase=Phase.ROLLED_BACK, share=0.0, steps=(*state.steps, ended))
    found = evidence(location, {"BTC": flat(90)}, at_hours=90, state=state)
    assert max(unit.day for unit in found.days) == START_S // DAY_S + 1
    assert len(find(found).primary.looks) == 1


def test_days_on_which_it_was_paused_count_for_nothing(location: Location) -> None:
    fill(location, crowd(3))
    paused = [
        Step(stage=0, share=share, since_s=START_S + days * DAY_S) for days, share in ((0, 0.1), (1.5, 0.0), (3.5, 0.1))
    ]
    state = replace(begun(), steps=tuple(paused))
    findings = find(evidence(location, {"BTC": rising(144)}, at_hours=144, state=state))
    # The first day, the fifth and the sixth, of three users.
    assert findings.units_in_stage == 9
    assert [look.days for look in findings.primary.looks] == [1, 1, 1, 1, 2, 3]
    assert findings.complete


def test_a_kill_after_a_rollback_makes_the_comparison_no_longer(location: Location) -> None:
    def at(command: Command, days: float) -> CommandRequest:
        return request(command, market_s=START_S + days * DAY_S)

    fill(location, crowd(2))
    killed = after(at(Command.START, 0.0), at(Command.ROLLBACK, 1.5), at(Command.KILL, 3.5))
    assert compared_until_s(killed) == START_S + 1.5 * DAY_S
    found = evidence(location, {"BTC": flat(120)}, at_hours=120, state=killed)
    assert max(unit.day for unit in found.days) == START_S // DAY_S + 1
    assert len(find(found).primary.looks) == 1


@pytest.mark.parametrize(
    ("as_assigned", "conclusion"), [(5, Conclusion.BETTER), (4, Conclusion.UNDECIDED), (0, Conclusion.UNDECIDED)]
)
def test_nothing_good_is_said_of_a_policy_that_answered_less_than_half_of_the_time(
    location: Location, as_assigned: int, conclusion: Conclusion
) -> None:
    fill(location, crowd(10, losing=0.5))
    twelve = running(analysis=analysis(looks=12))
    state = replace(twelve, steps=(Step(stage=0, share=0.1, since_s=float(START_S)),))
    found = evidence(location, {"BTC": rising(300)}, at_hours=300, state=state)
    served = {**found.served, RL: Served(exposures=10, as_assigned=as_assigned, failed=0)}
    primary = find(replace(found, served=served)).primary
    assert primary.conclusion is conclusion
    assert (f"a share of 0.{as_assigned};" in primary.reason) == (
        conclusion is Conclusion.UNDECIDED and as_assigned > 0
    )


def gaining(location: Location, **changes: object) -> Evidence:
    """Twelve days, all looks of the plan, on which the policy's users gained more than the rule's on each."""
    fill(location, crowd(10, losing=0.5))
    state = running(analysis=analysis(looks=12, **changes))
    state = replace(state, steps=(Step(stage=0, share=0.1, since_s=float(START_S)),))
    return evidence(location, {"BTC": rising(300)}, at_hours=300, state=state)


def silent(unit: UnitDay) -> UnitDay:
    return replace(unit, state=OutcomeState.MISSING, net_bps=None, fees_bps=None, turnover=None)


@pytest.mark.parametrize("arms", [{RL}, {RULE}, {RL, RULE}])
@pytest.mark.parametrize("accepted", [None, START_S // DAY_S + 11])
def test_nothing_good_is_said_while_days_are_missing_in_one_arm_more_than_in_the_other(
    location: Location, arms: set[Arm], accepted: int | None
) -> None:
    found = gaining(location)
    held = [
        silent(unit) if found.entries[unit.user_id].arm in arms and unit.day % 4 == 0 else unit for unit in found.days
    ]
    question = replace(found.question, state=replace(found.question.state, missing_accepted_through=accepted))
    primary = find(replace(found, days=held, question=question)).primary
    assert (primary.conclusion is Conclusion.BETTER) == (len(arms) == 2)
    if len(arms) == 1:
        assert primary.conclusion is Conclusion.UNDECIDED
        shares = ("0.25", "0") if arms == {RL} else ("0", "0.25")
        assert f"a share of {shares[0]} is missing with the policy and of {shares[1]} with the rule" in primary.reason


def test_days_that_are_missing_after_the_latest_look_are_of_the_next_one(location: Location) -> None:
    found = gaining(location)
    later = [silent(unit) if unit.day == START_S // DAY_S + 12 else unit for unit in found.days]
    assert later != found.days
    assert find(replace(found, days=later)).primary.conclusion is Conclusion.BETTER


def test_nothing_good_is_said_of_a_policy_whose_losses_only_the_cut_makes_small(location: Location) -> None:
    found = gaining(location, lowest_bps=-10.0)
    assert find(found).primary.conclusion is Conclusion.BETTER
    fifth = START_S // DAY_S + 5
    lost = [
        replace(unit, net_bps=-1500.0) if found.entries[unit.user_id].arm is RL and unit.day == fifth else unit
        for unit in found.days
    ]
    primary = find(replace(found, days=lost)).primary
    assert primary.conclusion is Conclusion.UNDECIDED
    assert "nothing good is said on the cut alone" in primary.reason


@pytest.mark.parametrize("reason", ["paused", "disabled", "rolled_back", "killed"])
def test_who_answered_while_it_did_not_run_says_nothing_of_how_an_arm_was_served(
    location: Location, reason: str
) -> None:
    off = [
        bought("amy", RULE, hours=hours, propensity=None, reason=AssignmentReason(reason), acts=False)
        for hours in (2, 3, 4)
    ]
    fill(location, [bought("amy", RL), *off, bought("bob", RULE)])
    found = evidence(location, {"BTC": flat(30)}, at_hours=30)
    assert found.served[RL] == Served(exposures=1, as_assigned=1, failed=0)


def test_nobody_is_compared_once_more_than_half_have_the_policy() -> None:
    state = begun()
    assert compared_until_s(state) == float("inf")
    beyond = Step(stage=1, share=0.8, since_s=START_S + 5.0)
    assert compared_until_s(replace(state, steps=(*state.steps, beyond))) == START_S + 5.0
    promoted = replace(state, phase=Phase.PROMOTED, steps=(*state.steps, replace(beyond, share=1.0)))
    assert compared_until_s(promoted) == START_S + 5.0
    off, on = (replace(beyond, share=share, since_s=START_S + 9.0) for share in (0.0, 1.0))
    paused = replace(promoted, phase=Phase.PAUSED, paused_from=Phase.PROMOTED, steps=(*promoted.steps, off))
    for later in (paused, replace(promoted, steps=(*paused.steps, on))):
        assert compared_until_s(later) == START_S + 5.0


def test_one_that_was_promoted_while_disabled_is_compared_no_more_also_while_it_is_paused() -> None:
    off = request(Command.CONFIGURE, enabled=False, market_s=START_S + 5.0)
    commands = [request(Command.START, market_s=float(START_S)), off]
    commands += [request(command, market_s=START_S + 9.0) for command in (Command.PROMOTE, Command.PAUSE)]
    for state in (after(*commands[:count], of=plan(stages=(stage(0.5),))) for count in (3, 4)):
        assert compared_until_s(state) == START_S + 5.0


def test_who_judges_is_told_of_each_page_that_is_read_whoever_is_on_it(location: Location) -> None:
    outside = [bought(f"user{number}", RULE, propensity=None) for number in range(40)]
    told: list[int] = []
    fill(location, outside)
    evidence(location, {"BTC": flat(30)}, at_hours=30, progress=told.append)
    assert told == [40]


def test_who_judges_is_told_of_the_second_reading_too(location: Location) -> None:
    later = bought("bob", RL, hours=28, propensity=None, reason=AssignmentReason.OVERRIDE)
    told: list[int] = []
    fill(location, [bought("amy", RL), bought("bob", RULE), later])
    evidence(location, {"BTC": flat(30)}, at_hours=30, progress=told.append)
    assert told == [3, 3]


def test_a_loss_of_today_breaks_the_guardrail_today(location: Location) -> None:
    falling = hourly([100.0] * 30 + [90.0] * 3)
    fill(location, [bought("amy", RL), bought("bob", RULE)])
    findings: Findings = find(evidence(location, {"BTC": falling}, at_hours=32))
    loss = findings.guards[0]
    assert loss.broken
    assert loss.value == pytest.approx(1000.0)


def test_money_by_day_adds_up_the_mean_of_each_arm(location: Location) -> None:
    fill(location, [bought("amy", RL, price=100 + 1 / 24), replace(bought("bob", RULE), target=0.0)])
    found = evidence(location, {"BTC": rising(60)}, at_hours=60)
    amy = [unit.net_bps or 0.0 for unit in days_of(found, "amy")]
    days = money_days(found)
    assert [one.day.isoformat() for one in days] == ["2020-09-13", "2020-09-14"]
    assert [one.net_bps[RL] for one in days] == pytest.approx([amy[0], amy[0] + amy[1]])
    assert [one.net_bps[RULE] for one in days] == [0.0, 0.0]
    # Nobody said what they trade with.
    assert all(one.net_usd[RL] is None for one in days)


def test_an_experiment_that_nobody_has_met_has_shown_nothing(location: Location) -> None:
    findings = find(evidence(location, {"BTC": flat(60)}, at_hours=60))
    assert findings.money == {}
    assert findings.ratio.p_value is None
    assert findings.units_in_stage == 0
    draft = replace(begun(), phase=Phase.DRAFT, run=0, steps=())
    assert find(evidence(location, {"BTC": flat(60)}, at_hours=60, state=draft)).primary.looks == ()


def test_a_number_that_is_none_is_refused(location: Location) -> None:
    fill(location, [bought("amy", RL)])
    broken = [replace(bar, close=float("nan")) for bar in flat(30)]
    with pytest.raises(ValueError, match="nan is no price"):
        evidence(location, {"BTC": broken}, at_hours=30)


def test_a_known_outcome_of_the_store_is_an_outcome(location: Location) -> None:
    fill(location, [bought("amy", RL)])
    found = evidence(location, {"BTC": flat(30)}, at_hours=30)
    known = [one for one in found.fresh if one.state == "known"]
    assert known == [
        Outcome(
            experiment="default",
            run=1,
            user_id="amy",
            day="2020-09-13",
            arm=RL,
            source="as_if",
            state="known",
            net_bps=pytest.approx(-COST_BPS),
            fees_bps=pytest.approx(COST_BPS),
            turnover=pytest.approx(1.0),
            capital_usd=None,
            marked_at_s=START_S + 30 * HOUR_S + 5.0,
        )
    ]


def test_a_loss_that_no_report_tells_of_breaks_the_guardrail_at_once(location: Location) -> None:
    falling = hourly([100.0] * 30 + [90.0] * 3)
    fill(location, [bought("amy", RL), bought("bob", RULE)])
    reported = begun(OutcomeSource.REPORTED)
    found = evidence(location, {"BTC": falling}, at_hours=32, state=reported)
    assert {unit.net_bps for unit in found.days if unit.state is OutcomeState.KNOWN} <= {0.0}
    (loss, *_) = find(found).guards
    assert loss.broken
    assert loss.value == pytest.approx(1000.0)


def anna(**changes: object) -> Agent:
    return agent(user_id="anna", **({"symbols": ("BTC",), "capital_usd": 1000.0} | changes))


def test_capital_makes_dollars_of_an_agents_profit(location: Location) -> None:
    fill(location, [bought("anna", RL, price=100 + 1 / 24, agent=anna())])
    found = evidence(location, {"BTC": rising(30)}, at_hours=30)
    bps = days_of(found, "anna")[0].net_bps
    assert bps is not None
    assert money_days(found)[0].net_usd[RL] == pytest.approx(bps / 10_000 * 1000.0)


@pytest.mark.parametrize("symbols", [("BTC", "ETH"), ()])
def test_an_agents_capital_is_split_over_its_symbols_or_those_of_the_market(
    symbols: tuple[str, ...], location: Location
) -> None:
    fill(location, [bought("anna", RL, agent=anna(symbols=symbols))])
    found = evidence(location, {"BTC": flat(30), "ETH": flat(30)}, at_hours=30)
    assert days_of(found, "anna")[0].net_bps == pytest.approx(-COST_BPS / 2)


def test_a_loss_weighs_as_much_after_the_agent_was_started_with_more(location: Location) -> None:
    falling = hourly([100.0] * 30 + [50.0] * 20)
    richer = anna(symbols=(), capital_usd=1_000_000.0, execution=ExecutionMode.LIVE)
    later = replace(bought("anna", RL, hours=40, price=50.0, agent=richer), target=0.0)
    fill(location, [bought("anna", RL, agent=anna()), later])

    async def restart() -> None:
        async with opened(location) as store:
            await put_agent(store, richer)

    asyncio.run(restart())
    found = evidence(location, {"BTC": falling, "ETH": flat(49)}, at_hours=49)
    first, second, *_ = days_of(found, "anna")
    assert [first.net_bps, second.net_bps] == pytest.approx([-COST_BPS, -5000.0 - COST_BPS / 2])
    assert {unit.capital_usd for unit in days_of(found, "anna")} == {1000.0}
