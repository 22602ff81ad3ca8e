"""A decision always comes, says who made it, and never trades on what is not known."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from ab.assignment import Split
from ab.state import Command
from tests.fakes.advisers import (
    NOON_S,
    FakeAgents,
    FakeAssigner,
    FakeFallback,
    FakeFeatures,
    FakeHoldings,
    FakePolicies,
    FakePolicy,
    FakeRecorder,
    agent,
    signal,
    ticking,
    view,
)
from tests.fakes.experiments import after, plan, stage
from trading.agents import ENSEMBLE, Agent, AgentState, ExecutionMode
from trading.desk import AGENT_MAX_AGE_S, Advisers, Desk, Policies
from trading.errors import (
    FeaturesMissing,
    FeaturesWarmingUp,
    PolicyAnsweredNaN,
    PolicyFailed,
    PolicyTimedOut,
    UnknownSymbol,
)
from trading.exposure import SPOT
from trading.gate import Limits
from trading.ports import Agents, Assigner, Features, Policy, Recorder
from trading.vocabulary import (
    Action,
    Arm,
    AssignmentReason,
    BlockReason,
    ConfidenceReason,
    Decision,
    FailureReason,
    MarketView,
    Quote,
    Signal,
)

LIMITS = Limits(signal_max_age_s=60.0, max_price_gap=0.05, dead_band=0.02)


def decide(
    asked: Signal,
    *,
    rl: Policy | None = None,
    fallback: tuple[Policy, ...] | None = None,
    arm: Arm = Arm.RL,
    market: MarketView | None = None,
    recorder: FakeRecorder | None = None,
    step_s: float = 0.0,
    owned: Agent | None = None,
    loaded: Mapping[str, Policy] | None = None,
    known_for_s: float = 0.25,
    holdings: FakeHoldings | None = None,
    assigner: Assigner | None = None,
) -> Decision:
    features: Features = FakeFeatures(market or view())
    book: Recorder = recorder or FakeRecorder()
    clock = ticking(step_s)
    agents: Agents = FakeAgents({} if owned is None else {owned.user_id: owned}, known_for_s)
    policies: Policies = FakePolicies(rl or FakePolicy("rl"), loaded or {})
    desk = Desk(
        features=features,
        assigner=assigner or FakeAssigner(arm),
        agents=agents,
        holdings=holdings or FakeHoldings(),
        symbols=lambda: 2,
        advisers=Advisers(rl=policies, fallback=FakeFallback(*(fallback or (FakePolicy("rule"),)))),
        recorder=book,
        limits=LIMITS,
        exposures=SPOT,
        wall_s=lambda: NOON_S,
        monotonic_s=lambda: next(clock),
    )
    return asyncio.run(desk.decide(asked, request_id="r1", budget_s=5.0))


def test_a_user_of_the_policy_arm_gets_the_policy() -> None:
    decision = decide(signal())
    assert (decision.advice.model, decision.served_arm, decision.failure) == ("rl", Arm.RL, None)
    assert decision.action is Action.BUY
    assert decision.should_trade
    assert not decision.fallback_used


def test_a_user_of_the_fallback_arm_never_reaches_the_policy() -> None:
    policy = FakePolicy("rl")
    decision = decide(signal(), rl=policy, arm=Arm.FALLBACK)
    assert decision.advice.model == "rule"
    assert decision.fallback_used
    assert policy.asked == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PolicyTimedOut("late"), FailureReason.POLICY_TIMEOUT),
        (PolicyAnsweredNaN("nan"), FailureReason.POLICY_NAN),
        (PolicyFailed("shape"), FailureReason.POLICY_ERROR),
        (FeaturesWarmingUp("3 of 400"), FailureReason.FEATURES_WARMING_UP),
        (FeaturesMissing("rsi"), FailureReason.FEATURES_MISSING),
    ],
)
def test_a_failed_policy_is_answered_by_the_rule_which_says_why(error: Exception, reason: FailureReason) -> None:
    decision = decide(signal(), rl=FakePolicy("rl", error=error))
    assert (decision.advice.model, decision.served_arm, decision.failure) == ("rule", Arm.FALLBACK, reason)


@pytest.mark.parametrize("target", [float("nan"), float("inf"), -float("inf")])
def test_a_target_that_is_not_finite_never_trades(target: float) -> None:
    decision = decide(signal(), rl=FakePolicy("rl", target=target), fallback=(FakePolicy("rule", target=target),))
    assert (decision.action, decision.served_arm) == (Action.HOLD, Arm.HOLD)
    assert decision.failure is FailureReason.POLICY_NAN
    assert not decision.should_trade


def test_when_every_adviser_fails_the_answer_is_hold_with_the_first_reason() -> None:
    broken = PolicyFailed("down")
    decision = decide(
        signal(), rl=FakePolicy("rl", error=PolicyTimedOut("late")), fallback=(FakePolicy("rule", error=broken),)
    )
    assert (decision.action, decision.served_arm) == (Action.HOLD, Arm.HOLD)
    assert decision.failure is FailureReason.POLICY_TIMEOUT
    assert not decision.should_trade


def test_each_adviser_gets_less_than_what_is_left_of_the_budget() -> None:
    late, rule = FakePolicy("rl", error=PolicyTimedOut("late")), FakePolicy("rule")
    decide(signal(), rl=late, fallback=(rule,), step_s=1.0)
    (_, _, first_s), (_, _, second_s) = late.asked[0], rule.asked[0]
    assert 0.0 < second_s < first_s < 5.0


def test_an_unknown_symbol_is_the_callers_mistake() -> None:
    with pytest.raises(UnknownSymbol):
        decide(signal("NOPE"))


@pytest.mark.parametrize(
    ("symbol", "market", "reason"),
    [
        ("EMPTY", view(), BlockReason.STALE_DATA),
        ("BTC", view(now_s=NOON_S + 1.51 * 3600), BlockReason.STALE_DATA),
        ("BTC", view(ended=True), BlockReason.MARKET_ENDED),
    ],
)
def test_without_current_data_nobody_is_asked_and_the_answer_is_hold(
    symbol: str, market: MarketView, reason: BlockReason
) -> None:
    policy = FakePolicy("rl")
    decision = decide(signal(symbol), rl=policy, market=market)
    assert decision.action is Action.HOLD
    assert decision.blocked_by == (reason,)
    assert policy.asked == []


@pytest.mark.parametrize(
    ("advised", "held", "action", "reason"),
    [
        (-1.0, 0.0, Action.HOLD, ConfidenceReason.FLAT),
        (1.5, 1.0, Action.BUY, ConfidenceReason.UNCALIBRATED),
    ],
)
def test_a_target_outside_the_venues_range_is_clipped_and_loses_its_confidence(
    advised: float, held: float, action: Action, reason: ConfidenceReason
) -> None:
    decision = decide(signal(), rl=FakePolicy("rl", target=advised, confidence=0.6))
    assert decision.clipped
    assert (decision.action, decision.target_exposure) == (action, held)
    assert decision.advice.target_exposure == advised
    assert (decision.advice.confidence, decision.advice.confidence_reason) == (None, reason)


def test_a_target_the_venue_can_hold_keeps_its_confidence() -> None:
    decision = decide(signal(), rl=FakePolicy("rl", target=0.5, confidence=0.6))
    assert not decision.clipped
    assert decision.advice.confidence == 0.6


def test_a_failed_rule_is_not_called_a_failed_policy() -> None:
    late = FakePolicy("remote rule", error=PolicyTimedOut("late"))
    decision = decide(signal(), arm=Arm.FALLBACK, fallback=(late, FakePolicy("rule")))
    assert (decision.advice.model, decision.failure) == ("rule", FailureReason.RULE_TIMEOUT)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sent_at_s": NOON_S - 61.0}, BlockReason.STALE_SIGNAL),
        ({"quote": Quote(price=106.0, bid=None, ask=None, at_s=None)}, BlockReason.PRICE_MISMATCH),
        ({"quote": Quote(price=94.0, bid=None, ask=None, at_s=None)}, BlockReason.PRICE_MISMATCH),
        ({"quote": Quote(price=100.0, bid=99.0, ask=120.0, at_s=None)}, BlockReason.PRICE_MISMATCH),
        ({"quote": Quote(price=100.0, bid=80.0, ask=101.0, at_s=None)}, BlockReason.PRICE_MISMATCH),
        ({"quote": Quote(price=100.0, bid=None, ask=None, at_s=NOON_S - 61.0)}, BlockReason.STALE_SIGNAL),
    ],
)
def test_a_suspect_signal_gets_advice_that_may_not_trade(changes: dict[str, object], reason: BlockReason) -> None:
    decision = decide(signal(**changes))
    assert decision.action is Action.BUY
    assert decision.blocked_by == (reason,)
    assert not decision.should_trade


@pytest.mark.parametrize(
    "changes", [{"sent_at_s": NOON_S - 59.0}, {"quote": Quote(price=104.0, bid=103.9, ask=104.1, at_s=None)}]
)
def test_a_plausible_signal_may_trade(changes: dict[str, object]) -> None:
    assert decide(signal(**changes)).should_trade


def test_every_decision_is_recorded_once() -> None:
    recorder = FakeRecorder()
    decision = decide(signal(), recorder=recorder)
    assert recorder.decisions == [decision]


def test_a_decision_carries_the_agent_and_the_time_it_was_judged_by() -> None:
    owned = agent(AgentState.PAUSED)
    decision = decide(signal(), owned=owned, loaded={ENSEMBLE: FakePolicy("crowd")})
    assert (decision.agent, decision.judged_at_s) == (owned, NOON_S)
    assert decide(signal()).agent is None


@pytest.mark.parametrize(
    ("state", "model"), [(AgentState.RUNNING, "mine"), (AgentState.PAUSED, "mine"), (AgentState.STOPPED, "rl")]
)
def test_an_agent_that_is_not_over_is_advised_by_its_own_model(state: AgentState, model: str) -> None:
    decision = decide(signal(), owned=agent(state, model_type="mine:2"), loaded={"mine:2": FakePolicy("mine")})
    assert (decision.advice.model, decision.served_arm, decision.failure) == (model, Arm.RL, None)


def test_an_agents_model_counts_in_the_policy_arm_only() -> None:
    decision = decide(signal(), arm=Arm.FALLBACK, owned=agent(model_type="mine"), loaded={"mine": FakePolicy("mine")})
    assert (decision.advice.model, decision.failure) == ("rule", None)


def test_while_an_agents_model_is_loading_the_rule_answers_and_says_so() -> None:
    decision = decide(signal(), owned=agent(model_type="mine"))
    assert (decision.advice.model, decision.served_arm) == ("rule", Arm.FALLBACK)
    assert decision.failure is FailureReason.MODEL_LOADING
    assert decision.fallback_used


def test_a_loading_model_stays_the_reason_when_the_rule_fails_too() -> None:
    decision = decide(
        signal(), owned=agent(model_type="mine"), fallback=(FakePolicy("rule", error=PolicyFailed("down")),)
    )
    assert (decision.served_arm, decision.failure) == (Arm.HOLD, FailureReason.MODEL_LOADING)


@pytest.mark.parametrize(
    ("state", "reason"),
    [(AgentState.PAUSED, BlockReason.AGENT_PAUSED), (AgentState.STOPPED, BlockReason.AGENT_STOPPED)],
)
def test_the_advice_for_an_agent_that_does_not_run_may_not_be_traded(state: AgentState, reason: BlockReason) -> None:
    decision = decide(signal(), owned=agent(state, model_type="mine"), loaded={"mine": FakePolicy("mine")})
    assert (decision.action, decision.blocked_by, decision.should_trade) == (Action.BUY, (reason,), False)


def test_another_users_agent_changes_nothing() -> None:
    owned = agent(AgentState.STOPPED, user_id="somebody")
    assert decide(signal(), owned=owned).should_trade


def test_a_clipped_target_fails_a_threshold_as_it_has_no_confidence() -> None:
    sure = FakePolicy("mine", target=1.5, confidence=0.99)
    decision = decide(signal(), owned=agent(model_type="mine", confidence_threshold=0.1), loaded={"mine": sure})
    assert decision.blocked_by == (BlockReason.UNCALIBRATED,)


@pytest.mark.parametrize(
    ("known_for_s", "stale"), [(AGENT_MAX_AGE_S, False), (AGENT_MAX_AGE_S + 0.1, True), (math.inf, True)]
)
def test_nothing_is_traded_for_an_agent_that_may_have_been_stopped_since(known_for_s: float, stale: bool) -> None:
    decision = decide(signal(), owned=agent(), loaded={ENSEMBLE: FakePolicy("crowd")}, known_for_s=known_for_s)
    assert decision.blocked_by == ((BlockReason.STALE_STATE,) if stale else ())
    assert (decision.action, decision.agent_stale, decision.should_trade) == (Action.BUY, stale, not stale)


def test_who_has_no_agent_does_not_depend_on_what_is_known_of_agents() -> None:
    decision = decide(signal(), known_for_s=math.inf)
    assert (decision.agent_stale, decision.should_trade) == (False, True)


@pytest.mark.parametrize("arm", [Arm.RL, Arm.FALLBACK])
def test_without_a_signal_nobody_is_asked_and_nothing_trades(arm: Arm) -> None:
    policy, rule = FakePolicy("rl"), FakePolicy("rule")
    decision = decide(replace(signal(), reading=None), rl=policy, fallback=(rule,), arm=arm)
    assert (policy.asked, rule.asked) == ([], [])
    assert (decision.served_arm, decision.failure) == (Arm.HOLD, FailureReason.NO_SIGNAL)
    assert (decision.action, decision.should_trade, decision.advice.reasoning) == (Action.HOLD, False, "no signal")


def test_the_bundle_that_the_arm_names_wins_over_the_agents() -> None:
    loaded = {"mine": FakePolicy("mine"), "trial:1": FakePolicy("trial")}
    named = FakeAssigner(model="trial:1")
    assert decide(signal(), owned=agent(model_type="mine"), loaded=loaded, assigner=named).advice.model == "trial"
    assert decide(signal(), loaded=loaded, assigner=named).advice.model == "trial"


def test_while_the_bundle_that_the_arm_names_is_loading_the_rule_answers_not_the_agents_policy() -> None:
    decision = decide(
        signal(),
        owned=agent(model_type="mine"),
        loaded={"mine": FakePolicy("mine")},
        assigner=FakeAssigner(model="trial:1"),
    )
    assert (decision.advice.model, decision.failure) == ("rule", FailureReason.MODEL_LOADING)


PAPER = {("user123", "BTC", ExecutionMode.PAPER): Decimal(1)}
MINE = {"mine": FakePolicy("mine")}


@pytest.mark.parametrize(
    ("assigned", "reason", "opened", "served", "model"),
    [
        (Arm.FALLBACK, AssignmentReason.HASH, Arm.RL, Arm.RL, "mine"),
        (Arm.FALLBACK, AssignmentReason.OUTSIDE, Arm.RL, Arm.RL, "mine"),
        (Arm.FALLBACK, AssignmentReason.PAUSED, Arm.RL, Arm.RL, "mine"),
        (Arm.RL, AssignmentReason.HASH, Arm.FALLBACK, Arm.FALLBACK, "rule"),
    ],
)
def test_the_arm_that_opened_a_position_answers_until_it_is_flat(
    assigned: Arm, reason: AssignmentReason, opened: Arm, served: Arm, model: str
) -> None:
    owned, assigner = agent(model_type="mine"), FakeAssigner(assigned, reason)
    held = decide(signal(), owned=owned, loaded=MINE, assigner=assigner, holdings=FakeHoldings(PAPER, arm=opened))
    assert (held.held_arm, held.served_arm, held.advice.model, held.failure) == (opened, served, model, None)
    assert (held.assignment.arm, held.serving_reason) == (assigned, AssignmentReason.POSITION_HOLD)

    flat = decide(signal(), owned=owned, loaded=MINE, assigner=assigner, holdings=FakeHoldings(arm=opened))
    assert (flat.held_arm, flat.served_arm, flat.serving_reason) == (None, assigned, reason)


def test_a_paused_experiments_own_model_goes_on_with_the_position_it_opened() -> None:
    paused = Split(after(Command.START, Command.PAUSE, of=plan(model="trial:1", stages=(stage(0.5),))))
    loaded = {"mine": FakePolicy("mine"), "trial:1": FakePolicy("trial")}
    holdings = FakeHoldings(PAPER, arm=Arm.RL)
    decision = decide(
        signal(), owned=agent(model_type="mine"), loaded=loaded, assigner=paused, holdings=holdings, rl=FakePolicy("rl")
    )
    assert (decision.assignment.arm, decision.assignment.reason) == (Arm.FALLBACK, AssignmentReason.PAUSED)
    assert (decision.served_arm, decision.advice.model) == (Arm.RL, "trial")


@pytest.mark.parametrize("reason", [AssignmentReason.KILLED, AssignmentReason.ROLLED_BACK, AssignmentReason.OVERRIDE])
def test_what_takes_effect_at_once_takes_an_open_position_from_the_policy(reason: AssignmentReason) -> None:
    assigner = FakeAssigner(Arm.FALLBACK, reason)
    decision = decide(
        signal(), owned=agent(model_type="mine"), loaded=MINE, assigner=assigner, holdings=FakeHoldings(PAPER)
    )
    assert (decision.held_arm, decision.served_arm, decision.serving_reason) == (None, Arm.FALLBACK, reason)


@pytest.mark.parametrize(
    "owned", [None, agent(user_id="somebody"), agent(execution=ExecutionMode.OFF), agent(execution=ExecutionMode.LIVE)]
)
def test_a_position_that_the_users_agent_does_not_trade_holds_no_arm(owned: Agent | None) -> None:
    known = {
        key: Decimal(1) for key in (("user123", "BTC", ExecutionMode.PAPER), ("user123", "BTC", ExecutionMode.OFF))
    }
    decision = decide(signal(), owned=owned, arm=Arm.FALLBACK, holdings=FakeHoldings(known, arm=Arm.RL))
    assert (decision.held_arm, decision.served_arm) == (None, Arm.FALLBACK)


def test_a_policy_that_fails_while_it_holds_a_position_is_answered_by_the_rule_which_says_why() -> None:
    decision = decide(
        signal(),
        owned=agent(model_type="mine"),
        loaded={"mine": FakePolicy("mine", error=PolicyTimedOut("late"))},
        arm=Arm.FALLBACK,
        holdings=FakeHoldings(PAPER, arm=Arm.RL),
    )
    assert (decision.held_arm, decision.served_arm) == (Arm.RL, Arm.FALLBACK)
    assert decision.serving_reason is FailureReason.POLICY_TIMEOUT
