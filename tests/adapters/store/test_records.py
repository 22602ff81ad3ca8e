"""A decision that was written down is the decision, to the last bit; what it depended on is kept once."""

import asyncio
import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from adapters.store.engine import Location
from adapters.store.records import decision_from, to_row
from adapters.store.tables import decisions
from adapters.store.terms import (
    Circumstances,
    circumstances_from,
    read_feature_names,
    read_terms,
    save_feature_names,
    save_terms,
    terms_document,
)
from tests.fakes.advisers import signal, view
from tests.fakes.stores import running
from trading.agents import Agent, AgentConfig, AgentLimits, AgentState, ExecutionMode
from trading.errors import StoreRefused
from trading.exposure import ExposureRange
from trading.gate import Limits
from trading.terms import Terms
from trading.thresholds import BOUNDS, ThresholdOrigin, Thresholds, ThresholdsInForce
from trading.vocabulary import (
    Action,
    Advice,
    Arm,
    Assignment,
    AssignmentReason,
    BlockReason,
    ConfidenceReason,
    Decision,
    FailureReason,
    Halt,
    MarketView,
    Quote,
    Reading,
    Signal,
)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | FLOATS
# What may stand in JSON: any text without lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTS = st.integers(min_value=0, max_value=2**62)

READINGS = st.builds(
    Reading, confidence=FLOATS, rsi=FLOATS, change_percent=FLOATS, volume_usd=FLOATS, action=st.sampled_from(Action)
)
QUOTES = st.builds(Quote, price=FLOATS, bid=MAYBE, ask=MAYBE, at_s=MAYBE)
SIGNALS = st.builds(
    Signal, user_id=TEXTS, symbol=TEXTS, reading=st.none() | READINGS, quote=st.none() | QUOTES, sent_at_s=MAYBE
)
THRESHOLDS = st.builds(
    ThresholdsInForce,
    values=st.builds(Thresholds, **{name: st.floats(*bounds) for name, bounds in BOUNDS.items()}),
    origin=st.sampled_from(ThresholdOrigin),
    as_of_s=MAYBE,
)
ADVICE = st.builds(
    Advice,
    model=TEXTS,
    version=TEXTS,
    target_exposure=FLOATS,
    scores=st.lists(FLOATS, max_size=5).map(tuple),
    confidence=MAYBE,
    confidence_reason=st.sampled_from(ConfidenceReason),
    reasoning=TEXTS,
    agreement=MAYBE,
    entropy=MAYBE,
    cached=st.booleans(),
    digest=st.none() | TEXTS,
    observations=st.none() | st.dictionaries(TEXTS, st.binary(max_size=64), max_size=3),
    thresholds=st.none() | THRESHOLDS,
    keeps=st.none() | st.booleans(),
)
ASSIGNMENTS = st.builds(
    Assignment,
    experiment=TEXTS,
    version=COUNTS,
    run=COUNTS,
    arm=st.sampled_from(Arm),
    reason=st.sampled_from(AssignmentReason),
    stage=TEXTS,
    propensity=MAYBE,
    model=st.none() | TEXTS,
    max_notional_usd=MAYBE,
)
VIEWS = st.builds(
    MarketView,
    as_of_s=FLOATS,
    now_s=FLOATS,
    valid_until_s=FLOATS,
    timeframe_s=COUNTS,
    close=FLOATS,
    ended=st.booleans(),
    regime=st.none() | TEXTS,
)
CONFIGS = st.builds(
    AgentConfig,
    model_type=TEXTS,
    confidence_threshold=MAYBE,
    symbols=st.lists(TEXTS, max_size=3).map(tuple),
    timeframe_s=COUNTS,
    execution=st.sampled_from(ExecutionMode),
    capital_usd=MAYBE,
    limits=st.builds(
        AgentLimits,
        max_notional_usd=MAYBE,
        max_orders_per_minute=st.none() | COUNTS,
        max_open_orders=st.none() | COUNTS,
        max_daily_loss_usd=MAYBE,
    ),
)
AGENTS = st.builds(
    Agent,
    user_id=TEXTS,
    state=st.sampled_from(AgentState),
    config=CONFIGS,
    created_at_s=FLOATS,
    changed_at_s=FLOATS,
    version=COUNTS,
)
DECISIONS = st.builds(
    Decision,
    request_id=TEXTS,
    signal=SIGNALS,
    action=st.sampled_from(Action),
    advice=ADVICE,
    assignment=ASSIGNMENTS,
    served_arm=st.sampled_from(Arm),
    failure=st.none() | st.sampled_from(FailureReason),
    position_exposure=FLOATS,
    target_exposure=FLOATS,
    blocked_by=st.lists(st.sampled_from(BlockReason), max_size=3).map(tuple),
    market=st.none() | VIEWS,
    agent=st.none() | AGENTS,
    agent_stale=st.booleans(),
    judged_at_s=FLOATS,
    halt=st.sampled_from(Halt),
    refused_by=st.lists(st.sampled_from(BlockReason), max_size=2).map(tuple),
    client_order_id=st.none() | TEXTS,
    held_arm=st.none() | st.sampled_from(Arm),
)
SIMPLE = Decision(
    request_id="r1",
    signal=signal(),
    action=Action.BUY,
    advice=Advice(
        model="fake",
        version="1",
        target_exposure=1.0,
        scores=(),
        confidence=None,
        confidence_reason=ConfidenceReason.RULE,
        reasoning="because",
    ),
    assignment=Assignment(
        experiment="default", version=2, run=1, arm=Arm.RL, reason=AssignmentReason.HASH, stage="ramp"
    ),
    served_arm=Arm.FALLBACK,
    failure=FailureReason.POLICY_TIMEOUT,
    position_exposure=0.0,
    target_exposure=1.0,
    blocked_by=(),
    market=view(),
    agent=None,
    agent_stale=False,
    judged_at_s=1.5,
    halt=Halt.OPEN,
)
CIRCUMSTANCES = Circumstances(
    terms=Terms(
        limits=Limits(signal_max_age_s=60.0, max_price_gap=0.05, dead_band=0.02),
        exposures=ExposureRange(lowest=0.0, highest=1.0),
        fallback_exposure=0.1 + 0.2,
        service_version="0.1.0",
    ),
    market_source="simulated",
    libraries="numpy 2",
)


def written(decision: Decision) -> object:
    """The document as it comes back from the store."""
    return json.loads(to_json(to_row(decision, decided_at_s=1.0, terms="t")["document"]))


def floats(value: object) -> list[str]:
    """The floats in a value, every bit of them: 0.0 and -0.0 are equal and not the same."""
    if isinstance(value, float):
        return [value.hex()]
    if isinstance(value, tuple):
        return [found for item in value for found in floats(item)]
    if hasattr(value, "__dataclass_fields__"):
        return [found for field in fields(value) for found in floats(getattr(value, field.name))]  # type: ignore[arg-type]
    return []


@given(DECISIONS)
def test_a_decision_read_back_is_equal_in_every_field_and_bit(decision: Decision) -> None:
    back = decision_from(written(decision))
    assert back == decision
    assert floats(back) == floats(decision)


def test_a_row_says_in_columns_what_decisions_are_searched_by() -> None:
    row = to_row(SIMPLE, decided_at_s=12.5, terms="t")
    del row["document"]
    assert row == {
        "id": "r1",
        "user_id": "user123",
        "symbol": "BTC",
        "decided_at": 12.5,
        "model": "fake",
        "model_version": "1",
        "assigned_arm": "rl",
        "served_arm": "fallback",
        "action": "BUY",
        "should_trade": True,
        "failed": True,
        "terms": "t",
    }


def test_the_row_has_every_column_of_the_table_but_the_number_the_table_gives() -> None:
    row = to_row(SIMPLE, decided_at_s=12.5, terms="t")
    assert row.keys() == {column.name for column in decisions.columns} - {"seq"}


def test_a_decision_whose_arm_answered_did_not_fail() -> None:
    assert to_row(replace(SIMPLE, failure=None), decided_at_s=1.0, terms="t")["failed"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"v": 4},
        {"v": None},
        {"v": 1},
        {"v": 2},
        {"action": "SHORT"},
        {"position_exposure": "0"},
        {"position_exposure": True},
        {"signal": None},
        {"market": []},
        {"blocked_by": "stale_data"},
        {"a_field_of_tomorrow": 1},
    ],
)
def test_what_no_service_of_this_version_wrote_is_refused(change: dict[str, object]) -> None:
    document = written(SIMPLE)
    assert isinstance(document, dict)
    with pytest.raises(StoreRefused):
        decision_from(document | change)


# As the service wrote it before there were orders; nothing of it may change.
VERSION_1 = """{
    "v": 1, "request_id": "r1",
    "signal": {
        "user_id": "user123", "symbol": "BTC",
        "reading": {"confidence": 0.85, "rsi": 65.0, "change_percent": 3.5, "volume_usd": 1.5e9, "action": "BUY"},
        "quote": {"price": 100.0, "bid": 99.5, "ask": null, "at_s": 1.5}, "sent_at_s": null
    },
    "action": "BUY",
    "advice": {
        "model": "ppo-btc-1h", "version": "3", "target_exposure": 1.0, "scores": [0.1, 0.9], "confidence": 0.61,
        "confidence_reason": "calibrated", "reasoning": "because", "agreement": null, "entropy": null, "cached": false,
        "digest": "sha256:0", "observations": {"sha256:1": "AAAAAAAA8D8="}
    },
    "assignment": {"experiment": "default", "arm": "rl", "reason": "hash", "stage": "ramp"},
    "served_arm": "rl", "failure": null, "position_exposure": 0.0, "target_exposure": 1.0,
    "blocked_by": ["agent_paused"],
    "market": {
        "as_of_s": 1700000000.0, "now_s": 1700000060.0, "valid_until_s": 1700003600.0, "timeframe_s": 3600,
        "close": 100.0, "ended": false, "regime": "calm"
    },
    "agent": {
        "user_id": "user123", "state": "paused",
        "config": {
            "model_type": "default", "confidence_threshold": 0.5, "symbols": ["BTC"], "timeframe_s": 3600,
            "execution": "paper", "capital_usd": 1000.0,
            "limits": {
                "max_notional_usd": null, "max_orders_per_minute": 3, "max_open_orders": null,
                "max_daily_loss_usd": null
            }
        },
        "created_at_s": 1.0, "changed_at_s": 2.0, "version": 7
    },
    "agent_stale": false, "judged_at_s": 1700000060.5
}"""


def test_a_decision_from_before_there_were_orders_is_read_as_one_without() -> None:
    back = decision_from(json.loads(VERSION_1))
    assert (back.halt, back.refused_by, back.client_order_id) == (Halt.OPEN, (), None)
    assert back.advice.thresholds is None
    assert (back.blocked_by, back.advice.scores) == ((BlockReason.AGENT_PAUSED,), (0.1, 0.9))
    assert back.agent is not None
    assert (back.agent.version, back.signal.quote) == (7, Quote(price=100.0, bid=99.5, ask=None, at_s=1.5))


# As the service wrote it before experiments had a log; nothing of it may change either.
VERSION_2 = json.loads(VERSION_1) | {
    "v": 2,
    "advice": json.loads(VERSION_1)["advice"]
    | {
        "thresholds": {
            "values": {"rsi": 65.0, "confidence": 0.7, "macd": 0.0, "volume": 5e8, "momentum": 2.0},
            "origin": "service",
            "as_of_s": 1700000000.0,
        }
    },
    "halt": "reducing",
    "refused_by": ["limit_notional"],
    "client_order_id": None,
}


@pytest.mark.parametrize("document", [json.loads(VERSION_1), VERSION_2])
def test_a_decision_from_before_experiments_had_a_log_names_no_version_of_one(document: object) -> None:
    back = decision_from(document)
    assert back.assignment == Assignment(
        experiment="default", version=0, run=0, arm=Arm.RL, reason=AssignmentReason.HASH, stage="ramp"
    )
    assert back.held_arm is None


@pytest.mark.parametrize("document", [json.loads(VERSION_1), VERSION_2])
def test_of_an_advice_from_before_experiments_nobody_knows_whether_it_kept_what_was_held(document: object) -> None:
    assert decision_from(document).advice.keeps is None


def test_a_decision_from_before_experiments_had_a_log_keeps_its_halt_and_its_thresholds() -> None:
    back = decision_from(VERSION_2)
    assert (back.halt, back.refused_by) == (Halt.REDUCING, (BlockReason.LIMIT_NOTIONAL,))
    assert back.advice.thresholds is not None
    assert back.advice.thresholds.values.rsi == 65.0


@pytest.mark.parametrize(
    "change",
    [
        {"held_arm": None},
        {"advice": json.loads(VERSION_1)["advice"] | {"keeps": False}},
        {"assignment": None},
        {"assignment": json.loads(VERSION_1)["assignment"] | {"version": 0}},
        {"assignment": json.loads(VERSION_1)["assignment"] | {"max_notional_usd": None}},
    ],
)
@pytest.mark.parametrize("document", [json.loads(VERSION_1), VERSION_2])
def test_a_document_from_before_experiments_with_anything_of_them_is_refused(
    document: dict[str, object], change: dict[str, object]
) -> None:
    with pytest.raises(StoreRefused):
        decision_from(document | change)


@pytest.mark.parametrize("change", [{"halt": "open"}, {"advice": None}, {"advice": {"thresholds": None}}])
def test_a_document_of_the_first_version_with_anything_of_a_later_one_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(StoreRefused):
        decision_from(json.loads(VERSION_1) | change)


def test_a_document_that_lacks_a_field_is_refused_by_its_name() -> None:
    document = written(SIMPLE)
    assert isinstance(document, dict)
    del document["market"]["close"]
    with pytest.raises(StoreRefused, match=r"market: missing or unknown: close"):
        decision_from(document)


def test_terms_read_back_are_equal_and_any_other_have_another_digest() -> None:
    digest, text = terms_document(CIRCUMSTANCES)
    assert circumstances_from(text) == CIRCUMSTANCES
    other = replace(CIRCUMSTANCES, terms=replace(CIRCUMSTANCES.terms, fallback_exposure=0.2))
    assert len({digest, terms_document(other)[0], terms_document(replace(CIRCUMSTANCES, libraries=""))[0]}) == 3


def test_terms_from_when_they_named_the_experiment_are_read_without_it() -> None:
    kept = json.loads(terms_document(CIRCUMSTANCES)[1])
    kept["terms"] |= {
        "experiment_key": "default",
        "experiment_salt": "salt",
        "experiment_enabled": True,
        "experiment_rl_share": 0.1,
    }
    assert circumstances_from(json.dumps(kept)) == CIRCUMSTANCES
    kept["terms"]["experiment_of_tomorrow"] = 1
    with pytest.raises(StoreRefused, match="experiment_of_tomorrow"):
        circumstances_from(json.dumps(kept))


def test_damaged_terms_are_refused() -> None:
    with pytest.raises(StoreRefused):
        circumstances_from('{"limits": {}}')


def test_terms_are_kept_once_and_read_by_their_digest(location: Location) -> None:
    digest, text = terms_document(CIRCUMSTANCES)

    async def scenario() -> tuple[str | None, str | None]:
        async with running(location) as store:
            await store.write(save_terms(digest, text))
            await store.write(save_terms(digest, text))
            return await store.read(read_terms(digest)), await store.read(read_terms("sha256:other"))

    assert asyncio.run(scenario()) == (text, None)


def test_the_names_of_features_are_kept_once_and_read_in_their_order(location: Location) -> None:
    names = ("rsi[t-1]", "rsi[t]", "exposure")

    async def scenario() -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
        async with running(location) as store:
            await store.write(save_feature_names("sha256:a", names))
            await store.write(save_feature_names("sha256:a", names))
            return await store.read(read_feature_names("sha256:a")), await store.read(read_feature_names("sha256:b"))

    assert asyncio.run(scenario()) == (names, None)
