"""Which signals are taken, and what they become."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.predictions import AsyncPredictRequest, PredictParams, PredictRequest, to_params, to_signal
from trading.vocabulary import Action, Quote, Reading, Signal

SIGNAL_DATA: dict[str, Any] = {
    "confidence": 0.85, "rsi": 65.0, "change_percent": 3.5, "volume": 1.5e9, "action": "BUY"
}  # fmt: skip
REQUEST: dict[str, Any] = {"user_id": "user123", "symbol": "BTC", "signal_data": SIGNAL_DATA}


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
