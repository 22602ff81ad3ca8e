"""The load test finds answers that contradict themselves; in a process of its own, for locust patches its process."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.python import ROOT

CODE = """
import json, sys
from locustfiles.predict import faults
for line in sys.stdin:
    print(json.dumps(faults(*json.loads(line))), flush=True)
"""
ASKED = {"user_id": "user1", "symbol": "BTC"}
ANSWER: dict[str, Any] = {
    "user_id": "user1",
    "symbol": "BTC",
    "action": "BUY",
    "should_trade": True,
    "blocked_by": [],
    "confidence": 0.6,
    "advice": {"confidence_reason": "calibrated"},
    "experiment": {"assigned_arm": "rl", "served_arm": "rl"},
    "fallback_used": False,
    "valid_until": "2999-01-01T00:00:00.000Z",
}
Faults = Callable[..., list[str]]


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    """Answers each line (asked, answer, arms) with the faults found."""
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()


@pytest.fixture
def faults(process: subprocess.Popen[str]) -> Faults:
    """The faults of ANSWER, changed where told; `arms` is what users were told before."""

    def find(arms: dict[str, str] | None = None, **changes: Any) -> list[str]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([ASKED, ANSWER | changes, arms or {}]) + "\n")
        process.stdin.flush()
        found: list[str] = json.loads(process.stdout.readline())
        return found

    return find


RULE = {"assigned_arm": "fallback", "served_arm": "fallback"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"action": "HOLD", "should_trade": False},
        {"blocked_by": ["stale_signal"], "should_trade": False},
        {"action": "HOLD", "blocked_by": ["stale_signal"], "should_trade": False},
        {"confidence": 0.0},
        {"confidence": 1.0},
        {"confidence": None, "advice": {"confidence_reason": "flat"}},
        {"experiment": RULE, "fallback_used": True},
        {"experiment": {"assigned_arm": "rl", "served_arm": "hold"}},
        {"valid_until": None},
    ],
)
def test_an_answer_that_agrees_with_itself_has_no_fault(faults: Faults, changes: dict[str, Any]) -> None:
    assert faults(**changes) == []


@pytest.mark.parametrize("changes", [{"user_id": "user2"}, {"symbol": "ETH"}])
def test_an_answer_to_another_request_is_found(faults: Faults, changes: dict[str, Any]) -> None:
    assert faults(**changes) == ["answers another request"]


def test_an_action_that_is_none_is_found(faults: Faults) -> None:
    assert faults(action="buy") == ["action 'buy'"]


@pytest.mark.parametrize(
    "changes",
    [{"should_trade": False}, {"action": "HOLD"}, {"blocked_by": ["stale_signal"]}],
)
def test_a_should_trade_that_contradicts_is_found(faults: Faults, changes: dict[str, Any]) -> None:
    assert faults(**changes) == ["should_trade contradicts action and blocked_by"]


@pytest.mark.parametrize("confidence", [-0.01, 1.01, float("nan")])
def test_a_confidence_that_is_no_probability_is_found(faults: Faults, confidence: float) -> None:
    assert faults(confidence=confidence) == [f"confidence {confidence}"]


@pytest.mark.parametrize("changes", [{"confidence": None}, {"advice": {"confidence_reason": "uncalibrated"}}])
def test_a_confidence_without_its_reason_is_found(faults: Faults, changes: dict[str, Any]) -> None:
    assert faults(**changes) == ["confidence contradicts its reason"]


def test_a_user_who_changes_arms_is_found(faults: Faults) -> None:
    assert faults(arms={"user1": "fallback"}) == ["the user changed arms"]
    assert faults(arms={"user1": "rl", "user2": "fallback"}) == []


@pytest.mark.parametrize(
    "changes", [{"fallback_used": True}, {"experiment": {"assigned_arm": "rl", "served_arm": "fallback"}}]
)
def test_a_fallback_used_that_contradicts_is_found(faults: Faults, changes: dict[str, Any]) -> None:
    assert faults(**changes) == ["fallback_used contradicts the served arm"]


def test_an_answer_that_is_no_longer_valid_is_found(faults: Faults) -> None:
    assert faults(valid_until="2020-01-01T00:00:00.000Z") == ["valid_until has passed"]


def test_every_fault_is_found_at_once(faults: Faults) -> None:
    assert len(faults(symbol="ETH", action="buy", confidence=2.0)) == 3
