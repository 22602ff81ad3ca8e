"""Every shape in which a service beside us answers, and which of our errors it becomes."""

import json
from dataclasses import dataclass, field

import pytest

from adapters.upstream.answers import Answer, printable, read_answer
from tests.adapters.upstream.scripted import NAME, always, connected, http, serving
from tests.fakes.waiting import run
from trading.errors import OutcomeUnknown, UpstreamLimited, UpstreamRefused, UpstreamUnavailable

EXPRESS_404 = (
    b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n<body>\n'
    b"<pre>Cannot POST /api/trading/start</pre>\n</body>\n</html>\n"
)
FLASK_429 = (
    b"<!doctype html>\n<html lang=en>\n<title>429 Too Many Requests</title>\n<h1>Too Many Requests</h1>\n"
    b"<p>60 per 1 minute</p>\n"
)
HTML = {"content-type": "text/html; charset=utf-8"}
DATE = "Mon, 29 Sep 2025 10:00:00 GMT"
WERKZEUG_415 = (
    "415 Unsupported Media Type: Did not attempt to load JSON data because the request Content-Type was not "
    "'application/json'."
)
WERKZEUG_400 = "400 Bad Request: The browser (or proxy) sent a request that this server could not understand."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An answer and the error it becomes: its kind and what is known from it."""

    status: int
    body: object
    error: type[UpstreamUnavailable]
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    message: str = ""
    retry_after_s: float | None = None


SHAPES = {
    "V1 object error": Shape(
        status=404,
        body={"success": False, "error": {"code": "NOT_FOUND", "message": "Order not found", "details": {}}},
        error=UpstreamRefused,
        code="NOT_FOUND",
        message="Order not found",
    ),
    "V2 string error": Shape(
        status=401,
        body={"success": False, "error": "Invalid token"},
        error=UpstreamRefused,
        code="http_401",
        message="Invalid token",
    ),
    "V2 validation error": Shape(
        status=400,
        body={"success": False, "error": "Validation failed", "details": [{"field": "qty", "message": "required"}]},
        error=UpstreamRefused,
        code="http_400",
        message="Validation failed",
    ),
    "V2 route that is not there yet": Shape(
        status=501,
        body={"success": False, "error": "Not implemented"},
        error=UpstreamRefused,
        code="http_501",
        message="Not implemented",
    ),
    "V1m refusal with 200": Shape(
        status=200,
        body={"success": False, "message": "Trading session is already active"},
        error=UpstreamRefused,
        code="http_200",
        message="Trading session is already active",
    ),
    "V1m order refusal with 400": Shape(
        status=400,
        body={"success": False, "message": "Emergency stop is active"},
        error=UpstreamRefused,
        code="http_400",
        message="Emergency stop is active",
    ),
    "Express 404 page": Shape(
        status=404, body=EXPRESS_404, headers=HTML, error=UpstreamRefused, code="http_404", message="Not Found"
    ),
    "Express 400 page": Shape(
        status=400,
        body=b"<html><pre>SyntaxError: Unexpected token</pre></html>",
        headers=HTML,
        error=UpstreamRefused,
        code="http_400",
        message="Bad Request",
    ),
    "4xx without a body": Shape(status=403, body=b"", error=UpstreamRefused, code="http_403", message="Forbidden"),
    "4xx nobody knows": Shape(status=499, body=b"", error=UpstreamRefused, code="http_499", message="no reason given"),
    "ml-service unknown path": Shape(
        status=404,
        body={"success": False, "error": "Endpoint not found"},
        error=UpstreamRefused,
        code="http_404",
        message="Endpoint not found",
    ),
    "ml-service 415 in a 500": Shape(
        status=500,
        body={"success": False, "error": WERKZEUG_415},
        error=UpstreamRefused,
        code="http_415",
        message=WERKZEUG_415[:60],
    ),
    "ml-service 400 in a 500": Shape(
        status=500,
        body={"success": False, "error": WERKZEUG_400},
        error=UpstreamRefused,
        code="http_400",
        message=WERKZEUG_400[:60],
    ),
    "flask-limiter page": Shape(status=429, body=FLASK_429, headers=HTML, error=UpstreamLimited),
    "flask-limiter page with seconds": Shape(
        status=429, body=FLASK_429, headers=HTML | {"retry-after": "37"}, error=UpstreamLimited, retry_after_s=37.0
    ),
    "V2 limit with header and body": Shape(
        status=429,
        body={"success": False, "error": "Too many requests", "retryAfter": 900},
        headers={"retry-after": "60"},
        error=UpstreamLimited,
        retry_after_s=60.0,
    ),
    "V2 limit with body only": Shape(
        status=429,
        body={"success": False, "error": "Too many requests", "retryAfter": 12.5},
        error=UpstreamLimited,
        retry_after_s=12.5,
    ),
    "limit until a date": Shape(
        status=429,
        body=b"",
        headers={"date": DATE, "retry-after": "Mon, 29 Sep 2025 10:01:30 GMT"},
        error=UpstreamLimited,
        retry_after_s=90.0,
    ),
    "limit until a date in the past": Shape(
        status=429,
        body=b"",
        headers={"date": DATE, "retry-after": "Mon, 29 Sep 2025 09:00:00 GMT"},
        error=UpstreamLimited,
        retry_after_s=0.0,
    ),
    "limit for a year": Shape(
        status=429, body=b"", headers={"retry-after": "31536000"}, error=UpstreamLimited, retry_after_s=300.0
    ),
    "limit for a negative time": Shape(
        status=429, body=b"", headers={"retry-after": "-5"}, error=UpstreamLimited, retry_after_s=0.0
    ),
    "limit for no number": Shape(status=429, body=b"", headers={"retry-after": "nan"}, error=UpstreamLimited),
    "limit in words": Shape(status=429, body={"retryAfter": "15 minutes"}, error=UpstreamLimited),
    "limit of a truth value": Shape(status=429, body={"retryAfter": True}, error=UpstreamLimited),
    "limit until no date": Shape(
        status=429, body=b"", headers={"date": DATE, "retry-after": "soon"}, error=UpstreamLimited
    ),
    "flask /health": Shape(
        status=503,
        body={"status": "unhealthy", "error": "Object of type set is not JSON serializable", "version": "1.0.0"},
        error=OutcomeUnknown,
        message="Object of type set is not JSON serializable",
    ),
    "V2 broker refusal": Shape(
        status=500,
        body={"success": False, "error": "Request failed with status code 422"},
        error=OutcomeUnknown,
        message="422",
    ),
    "5xx that begins like a 4xx but is none of Werkzeug's": Shape(
        status=500, body={"success": False, "error": "403 Forbidden Zone"}, error=OutcomeUnknown
    ),
    "408 in a 500": Shape(status=500, body={"error": "408 Request Timeout: late"}, error=OutcomeUnknown),
    "V1m klines error": Shape(
        status=500,
        body={"success": False, "error": {"code": "BINANCE_KLINES_ERROR", "message": "Failed"}},
        error=OutcomeUnknown,
        message="BINANCE_KLINES_ERROR",
    ),
    "gateway page": Shape(status=502, body=b"<html>Bad Gateway</html>", headers=HTML, error=OutcomeUnknown),
    "408": Shape(status=408, body=b"", error=OutcomeUnknown),
    "redirect": Shape(status=302, body=b"", headers={"location": "/elsewhere"}, error=OutcomeUnknown),
    "200 with a page": Shape(status=200, body=b"<html>ok</html>", headers=HTML, error=OutcomeUnknown),
    "200 with nothing": Shape(status=200, body=b"", error=OutcomeUnknown),
    "200 with half a body": Shape(status=200, body=b'{"success": true, "da', error=OutcomeUnknown),
    "200 with NaN": Shape(status=200, body=b'{"success": true, "data": NaN}', error=OutcomeUnknown),
    "200 with bytes that are no text": Shape(status=200, body=b'{"a": "\xff\xfe"}', error=OutcomeUnknown),
    "200 with endless nesting": Shape(status=200, body=b"[" * 100_000, error=OutcomeUnknown),
    "200 with an endless number": Shape(status=200, body=b"1" * 10_000, error=OutcomeUnknown),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_shape_becomes_its_error(shape: Shape) -> None:
    async def main() -> UpstreamUnavailable:
        answer = always(http(shape.status, shape.body, shape.headers))
        async with serving(answer) as server, connected(server.url) as upstream:
            with pytest.raises(UpstreamUnavailable) as caught:
                await upstream.send("POST", "/", deadline_s=20.0, route="order", body={})
            return caught.value

    error = run(main())
    assert type(error) is shape.error
    assert shape.message in str(error)
    if isinstance(error, UpstreamRefused):
        assert (error.code, error.status) == (shape.code, shape.status)
    if isinstance(error, UpstreamLimited):
        assert error.retry_after_s == shape.retry_after_s


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b'{"success": true, "data": {"id": 1}}', {"success": True, "data": {"id": 1}}),
        (b'[[1, "2.5"]]', [[1, "2.5"]]),
        (b'{"status": "healthy"}', {"status": "healthy"}),
        (b"null", None),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_json_with_a_2xx_is_an_answer_whatever_its_type_claims(raw: bytes, body: object) -> None:
    headers = {"content-type": "text/plain"}
    assert read_answer(NAME, 201, headers, raw) == Answer(status=201, body=body, headers=headers)


@pytest.mark.parametrize("status", [*range(100, 200), *range(300, 600)])
def test_no_status_but_2xx_is_an_answer(status: int) -> None:
    with pytest.raises(UpstreamUnavailable):
        read_answer(NAME, status, {}, b'{"success": true}')


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b'{"error": [1]}', b'{"error": {"code": 5, "message": {}}}'])
def test_an_error_in_no_known_shape_has_the_words_of_its_status(body: bytes) -> None:
    with pytest.raises(UpstreamRefused) as caught:
        read_answer(NAME, 404, {}, body)
    assert (caught.value.code, str(caught.value)) == ("http_404", "http_404: Not Found")


def test_what_another_side_says_is_one_short_printable_line() -> None:
    said = printable("a\r\nb\x1b[31m\u2028\u202e\ud800" + "x" * 5000)
    assert said.startswith("a\\r\\nb\\x1b[31m\\u2028\\u202e\\ud800xxx")
    assert len(said) == 200
    assert said.isprintable()


def test_a_token_that_comes_back_in_an_error_is_not_repeated() -> None:
    echoed = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyMTIzIn0.c2lnbmF0dXJl"
    body = json.dumps({"success": False, "error": {"code": echoed, "message": f"bad token {echoed}"}}).encode()
    with pytest.raises(UpstreamRefused) as caught:
        read_answer(NAME, 401, {}, body)
    assert str(caught.value) == "[token]: bad token [token]"
    assert "eyJ" not in caught.value.code
