"""The arm that did not answer is asked the same, about the same bar."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.fakes.advisers import NOON_S, FakeFallback, FakeFeatures, FakePolicies, FakePolicy, agent, signal, view
from tests.fakes.decisions import DECISION
from trading.agents import AgentState
from trading.desk import Advisers
from trading.errors import PolicyFailed, PolicyTimedOut
from trading.exposure import SPOT
from trading.ports import Policy
from trading.shadow import OtherArm, OtherDecision, Unanswered
from trading.vocabulary import Action, Advice, Arm, Decision, Reading

# The bar that DECISION was made on is the last one, and the position is a quarter.
BY_POLICY = replace(DECISION, agent=None, position_exposure=0.25)
BY_RULE = replace(BY_POLICY, served_arm=Arm.FALLBACK)
OTHER_BAR = view(as_of_s=NOON_S + 3600, now_s=NOON_S + 3660)


def other_arm(
    policy: Policy | None = None,
    rules: Sequence[Policy] = (),
    *,
    features: FakeFeatures | None = None,
    loaded: dict[str, Policy] | None = None,
    model: str | None = None,
) -> OtherArm:
    return OtherArm(
        features=features or FakeFeatures(),
        advisers=Advisers(rl=FakePolicies(policy or FakePolicy(), loaded=loaded or {}), fallback=FakeFallback(*rules)),
        exposures=SPOT,
        model_of=lambda experiment: model if experiment == DECISION.assignment.experiment else None,
    )


def asked(other: OtherArm, decision: Decision) -> OtherDecision | Unanswered:
    return asyncio.run(other.decide(decision))


def test_the_rule_is_asked_where_the_policy_answered() -> None:
    policy, rule = FakePolicy(), FakePolicy(target=0.0)
    assert asked(other_arm(policy, [rule]), BY_POLICY) == OtherDecision(
        arm=Arm.FALLBACK, target_exposure=0.0, action=Action.SELL
    )
    assert [question[:2] for question in rule.asked] == [("BTC", 0.25)]
    assert policy.asked == []


def test_the_policy_is_asked_where_the_rule_answered_whatever_the_reason() -> None:
    policy, rule = FakePolicy(target=0.75), FakePolicy()
    for decision in (BY_RULE, replace(BY_RULE, held_arm=Arm.FALLBACK)):
        assert asked(other_arm(policy, [rule]), decision) == OtherDecision(
            arm=Arm.RL, target_exposure=0.75, action=Action.BUY
        )
    assert rule.asked == []


def test_the_target_is_what_the_venue_can_hold() -> None:
    for target, held, action in ((1.5, 1.0, Action.BUY), (-1.0, 0.0, Action.SELL), (0.25, 0.25, Action.HOLD)):
        said = asked(other_arm(FakePolicy(target=target)), BY_RULE)
        assert said == OtherDecision(arm=Arm.RL, target_exposure=held, action=action)


def test_the_next_rule_is_asked_when_one_fails() -> None:
    rules = [FakePolicy(error=PolicyTimedOut("late")), FakePolicy(target=float("nan")), FakePolicy(target=1.0)]
    said = asked(other_arm(rules=rules), BY_POLICY)
    assert said == OtherDecision(arm=Arm.FALLBACK, target_exposure=1.0, action=Action.BUY)


@pytest.mark.parametrize(
    "policy",
    [FakePolicy(error=PolicyFailed("broken")), FakePolicy(target=float("nan")), FakePolicy(target=float("-inf"))],
)
def test_what_fails_is_not_known(policy: FakePolicy) -> None:
    assert asked(other_arm(policy), BY_RULE) is Unanswered.FAILED
    assert asked(other_arm(rules=[policy]), BY_POLICY) is Unanswered.FAILED


def test_a_policy_is_asked_only_on_the_bar_of_the_decision() -> None:
    policy, rule = FakePolicy(), FakePolicy()
    other = other_arm(policy, [rule], features=FakeFeatures(OTHER_BAR))
    assert asked(other, BY_RULE) is Unanswered.LATE
    assert policy.asked == []
    # The rule sees no bar.
    assert isinstance(asked(other, BY_POLICY), OtherDecision)


def test_a_bar_that_closes_while_the_policy_thinks_makes_it_late() -> None:
    features = FakeFeatures()

    class Slow(FakePolicy):
        async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
            features.market = OTHER_BAR
            return await super().advise(symbol, reading, exposure, budget_s=budget_s)

    assert asked(other_arm(Slow(), features=features), BY_RULE) is Unanswered.LATE


def test_a_symbol_without_bars_any_more_is_late() -> None:
    assert asked(other_arm(), replace(BY_RULE, signal=signal("EMPTY"))) is Unanswered.LATE


def test_the_policy_is_the_one_that_user_would_have_met() -> None:
    loaded: dict[str, Policy] = {"ppo": FakePolicy(target=0.5), "dqn": FakePolicy(target=0.75)}
    running, stopped = agent(model_type="ppo"), agent(AgentState.STOPPED, model_type="ppo")
    for owner, model, target in (
        (None, None, 1.0),
        (running, None, 0.5),
        (stopped, None, 1.0),
        (running, "dqn", 0.75),
    ):
        said = asked(other_arm(FakePolicy(), loaded=loaded, model=model), replace(BY_RULE, agent=owner))
        assert isinstance(said, OtherDecision)
        assert said.target_exposure == target


def test_a_model_that_is_not_loaded_is_not_waited_for() -> None:
    assert asked(other_arm(model="nowhere"), BY_RULE) is Unanswered.FAILED


def test_an_adviser_who_would_keep_what_is_held_has_no_target() -> None:
    class Keeps(FakePolicy):
        async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
            return replace(await super().advise(symbol, reading, exposure, budget_s=budget_s), keeps=True)

    said = asked(other_arm(Keeps(target=BY_RULE.position_exposure)), BY_RULE)
    assert said == OtherDecision(arm=Arm.RL, target_exposure=None, action=Action.HOLD)


def test_where_nobody_could_answer_nobody_is_asked() -> None:
    policy, rule = FakePolicy(), FakePolicy()
    other = other_arm(policy, [rule])
    assert asked(other, replace(BY_POLICY, served_arm=Arm.HOLD)) is Unanswered.FAILED
    assert asked(other, replace(BY_RULE, signal=signal(reading=None))) is Unanswered.FAILED
    assert asked(other, replace(BY_RULE, market=None)) is Unanswered.LATE
    assert policy.asked == rule.asked == []
