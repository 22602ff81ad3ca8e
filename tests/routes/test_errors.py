"""What a caller, and our log, are told of an error behind the door."""

import logging

import pytest

from routes.errors import rejected_for
from tests.fakes.doubling import House, assert_error, opened
from trading.errors import (
    FeaturesMissing,
    IllegalChange,
    InvalidField,
    KeyInProgress,
    KeyReused,
    NotFound,
    OutcomeDiffers,
    QueueFull,
    RequestError,
    ServiceError,
    StaleVersion,
    StoreUnavailable,
    UnknownSymbol,
)


@pytest.fixture
def house() -> House:
    return opened()


def test_an_unexpected_exception_is_a_500_that_tells_the_caller_nothing(house: House) -> None:
    house.error = RuntimeError("secret-of-ours")
    reply = house.post()
    assert_error(reply, "internal")
    for word in (b"secret-of-ours", b"Traceback", b"RuntimeError"):
        assert word not in reply.body


def test_an_unexpected_exception_is_logged_under_the_request_id(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.error = RuntimeError("why it failed")
    with caplog.at_level(logging.ERROR, logger="rl_service.door"):
        reply = house.post()
    (record,) = caplog.records
    assert reply.headers["x-request-id"] in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is house.error


def test_a_callers_mistake_is_not_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.post(b"{")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("error", "code", "details"),
    [
        (UnknownSymbol("X"), "unknown_symbol", [{"field": "symbol", "problem": "unknown"}]),
        (InvalidField("timestamp", "too late"), "invalid_field", [{"field": "timestamp", "problem": "too late"}]),
        (IllegalChange("stopped"), "illegal_state", [{"field": "state", "problem": "stopped"}]),
        (StaleVersion(7), "stale_version", [{"field": "version", "problem": "it is 7 now"}]),
        (NotFound("agent"), "no_agent", None),
        (NotFound("prediction"), "no_prediction", None),
        (NotFound("decision"), "no_decision", None),
        (KeyReused("k1"), "idempotency_key_reused", None),
        (KeyInProgress("k1"), "idempotency_key_in_progress", None),
        (OutcomeDiffers("d1"), "feedback_differs", None),
        (QueueFull("1000"), "queue_full", None),
        (StoreUnavailable("late"), "store_unavailable", None),
        (FeaturesMissing("rsi"), "internal", None),
    ],
)
def test_our_errors_have_a_code_of_the_wire_and_say_no_more(
    house: House, error: ServiceError, code: str, details: list[dict[str, str]] | None
) -> None:
    house.error = error
    reply = house.post()
    assert_error(reply, code)
    assert reply.json()["error"].get("details") == details
    assert ("retry-after" in reply.headers) == (reply.status in (429, 503))


def test_every_error_a_caller_can_mend_has_a_code() -> None:
    made = (
        UnknownSymbol("X"),
        InvalidField("f", "p"),
        NotFound("agent"),
        IllegalChange("s"),
        StaleVersion(1),
        KeyReused(),
        KeyInProgress(),
        OutcomeDiffers(),
    )
    assert {type(error) for error in made} == set(RequestError.__subclasses__())
    assert all(rejected_for(error) is not None for error in made)


def test_every_rejection_is_counted_by_its_code(house: House) -> None:
    house.post()
    house.post(b"{")
    house.error = RuntimeError()
    house.post()
    assert house.observer.codes == ["malformed_json", "internal"]
