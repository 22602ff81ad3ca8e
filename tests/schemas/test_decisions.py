"""How a decision is shown."""

import json
from dataclasses import replace

import pytest
from pydantic_core import to_json

from schemas.decisions import PredictResponse, to_answer, to_response
from schemas.words import iso_time
from tests.fakes.advisers import NOON_S, agent
from tests.fakes.decisions import DECISION
from trading.agents import AgentState
from trading.vocabulary import Arm, BlockReason, Decision, FailureReason

MARKET = {"source": "simulated", "speed": 1.0}


def shown(decision: Decision = DECISION) -> PredictResponse:
    return to_response(decision, MARKET, elapsed_s=0.0012345)  # type: ignore[arg-type]


def test_a_decision_is_shown_with_every_field_of_the_answer() -> None:
    assert shown() == {
        "request_id": "r1",
        "user_id": "user123",
        "symbol": "BTC",
        "should_trade": False,
        "action": "BUY",
        "confidence": 0.61,
        "reasoning": "because",
        "model_used": "ppo-btc-1h",
        "model_version": "3",
        "fallback_used": False,
        "blocked_by": ["limit_notional"],
        "reject_code": 3,
        "agent": {"state": "running"},
        "experiment": {
            "key": "default", "assigned_arm": "rl", "served_arm": "rl", "reason": "hash", "stage": "ramp"
        },
        "advice": {
            "target_exposure": 1.0,
            "advised_exposure": 1.5,
            "position_exposure": 0.25,
            "clipped": True,
            "confidence_reason": "calibrated",
            "agreement": 0.75,
            "entropy": 0.5,
            "regime": "calm",
        },
        "data_as_of": iso_time(NOON_S),
        "valid_until": iso_time(NOON_S + 3600),
        "execution": {"status": "pending", "client_order_id": "rl-r1"},
        "market": {"source": "simulated", "speed": 1.0},
        "cached": True,
        "processing_time_ms": 1.234,
    }  # fmt: skip


def test_the_answer_and_its_declaration_name_the_same_fields() -> None:
    assert set(shown()) == set(PredictResponse.__annotations__)


def test_the_answer_is_json() -> None:
    assert json.loads(to_json(shown()))["action"] == "BUY"


def test_a_failure_is_why_another_arm_answered() -> None:
    failed = replace(DECISION, served_arm=Arm.FALLBACK, failure=FailureReason.POLICY_TIMEOUT)
    assert shown(failed)["experiment"] | {"key": "default", "stage": "ramp"} == {
        "key": "default",
        "assigned_arm": "rl",
        "served_arm": "fallback",
        "reason": "policy_timeout",
        "stage": "ramp",
    }
    assert shown(failed)["fallback_used"] is True


def test_an_arm_that_answers_for_the_position_it_opened_says_so_unless_it_failed() -> None:
    held = replace(DECISION, held_arm=Arm.FALLBACK, served_arm=Arm.FALLBACK)
    assert shown(held)["experiment"]["reason"] == "position_hold"
    failed = replace(held, served_arm=Arm.HOLD, failure=FailureReason.RULE_ERROR)
    assert shown(failed)["experiment"]["reason"] == "rule_error"


def test_a_blocked_decision_says_every_reason_and_may_not_trade() -> None:
    answer = shown(replace(DECISION, blocked_by=(BlockReason.STALE_SIGNAL, BlockReason.PRICE_MISMATCH), refused_by=()))
    assert (answer["should_trade"], answer["blocked_by"]) == (False, ["stale_signal", "price_mismatch"])
    assert answer["reject_code"] == 8


def test_a_decision_that_may_be_traded_and_gets_no_order_says_why_and_names_none() -> None:
    answer = shown(replace(DECISION, blocked_by=(), client_order_id=None))
    assert (answer["should_trade"], answer["blocked_by"]) == (False, ["limit_notional"])
    assert answer["execution"] is None


def test_a_decision_with_an_order_may_trade_and_names_it() -> None:
    answer = shown(replace(DECISION, refused_by=()))
    assert (answer["should_trade"], answer["blocked_by"], answer["reject_code"]) == (True, [], None)
    assert answer["execution"] == {"status": "pending", "client_order_id": "rl-r1"}


def test_a_decision_without_market_data_shows_no_times_and_no_regime() -> None:
    answer = shown(replace(DECISION, market=None))
    assert (answer["data_as_of"], answer["valid_until"], answer["advice"]["regime"]) == (None, None, None)


def test_without_an_agent_the_answer_shows_none() -> None:
    assert shown(replace(DECISION, agent=None))["agent"] is None


@pytest.mark.parametrize("state", AgentState)
def test_the_answer_shows_what_the_agent_was_doing(state: AgentState) -> None:
    assert shown(replace(DECISION, agent=agent(state)))["agent"] == {"state": state.value}


def test_a_decision_is_shown_the_same_without_the_circumstances_of_its_request() -> None:
    answer = shown()
    assert to_answer(DECISION) == {k: v for k, v in answer.items() if k not in ("market", "processing_time_ms")}
