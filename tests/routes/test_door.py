"""Which requests reach a method, judged by their headers, their body and their key."""

import asyncio

import pytest

from routes.door import MAX_BODY_BYTES
from tests.fakes.asgi import Reply, ask
from tests.fakes.doubling import GOOD, KEYED_PATH, PATH, House, assert_error, opened


@pytest.fixture
def house() -> House:
    return opened()


def test_a_good_body_reaches_the_method_and_its_answer_comes_back(house: House) -> None:
    reply = house.post()
    assert (reply.status, reply.json()) == (200, {"doubled": 42})
    assert reply.headers["content-length"] == str(len(reply.body))


def test_every_request_has_an_id_of_its_own(house: House) -> None:
    assert len({house.post().headers["x-request-id"] for _ in range(5)}) == 5


def test_a_body_in_pieces_is_put_together(house: House) -> None:
    pieces = [{"type": "http.request", "body": bytes([byte]), "more_body": True} for byte in GOOD]
    reply = asyncio.run(ask(house.door, PATH, messages=[*pieces, {"type": "http.request"}]))
    assert reply.json() == {"doubled": 42}


@pytest.mark.parametrize(
    ("body", "field_name", "problem"),
    [
        (b"{}", "number", "missing"),
        (b'{"number": -1}', "number", "greater_than_equal"),
        (b'{"number": "21"}', "number", "int_type"),
        (b'{"number": 1, "extra": 2}', "extra", "extra_forbidden"),
        (b"[]", "(body)", "model_type"),
        (b'{"number": 1, "<script>": 2}', "(unprintable)", "extra_forbidden"),
        (b'{"number": 1, "%s": 2}' % (b"x" * 97), "(unprintable)", "extra_forbidden"),
    ],
)
def test_a_field_that_does_not_fit_is_named_and_its_value_is_not(
    house: House, body: bytes, field_name: str, problem: str
) -> None:
    reply = house.post(body)
    assert_error(reply, "invalid_field")
    assert reply.json()["error"]["details"] == [{"field": field_name, "problem": problem}]


def test_at_most_twenty_problems_are_listed(house: House) -> None:
    unknown = ",".join(f'"field{place}": 1' for place in range(30))
    assert len(house.post(f'{{"number": 1, {unknown}}}'.encode()).json()["error"]["details"]) == 20


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"number=21"])
def test_a_body_that_is_not_json_is_malformed(house: House, body: bytes) -> None:
    assert_error(house.post(body), "malformed_json")


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"'])
def test_json_may_say_that_it_is_utf_8(house: House, content_type: str) -> None:
    assert house.post(content_type=content_type).status == 200


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/json-patch", "application/json; charset=latin-1", "multipart/form-data"],
)
def test_only_json_is_taken(house: House, content_type: str) -> None:
    assert_error(house.post(content_type=content_type), "unsupported_media_type")


@pytest.mark.parametrize(("encoding", "status"), [("gzip", 415), ("br", 415), ("identity", 200)])
def test_a_compressed_body_is_not_taken(house: House, encoding: str, status: int) -> None:
    assert house.post(content_encoding=encoding).status == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_the_doors_routes_take_post_only_and_say_so(house: House, method: str) -> None:
    reply = asyncio.run(ask(house.door, PATH, GOOD, method=method))
    assert_error(reply, "method_not_allowed")
    assert reply.headers["allow"] == "POST"


def test_an_idempotency_key_is_refused_rather_than_ignored(house: House) -> None:
    reply = house.post(idempotency_key="k1")
    assert_error(reply, "invalid_field")
    assert reply.json()["error"]["details"] == [{"field": "Idempotency-Key", "problem": "not supported"}]
    assert house.asked == []


def send_key(house: House, *keys: str, in_body: str | None = None) -> Reply:
    headers = [("content-type", "application/json"), *(("Idempotency-Key", key) for key in keys)]
    body = GOOD if in_body is None else b'{"number": 21, "idempotency_key": "%s"}' % in_body.encode()
    return asyncio.run(ask(house.door, KEYED_PATH, body, headers=headers))


@pytest.mark.parametrize(
    ("keys", "in_body", "key"),
    [
        (("k1",), None, "k1"),
        ((), "k1", "k1"),
        (("k1",), "k1", "k1"),
        ((), None, "None"),
        (("~" * 255,), None, "~" * 255),
    ],
)
def test_an_idempotency_key_comes_by_header_or_body(
    house: House, keys: tuple[str, ...], in_body: str | None, key: str
) -> None:
    reply = send_key(house, *keys, in_body=in_body)
    assert (reply.status, reply.json()) == (200, {"key": key})


@pytest.mark.parametrize(
    ("keys", "in_body", "problem"),
    [
        (("k1",), "k2", "differs from idempotency_key"),
        (("k1", "k1"), None, "more than one"),
        (("",), None, "must be 1 to 255 visible ASCII characters"),
        (("a b",), None, "must be 1 to 255 visible ASCII characters"),
        (("k\u00e9",), None, "must be 1 to 255 visible ASCII characters"),
        (("k" * 256,), None, "must be 1 to 255 visible ASCII characters"),
    ],
)
def test_a_key_that_is_none_is_refused_by_name(
    house: House, keys: tuple[str, ...], in_body: str | None, problem: str
) -> None:
    reply = send_key(house, *keys, in_body=in_body)
    assert_error(reply, "invalid_field")
    assert reply.json()["error"]["details"] == [{"field": "Idempotency-Key", "problem": problem}]


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "-1", "many"])
def test_an_announced_length_that_does_not_fit_is_refused_unread(house: House, length: str) -> None:
    headers = [("content-type", "application/json"), ("content-length", length)]
    unread = iter([{"type": "http.request", "body": GOOD}])
    reply = asyncio.run(ask(house.door, PATH, headers=headers, messages=unread))
    assert_error(reply, "body_too_large")
    assert reply.headers["connection"] == "close"
    assert next(unread, None) is not None


@pytest.mark.parametrize(("spare", "status"), [(0, 200), (1, 413)])
def test_a_body_of_unknown_length_is_cut_at_the_limit(house: House, spare: int, status: int) -> None:
    body = GOOD + b" " * (MAX_BODY_BYTES - len(GOOD) + spare)
    pieces = [
        {"type": "http.request", "body": body[:50_000], "more_body": True},
        {"type": "http.request", "body": body[50_000:], "more_body": False},
    ]
    assert asyncio.run(ask(house.door, PATH, messages=pieces)).status == status
