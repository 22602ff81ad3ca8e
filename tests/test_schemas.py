"""The wire: which requests are taken, what they become, and how a decision is shown."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import to_json

from schemas import (
    AgentConfigBody,
    AgentControlRequest,
    AgentStartRequest,
    AsyncPredictRequest,
    PredictParams,
    PredictRequest,
    PredictResponse,
    Timeframe,
    from_config,
    iso_time,
    spell_timeframe,
    to_answer,
    to_config,
    to_params,
    to_response,
    to_signal,
    to_summary,
    to_timeframe_s,
)
from tests.fakes.advisers import NOON_S, agent, config
from tests.fakes.decisions import DECISION
from trading.agents import ENSEMBLE, AgentCommand, AgentConfig, AgentLimits, AgentState, ExecutionMode
from trading.vocabulary import (
    Action,
    Arm,
    BlockReason,
    Decision,
    FailureReason,
    Quote,
    Reading,
    Signal,
)

SIGNAL_DATA: dict[str, Any] = {
    "confidence": 0.85, "rsi": 65.0, "change_percent": 3.5, "volume": 1.5e9, "action": "BUY"
}  # fmt: skip
REQUEST: dict[str, Any] = {"user_id": "user123", "symbol": "BTC", "signal_data": SIGNAL_DATA}
MARKET = {"source": "simulated", "speed": 1.0}


def parse(request: dict[str, Any]) -> PredictRequest:
    return PredictRequest.model_validate_json(json.dumps(request))


def refused(request: dict[str, Any]) -> str:
    """The one field that is at fault, with dots."""
    with pytest.raises(ValidationError) as caught:
        parse(request)
    (problem,) = caught.value.errors()
    return ".".join(str(part) for part in problem["loc"])


def understood(**changes: Any) -> Signal:
    return to_signal(parse(REQUEST | changes).__dict__)  # type: ignore[arg-type]


def shown(decision: Decision = DECISION) -> PredictResponse:
    return to_response(decision, MARKET, elapsed_s=0.0012345)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unix_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (NOON_S, "2023-11-14T22:13:20.000Z"),
        (NOON_S + 0.25, "2023-11-14T22:13:20.250Z"),
        (-1.0, "1969-12-31T23:59:59.000Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds_and_z(unix_s: float, text: str) -> None:
    assert iso_time(unix_s) == text


@given(st.integers(0, 4_000_000_000_000))
def test_a_written_time_is_read_back_to_the_millisecond(unix_ms: int) -> None:
    assert datetime.fromisoformat(iso_time(unix_ms / 1000)).timestamp() == pytest.approx(unix_ms / 1000, abs=0.0011)


def test_the_smallest_request_says_nothing_about_time_or_price() -> None:
    assert understood() == Signal(
        user_id="user123",
        symbol="BTC",
        reading=Reading(confidence=0.85, rsi=65.0, change_percent=3.5, volume_usd=1.5e9, action=Action.BUY),
        quote=None,
        sent_at_s=None,
    )


def test_what_a_caller_may_leave_out_has_the_promised_default() -> None:
    request = parse(REQUEST)
    assert (request.priority, request.timeout_seconds, request.market_data, request.timestamp) == (2, None, None, None)


def test_a_quote_and_a_time_are_understood_in_unix_seconds() -> None:
    quote = {"price": 100.0, "bid": 99.5, "ask": 100.5, "timestamp": "1970-01-01T00:00:01.500Z"}
    found = understood(market_data=quote, timestamp="1970-01-01T02:00:02+02:00")
    assert found.quote == Quote(price=100.0, bid=99.5, ask=100.5, at_s=1.5)
    assert found.sent_at_s == 2.0


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456789Z", "2026-01-31T14:00:00.5+02:00"]
)
def test_a_time_with_an_offset_is_taken(text: str) -> None:
    assert parse(REQUEST | {"timestamp": text}).timestamp is not None


@pytest.mark.parametrize(
    "value",
    [
        1_700_000_000,
        "1700000000",
        "2026-01-31",
        "12:30",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:00Z\n",
        "٢٠٢٦-01-31T12:00:00Z",
        "now",
    ],
)
@pytest.mark.parametrize("place", ["timestamp", "market_data.timestamp"])
def test_a_time_has_one_spelling(value: object, place: str) -> None:
    change = {"timestamp": value} if place == "timestamp" else {"market_data": {"price": 1.0, "timestamp": value}}
    assert refused(REQUEST | change) == place


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_the_first_and_the_last_moment_of_the_calendar_are_understood(text: str) -> None:
    assert understood(timestamp=text).sent_at_s == datetime.fromisoformat(text).timestamp()


ENDS = {
    "confidence": (0, 1, -0.01, 1.01),
    "rsi": (0, 100, -0.1, 100.1),
    "change_percent": (-100, 1_000_000, -100.1, 1_000_001),
    "volume": (0, 1e18, -1.0, 1.1e18),
}


@pytest.mark.parametrize(("name", "value"), [(name, end) for name, ends in ENDS.items() for end in ends[:2]])
def test_both_ends_of_a_figures_range_are_taken(name: str, value: float) -> None:
    data = parse(REQUEST | {"signal_data": SIGNAL_DATA | {name: value}}).signal_data
    assert getattr(data, name) == value


@pytest.mark.parametrize(("name", "value"), [(name, end) for name, ends in ENDS.items() for end in ends[2:]])
def test_a_figure_outside_its_range_is_refused(name: str, value: float) -> None:
    assert refused(REQUEST | {"signal_data": SIGNAL_DATA | {name: value}}) == f"signal_data.{name}"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "65", True, None, [], {}])
@pytest.mark.parametrize("name", ENDS)
def test_a_figure_is_a_finite_json_number(name: str, value: object) -> None:
    assert refused(REQUEST | {"signal_data": SIGNAL_DATA | {name: value}}) == f"signal_data.{name}"


@pytest.mark.parametrize("value", ["buy", "", "CLOSE", 1, None])
def test_an_action_is_buy_sell_or_hold(value: object) -> None:
    assert refused(REQUEST | {"signal_data": SIGNAL_DATA | {"action": value}}) == "signal_data.action"


@pytest.mark.parametrize("user_id", ["a", "user-1.2_3:4@5", "x" * 128])
def test_a_user_id_may_have_128_plain_characters(user_id: str) -> None:
    assert parse(REQUEST | {"user_id": user_id}).user_id == user_id


@pytest.mark.parametrize("user_id", ["", "x" * 129, "a b", "a\n", "../x", "ü", 7, None])
def test_any_other_user_id_is_refused(user_id: object) -> None:
    assert refused(REQUEST | {"user_id": user_id}) == "user_id"


@pytest.mark.parametrize("symbol", ["BTC", "BTC/USD", "btc-perp", "X" * 32])
def test_a_symbol_may_have_32_plain_characters(symbol: str) -> None:
    assert parse(REQUEST | {"symbol": symbol}).symbol == symbol


@pytest.mark.parametrize("symbol", ["", "X" * 33, "/BTC", ".BTC", "BTC USD", "BTC\n", 7, None])
def test_any_other_symbol_is_refused(symbol: object) -> None:
    assert refused(REQUEST | {"symbol": symbol}) == "symbol"


@pytest.mark.parametrize("priority", [0, 4, 1.5, "1", True, None])
def test_a_priority_is_1_2_or_3(priority: object) -> None:
    assert refused(REQUEST | {"priority": priority}) == "priority"


@pytest.mark.parametrize("timeout", [0, -1, 30.001, float("nan"), float("inf"), "5", True])
def test_a_deadline_is_above_0_and_at_most_30_seconds(timeout: object) -> None:
    assert refused(REQUEST | {"timeout_seconds": timeout}) == "timeout_seconds"
    assert parse(REQUEST | {"timeout_seconds": 30}).timeout_seconds == 30.0


@pytest.mark.parametrize("price", [0, -1, float("nan"), float("inf"), "1", None])
def test_a_price_is_above_0_and_finite(price: object) -> None:
    assert refused(REQUEST | {"market_data": {"price": price}}) == "market_data.price"


def test_a_bid_above_the_ask_is_refused_and_one_equal_to_it_is_not() -> None:
    quote = {"price": 100.0, "bid": 100.0, "ask": 100.0}
    assert parse(REQUEST | {"market_data": quote}).market_data is not None
    assert refused(REQUEST | {"market_data": quote | {"bid": 100.1}}) == "market_data"


@pytest.mark.parametrize("place", ["", "signal_data.", "market_data."])
def test_an_unknown_field_is_refused_wherever_it_stands(place: str) -> None:
    request = REQUEST | {"market_data": {"price": 1.0}, "signal_data": dict(SIGNAL_DATA)}
    (request[place[:-1]] if place else request)["leverage"] = 3
    assert refused(request) == f"{place}leverage"


@pytest.mark.parametrize("name", ["user_id", "symbol", "signal_data"])
def test_a_request_without_what_it_needs_is_refused(name: str) -> None:
    assert refused({key: value for key, value in REQUEST.items() if key != name}) == name


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


def test_a_moment_in_our_words_may_stand_in_for_its_spelling() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    request = parse(REQUEST).model_dump() | {"timestamp": noon}
    assert PredictRequest.model_validate(request).timestamp == noon


@pytest.mark.parametrize("key", ["k", "!~", "0b6d9f8e-1a2b", "x" * 255])
@pytest.mark.parametrize("model", [PredictRequest, AsyncPredictRequest])
def test_a_key_has_up_to_255_visible_characters(model: type[PredictRequest], key: str) -> None:
    assert model.model_validate_json(json.dumps(REQUEST | {"idempotency_key": key})).idempotency_key == key


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\n", "ü", "\x7f", 7])
def test_any_other_key_is_refused(key: object) -> None:
    assert refused(REQUEST | {"idempotency_key": key}) == "idempotency_key"


def test_the_fields_of_a_request_are_those_an_api_method_gets() -> None:
    request = parse(REQUEST | {"priority": 1, "idempotency_key": "k"})
    assert to_params(request) == request.__dict__
    assert set(PredictParams.__annotations__) == set(PredictRequest.model_fields)


def test_without_an_agent_the_answer_shows_none() -> None:
    assert shown(replace(DECISION, agent=None))["agent"] is None


@pytest.mark.parametrize("state", AgentState)
def test_the_answer_shows_what_the_agent_was_doing(state: AgentState) -> None:
    assert shown(replace(DECISION, agent=agent(state)))["agent"] == {"state": state.value}


def test_a_decision_is_shown_the_same_without_the_circumstances_of_its_request() -> None:
    answer = shown()
    assert to_answer(DECISION) == {k: v for k, v in answer.items() if k not in ("market", "processing_time_ms")}


def configured(**changes: Any) -> AgentConfigBody:
    return AgentConfigBody.model_validate_json(json.dumps(changes))


def understood_config(body: AgentConfigBody) -> AgentConfig:
    return to_config(body, timeframe_s=3600, execution=ExecutionMode.PAPER)


def test_a_start_may_say_nothing_but_the_user() -> None:
    request = AgentStartRequest.model_validate_json('{"user_id": "user123"}')
    assert understood_config(request.config) == config()


FULL: dict[str, Any] = {
    "model_type": "ppo-btc-1h:2",
    "confidence_threshold": 0.55,
    "symbols": ["BTC", "ETH"],
    "timeframe": "4h",
    "execution": "live",
    "capital_usd": 5000.0,
    "limits": {
        "max_notional_usd": 100.0,
        "max_orders_per_minute": 3,
        "max_open_orders": 2,
        "max_daily_loss_usd": 50.5,
    },
}


def test_every_field_of_a_configuration_is_understood_and_shown_as_it_came() -> None:
    found = understood_config(configured(**FULL))
    assert found == AgentConfig(
        model_type="ppo-btc-1h:2",
        confidence_threshold=0.55,
        symbols=("BTC", "ETH"),
        timeframe_s=14_400,
        execution=ExecutionMode.LIVE,
        capital_usd=5000.0,
        limits=AgentLimits(max_notional_usd=100.0, max_orders_per_minute=3, max_open_orders=2, max_daily_loss_usd=50.5),
    )
    assert from_config(found) == FULL


def test_a_configuration_with_symbols_may_be_sent_again_as_it_was_shown() -> None:
    shown = replace(config(), symbols=("BTC",))
    again = configured(**json.loads(to_json(from_config(shown))))
    assert understood_config(again) == shown


def test_symbols_and_watchlist_mean_the_same_in_any_order() -> None:
    by_symbols, by_watchlist = (configured(**{name: ["ETH", "BTC"]}) for name in ("symbols", "watchlist"))
    assert understood_config(by_symbols).symbols == ("BTC", "ETH")
    assert understood_config(by_symbols) == understood_config(by_watchlist)


def refused_start(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        AgentStartRequest.model_validate_json(json.dumps({"user_id": "user123", "config": changes}))
    (problem,) = caught.value.errors()
    return ".".join(str(part) for part in problem["loc"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model_type": "Ensemble"}, "config.model_type"),
        ({"model_type": "../x"}, "config.model_type"),
        ({"model_type": "a:b:c"}, "config.model_type"),
        ({"model_type": "a:"}, "config.model_type"),
        ({"model_type": None}, "config.model_type"),
        ({"confidence_threshold": 1.01}, "config.confidence_threshold"),
        ({"confidence_threshold": -0.01}, "config.confidence_threshold"),
        ({"confidence_threshold": "0.5"}, "config.confidence_threshold"),
        ({"confidence_threshold": True}, "config.confidence_threshold"),
        ({"confidence_threshold": float("nan")}, "config.confidence_threshold"),
        ({"symbols": []}, "config.symbols"),
        ({"symbols": "BTC"}, "config.symbols"),
        ({"symbols": ["ETH", "B TC"]}, "config.symbols.1"),
        ({"symbols": ["BTC", "BTC"]}, "config"),
        ({"watchlist": ["BTC", "BTC"]}, "config"),
        ({"symbols": ["BTC"], "watchlist": ["BTC"]}, "config"),
        ({"timeframe": "60m"}, "config.timeframe"),
        ({"timeframe": "1H"}, "config.timeframe"),
        ({"timeframe": 3600}, "config.timeframe"),
        ({"execution": "real"}, "config.execution"),
        ({"capital_usd": 0}, "config.capital_usd"),
        ({"capital_usd": float("inf")}, "config.capital_usd"),
        ({"limits": {"max_open_orders": 0}}, "config.limits.max_open_orders"),
        ({"limits": {"max_orders_per_minute": 1.5}}, "config.limits.max_orders_per_minute"),
        ({"limits": {"max_daily_loss_usd": -1}}, "config.limits.max_daily_loss_usd"),
        ({"limits": {"leverage": 3}}, "config.limits.leverage"),
        ({"limits": None}, "config.limits"),
        ({"leverage": 3}, "config.leverage"),
    ],
)
def test_a_configuration_outside_its_ranges_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    assert refused_start(**changes) == field


def test_the_ensemble_is_what_an_agent_has_whose_user_chose_no_model() -> None:
    assert configured().model_type == ENSEMBLE


@pytest.mark.parametrize("text", get_args(Timeframe))
def test_a_length_of_bars_is_written_as_it_is_read(text: Timeframe) -> None:
    assert spell_timeframe(to_timeframe_s(text)) == text


@pytest.mark.parametrize("action", AgentCommand)
def test_a_command_is_pause_resume_or_stop(action: AgentCommand) -> None:
    request = {"user_id": "user123", "action": action.value}
    assert AgentControlRequest.model_validate_json(json.dumps(request)).action is action


@pytest.mark.parametrize("action", ["start", "Pause", "", None, 1])
def test_any_other_command_is_refused(action: object) -> None:
    with pytest.raises(ValidationError):
        AgentControlRequest.model_validate_json(json.dumps({"user_id": "user123", "action": action}))


def test_an_agent_is_shown_with_its_state_and_since_when() -> None:
    later = replace(agent(AgentState.PAUSED), changed_at_s=NOON_S + 1.5)
    assert to_summary(later) == {
        "user_id": "user123",
        "state": "paused",
        "config": from_config(config()),
        "created_at": iso_time(NOON_S),
        "changed_at": iso_time(NOON_S + 1.5),
    }


def test_positions_are_closed_by_a_stop_that_says_so() -> None:
    def asked(**fields: object) -> bool:
        return AgentControlRequest.model_validate_json(json.dumps({"user_id": "u"} | fields)).close_positions

    assert asked(action="stop", close_positions=True)
    assert not asked(action="stop")
    assert not asked(action="pause", close_positions=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "pause", "close_positions": True},
        {"action": "resume", "close_positions": True},
        {"action": "stop", "close_positions": "yes"},
        {"action": "stop", "close_positions": None},
    ],
)
def test_positions_are_closed_with_no_other_command_and_the_field_is_named(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        AgentControlRequest.model_validate_json(json.dumps({"user_id": "u"} | fields))
    assert [error["loc"] for error in refused.value.errors()] == [("close_positions",)]
