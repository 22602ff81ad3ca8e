"""Bad input is a 4xx of one shape that names the field and repeats nothing."""

import http.client
import json
import re
import socket
from collections import Counter

import pytest

from routes.door import MAX_BODY_BYTES
from routes.errors import ERRORS
from tests.fakes.malformed import MARKER, malformed_requests
from tests.fakes.served import REQUEST, Served

REQUESTS = 10_000


def changed(**changes: object) -> dict[str, object]:
    return REQUEST | {"signal_data": REQUEST["signal_data"] | changes}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rsi", -0.1),
        ("rsi", 100.1),
        ("confidence", 1.01),
        ("confidence", -0.01),
        ("volume", -1.0),
        ("action", "buy"),
        ("rsi", "65"),
        ("volume", "1e9"),
        ("change_percent", float("nan")),
        ("volume", float("inf")),
        ("confidence", None),
    ],
)
def test_a_figure_outside_its_range_is_422_and_named(service: Served, field: str, value: object) -> None:
    answer = service.post("/api/v1/predict", changed(**{field: value}))
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (422, "invalid_field")
    assert [detail["field"] for detail in error["details"]] == [f"signal_data.{field}"]


def test_a_number_too_large_for_a_float_is_422(service: Served) -> None:
    body = json.dumps(changed(volume=12345)).replace("12345", "1e999").encode()
    answer = service.send("POST", "/api/v1/predict", body, {"Content-Type": "application/json"})
    assert answer.status == 422


@pytest.mark.parametrize("field", ["user_id", "symbol", "signal_data"])
def test_a_missing_field_is_422_and_named(service: Served, field: str) -> None:
    answer = service.post("/api/v1/predict", {k: v for k, v in REQUEST.items() if k != field})
    assert answer.status == 422
    assert answer.json()["error"]["details"] == [{"field": field, "problem": "missing"}]


def test_an_unknown_field_is_422_and_named(service: Served) -> None:
    answer = service.post("/api/v1/predict", REQUEST | {"leverage": 3})
    assert answer.status == 422
    assert answer.json()["error"]["details"] == [{"field": "leverage", "problem": "extra_forbidden"}]


def test_an_unknown_symbol_is_404(service: Served) -> None:
    answer = service.post("/api/v1/predict", REQUEST | {"symbol": "NOPE"})
    assert (answer.status, answer.json()["error"]["code"]) == (404, "unknown_symbol")


def test_a_signal_from_the_future_is_422(service: Served) -> None:
    answer = service.post("/api/v1/predict", REQUEST | {"timestamp": "2999-01-01T00:00:00.000Z"})
    assert answer.status == 422
    assert answer.json()["error"]["details"][0]["field"] == "timestamp"


@pytest.mark.parametrize("key", ["", " ", "two words", "x" * 256, "schlüssel"])
def test_an_idempotency_key_is_1_to_255_visible_ascii_characters(service: Served, key: str) -> None:
    answer = service.post("/api/v1/predict", REQUEST | {"idempotency_key": key})
    assert answer.status == 422
    assert answer.json()["error"]["details"][0]["field"] == "idempotency_key"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/predict", 405, "method_not_allowed"),
        ("GET", "/api/v1/nowhere", 404, "not_found"),
        ("POST", "/api/v1/health", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/status", 405, "method_not_allowed"),
        ("POST", "/advise", 404, "not_found"),
    ],
)
def test_routes_of_bentoml_answer_in_our_shape_too(
    service: Served, method: str, path: str, status: int, code: str
) -> None:
    answer = service.send(method, path, b"{}" if method == "POST" else None, {"Content-Type": "application/json"})
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)


def test_a_chunked_body_is_cut_at_the_limit(service: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.putrequest("POST", "/api/v1/predict")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    # One byte over, and no end: the answer has to come while the body is still being sent.
    connection.send(b"%x\r\n%s\r\n" % (MAX_BODY_BYTES + 1, b" " * (MAX_BODY_BYTES + 1)))
    assert connection.getresponse().status == 413
    assert MAX_BODY_BYTES == 65_536


@pytest.mark.parametrize(("length", "status"), [("0" * 5000 + "2", 422), ("9" * 5000, 413), ("65537", 413)])
def test_an_odd_content_length_is_judged_by_its_size(service: Served, length: str, status: int) -> None:
    lines = ("POST /api/v1/predict HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {length}")
    head = "\r\n".join((*lines, "", ""))
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"{}")
        answer = connection.recv(65_536).decode()
    assert answer.startswith((f"HTTP/1.1 {status} ", "HTTP/1.1 400 ")), answer


def test_ten_thousand_malformed_requests_get_one_shape_and_leak_nothing(service: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    seen: Counter[int] = Counter()
    for body, content_type, expected in malformed_requests(REQUESTS, seed=20_26):
        try:
            connection.request("POST", "/api/v1/predict", body, {"Content-Type": content_type})
            response = connection.getresponse()
        except (http.client.HTTPException, BrokenPipeError, ConnectionResetError):
            # After a 413 the service closes the connection, which may reach us while we still write.
            assert expected == 413
            connection.close()
            seen[expected] += 1
            continue
        answer = response.read()
        assert response.status == expected, (body[:300], content_type, answer)
        _assert_shape(answer)
        seen[response.status] += 1
    assert sum(seen.values()) == REQUESTS
    assert set(seen) == {400, 404, 413, 415, 422}
    assert MARKER.encode() not in service.log.read_bytes()
    assert b"Traceback" not in service.log.read_bytes()


def _assert_shape(answer: bytes) -> None:
    error = json.loads(answer)["error"]
    assert set(error) <= {"code", "message", "details", "request_id"}
    assert ERRORS[error["code"]][1] == error["message"]
    assert re.fullmatch(r"[0-9a-f]{32}", error["request_id"])
    for detail in error.get("details", []):
        assert set(detail) == {"field", "problem"}
        assert re.fullmatch(r"[A-Za-z0-9_.() -]{1,120}", detail["field"]), detail
        assert MARKER not in detail["problem"]
