"""The rule compares as the AdaptiveThreshold service does, and its advice follows."""

import asyncio
import itertools
import math
from dataclasses import replace

import pytest

from rl_models.rule import FallbackRule, Rules, evaluate
from trading.ports import Policy
from trading.thresholds import (
    DEFAULT_THRESHOLDS,
    FRESH_S,
    KnownThresholds,
    ThresholdOrigin,
    Thresholds,
    ThresholdsInForce,
)
from trading.vocabulary import Action, Advice, ConfidenceReason, Reading

GOOD = Reading(confidence=0.85, rsi=65.0, change_percent=3.5, volume_usd=1.5e9, action=Action.BUY)
NOW_S = 1_700_000_000.0
STRICT = Thresholds(confidence=0.9)


def in_force(origin: ThresholdOrigin) -> ThresholdsInForce:
    return ThresholdsInForce(values=STRICT, origin=origin, as_of_s=NOW_S)


def advice(reading: Reading, *, exposure: float = 0.25, thresholds: ThresholdsInForce = DEFAULT_THRESHOLDS) -> Advice:
    rule: Policy = FallbackRule(thresholds, fallback_exposure=0.8, lowest_exposure=-0.5)
    return asyncio.run(rule.advise("BTC", reading, exposure, budget_s=0.0))


def test_the_example_of_the_service_is_approved() -> None:
    assert evaluate(GOOD, Thresholds()).should_trade


def test_a_volume_of_one_and_a_half_million_is_rejected_by_the_volume_rule() -> None:
    verdict = evaluate(replace(GOOD, volume_usd=1_500_000.0), Thresholds())
    assert not verdict.should_trade
    assert verdict.reason == "24 h volume of 1,500,000 USD is below 1,000,000,000 USD"


@pytest.mark.parametrize(
    ("change", "approved"),
    [
        ({"confidence": 0.65}, True),
        ({"confidence": 0.6499}, False),
        ({"rsi": 70.0}, True),
        ({"rsi": 70.01}, False),
        ({"rsi": 70.01, "action": Action.SELL}, True),
        ({"rsi": 100.0, "action": Action.HOLD}, True),
        ({"change_percent": 2.0}, True),
        ({"change_percent": 1.99}, False),
        ({"change_percent": -2.0}, True),
        ({"change_percent": -1.99}, False),
        ({"volume_usd": 1e9}, True),
        ({"volume_usd": 1e9 - 1}, False),
        ({"confidence": math.nan}, False),
        ({"rsi": math.nan}, False),
        ({"change_percent": math.nan}, False),
        ({"volume_usd": math.nan}, False),
    ],
)
def test_a_figure_on_its_threshold_passes_and_one_beyond_does_not(change: dict[str, float], approved: bool) -> None:
    assert evaluate(replace(GOOD, **change), Thresholds()).should_trade is approved


def test_it_agrees_with_the_service_on_every_combination() -> None:
    def service(reading: Reading, limits: Thresholds) -> bool:
        if reading.confidence < limits.confidence:
            return False
        if reading.rsi > limits.rsi and reading.action == "BUY":
            return False
        if abs(reading.change_percent) < limits.momentum:
            return False
        return not reading.volume_usd < limits.volume

    limits = Thresholds(rsi=60.0, confidence=0.5, momentum=1.0, volume=2e8)
    grid = itertools.product((0.4, 0.5, 0.6), (59, 60, 61), (-1.1, -0.9, 0.9, 1.0), (1e8, 2e8, 3e8), Action)
    for confidence, rsi, change, volume, action in grid:
        reading = Reading(confidence=confidence, rsi=rsi, change_percent=change, volume_usd=volume, action=action)
        assert evaluate(reading, limits).should_trade is service(reading, limits)


def test_the_first_comparison_that_fails_is_the_reason() -> None:
    poor = Reading(confidence=0.1, rsi=90.0, change_percent=0.1, volume_usd=1.0, action=Action.BUY)
    thresholds = Thresholds()
    reasons = []
    for mended in ({}, {"confidence": 0.9}, {"rsi": 50.0}, {"change_percent": 5.0}, {"volume_usd": 2e9}):
        poor = replace(poor, **mended)
        reasons.append(evaluate(poor, thresholds).reason.split()[0:3])
    assert [words[0] for words in reasons] == ["confidence", "RSI", "a", "24", "confidence"]


@pytest.mark.parametrize(("action", "target"), [(Action.BUY, 0.8), (Action.SELL, -0.5), (Action.HOLD, 0.25)])
def test_an_approved_signal_moves_to_the_exposure_of_its_action(action: Action, target: float) -> None:
    moved = advice(replace(GOOD, action=action))
    assert (moved.target_exposure, moved.keeps) == (target, action is Action.HOLD)


@pytest.mark.parametrize("action", list(Action))
def test_a_signal_that_is_not_approved_keeps_the_position_and_says_why(action: Action) -> None:
    kept = advice(replace(GOOD, action=action, confidence=0.5))
    assert (kept.target_exposure, kept.keeps) == (0.25, True)
    assert (
        kept.reasoning
        == f"rule (default thresholds): {action} not approved, position kept: confidence 0.5 is below 0.65"
    )


def test_the_thresholds_given_are_the_ones_compared_with() -> None:
    assert advice(GOOD, thresholds=in_force(ThresholdOrigin.SERVICE)).target_exposure == 0.25


@pytest.mark.parametrize(
    ("thresholds", "told"),
    [
        (DEFAULT_THRESHOLDS, "rule (default thresholds): BUY"),
        (in_force(ThresholdOrigin.SERVICE), "rule (thresholds of 2023-11-14T22:13:20Z): BUY"),
        (in_force(ThresholdOrigin.LAST_KNOWN), "rule (last known thresholds of 2023-11-14T22:13:20Z): BUY"),
    ],
)
def test_the_reasoning_says_which_thresholds_it_compared_with(thresholds: ThresholdsInForce, told: str) -> None:
    assert advice(GOOD, thresholds=thresholds).reasoning.startswith(told)


RULE = FallbackRule(fallback_exposure=0.8, lowest_exposure=-0.5)


class Told:
    """What the service said of user123 and BTC."""

    def of(self, user_id: str, symbol: str) -> KnownThresholds | None:
        """See ThresholdSource."""
        return KnownThresholds(values=STRICT, as_of_s=NOW_S) if (user_id, symbol) == ("user123", "BTC") else None


def test_each_user_has_the_rule_with_thresholds_of_that_user_and_symbol() -> None:
    rules = Rules(RULE, Told(), wall_s=lambda: NOW_S)
    assert rules.of("user123", "BTC").thresholds == in_force(ThresholdOrigin.SERVICE)
    for user_id, symbol in (("user123", "ETH"), ("another", "BTC")):
        assert rules.of(user_id, symbol).thresholds == DEFAULT_THRESHOLDS

    def target(user_id: str, reading: Reading) -> float:
        return asyncio.run(rules.of(user_id, "BTC").advise("BTC", reading, 0.25, budget_s=0.0)).target_exposure

    assert [target(user_id, GOOD) for user_id in ("user123", "another")] == [0.25, 0.8]
    assert target("another", replace(GOOD, action=Action.SELL)) == -0.5


def test_thresholds_that_the_service_has_not_confirmed_since_long_ago_are_last_known() -> None:
    rules = Rules(RULE, Told(), wall_s=lambda: NOW_S + FRESH_S + 1)
    assert rules.of("user123", "BTC").thresholds == in_force(ThresholdOrigin.LAST_KNOWN)


def test_the_advice_names_the_rule_and_claims_no_confidence() -> None:
    said = advice(GOOD)
    assert (said.model, said.version, said.scores) == ("adaptive_threshold", "local-1", ())
    assert (said.confidence, said.confidence_reason) == (None, ConfidenceReason.RULE)
    assert said.reasoning == (
        "rule (default thresholds): BUY approved, target exposure 0.8: confidence 0.85, RSI 65, 24 h change 3.5 % and "
        "24 h volume 1,500,000,000 USD pass the thresholds"
    )
