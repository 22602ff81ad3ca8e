"""The door in this process: limits, one error shape, and nothing of ours or of others shown to a caller."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from pydantic import BaseModel, ConfigDict, Field

from routes.door import MAX_BODY_BYTES, Door
from routes.errors import ERRORS, rejected_for
from routes.pages import build_pages
from routes.places import WAIT_S, Places
from routes.room import Endpoint, Reports, Room
from routes.shares import RouteClass, Shares
from tests.fakes.asgi import DISCONNECT, App, FakeApp, Message, Reply, Wire, ask
from tests.fakes.pages import FakeReads
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

PATH = "/api/v1/double"
PASSED_ON = frozenset({"/elsewhere", "/readyz"})
CONTROL_PATH = "/api/v1/control"
KEYED_PATH = "/api/v1/keyed"
GOOD = b'{"number": 21}'


class Number(BaseModel):
    """The body of the endpoint under test."""

    model_config = ConfigDict(extra="forbid", strict=True)
    number: int = Field(ge=0)


class Keyed(Number):
    """A body that may carry an idempotency key."""

    idempotency_key: str | None = None


@dataclass
class FakeObserver:
    """Keeps routes.Observer: remembers the codes."""

    codes: list[str] = field(default_factory=list)

    def rejected(self, code: str) -> None:
        self.codes.append(code)

    def exposition(self) -> bytes:
        return b"metric 1\n"


@dataclass
class House:
    """A door with one endpoint that doubles numbers, and what stands behind it."""

    room: Room
    app: App = field(default_factory=FakeApp)
    observer: FakeObserver = field(default_factory=FakeObserver)
    error: Exception | None = None
    asked: list[int] = field(default_factory=list)
    gate: asyncio.Event | None = None

    @property
    def door(self) -> Door:
        return Door(self.app, self.room, ours=frozenset(self.room.endpoints) | {PATH}, passed_on=PASSED_ON)

    async def double(self, number: int) -> dict[str, int]:
        self.asked.append(number)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {"doubled": 2 * number}

    async def keyed(self, number: int, idempotency_key: str | None) -> bytes:
        return b'{"key":"%s"}' % str(idempotency_key).encode()

    def open(
        self,
        *,
        not_ready: Callable[[], list[str]] = list,
        reports: Reports | None = None,
        sockets: App | None = None,
    ) -> "House":
        self.room.open(
            endpoints={
                PATH: Endpoint(model=Number, answer=self.double, kind=RouteClass.PREDICT),
                CONTROL_PATH: Endpoint(model=Number, answer=self.double, kind=RouteClass.CONTROL, status=202),
                KEYED_PATH: Endpoint(model=Keyed, answer=self.keyed, kind=RouteClass.PREDICT),
            },
            reports=reports or {},
            not_ready=not_ready,
            observer=self.observer,
            pages=build_pages(self.room, FakeReads()),
            sockets=sockets,
        )
        return self

    def post(self, body: bytes = GOOD, **headers: str) -> Reply:
        """One request to the endpoint; a keyword is one more header."""
        given = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return asyncio.run(ask(self.door, PATH, body, headers=list(given.items())))

    def pass_on(self) -> Reply:
        """One request to a route that is not the door's own."""
        return asyncio.run(ask(self.door, "/elsewhere", method="GET"))


@pytest.fixture
def house() -> House:
    # Five places: one for each class and one for all, so two predictions at once.
    return House(room=Room(max_concurrent=5)).open()


def assert_error(reply: Reply, code: str) -> None:
    error = reply.json()["error"]
    assert (reply.status, error["message"]) == ERRORS[code]
    assert error["code"] == reply.headers["x-error-code"] == code
    assert error["request_id"] == reply.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", error["request_id"])
    assert reply.headers["content-type"] == "application/json"


def test_a_good_body_reaches_the_method_and_its_answer_comes_back(house: House) -> None:
    reply = house.post()
    assert (reply.status, reply.json()) == (200, {"doubled": 42})
    assert reply.headers["content-length"] == str(len(reply.body))


def test_every_request_has_an_id_of_its_own(house: House) -> None:
    assert len({house.post().headers["x-request-id"] for _ in range(5)}) == 5


def test_the_request_above_the_limit_is_told_to_come_back_in_whole_seconds(house: House) -> None:
    async def crowd() -> list[Reply]:
        house.gate = asyncio.Event()
        waiting = [asyncio.create_task(ask(house.door, PATH, GOOD)) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await asyncio.wait_for(ask(house.door, PATH, GOOD), 5)
        house.gate.set()
        return [refused, *await asyncio.gather(*waiting)]

    refused, *accepted = asyncio.run(crowd())
    assert_error(refused, "too_many_requests")
    assert int(refused.headers["retry-after"]) >= 1
    assert [reply.status for reply in accepted] == [200, 200]


def test_of_requests_that_arrive_together_those_above_the_limit_are_refused_unread(house: House) -> None:
    async def burst() -> list[Reply]:
        house.gate = asyncio.Event()
        asking = asyncio.gather(*(ask(house.door, PATH, body) for body in (GOOD, GOOD, b"{", GOOD)))
        await asyncio.sleep(2 * WAIT_S)
        house.gate.set()
        return await asyncio.wait_for(asking, 5)

    replies = asyncio.run(burst())
    assert [reply.status for reply in replies] == [200, 200, 429, 429]
    assert house.asked == [21, 21]
    assert house.room.places.shares.busy == 0


def test_of_a_burst_that_is_over_soon_nobody_is_refused(house: House) -> None:
    async def burst() -> list[Reply]:
        return await asyncio.gather(*(ask(house.door, PATH, body) for body in (GOOD, GOOD, b"{", GOOD)))

    assert [reply.status for reply in asyncio.run(burst())] == [200, 200, 400, 200]


def test_a_full_class_keeps_no_other_class_out(house: House) -> None:
    async def control_in_a_burst() -> list[int]:
        house.gate = asyncio.Event()
        crowd = [asyncio.create_task(ask(house.door, PATH, GOOD)) for _ in range(6)]
        await asyncio.sleep(2 * WAIT_S)
        house.gate.set()
        halt = await ask(house.door, CONTROL_PATH, GOOD)
        return [halt.status, *[reply.status for reply in await asyncio.gather(*crowd)]]

    assert asyncio.run(control_in_a_burst()) == [202, 200, 200, 429, 429, 429, 429]


@pytest.mark.parametrize("body", [GOOD, b"{", b'{"number": -1}'])
@pytest.mark.parametrize("error", [None, RuntimeError("boom"), UnknownSymbol("X")])
def test_a_request_gives_its_place_back_however_it_ends(house: House, body: bytes, error: Exception | None) -> None:
    house.error = error
    for _ in range(3):
        house.post(body)
    house.error = None
    assert house.post().status == 200


def test_a_client_that_leaves_gives_its_place_back(house: House) -> None:
    async def leave_and_return() -> Reply:
        house.gate = asyncio.Event()
        leaving = [asyncio.create_task(ask(house.door, PATH, GOOD)) for _ in range(2)]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.wait(leaving)
        house.gate = None
        return await ask(house.door, PATH, GOOD)

    assert asyncio.run(leave_and_return()).status == 200


def test_a_body_that_never_ends_reaches_no_method_and_gives_its_place_back(house: House) -> None:
    headers = [(b"content-type", b"application/json")]
    scope: Message = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
    torn = [{"type": "http.request", "body": b'{"number": 21}', "more_body": True}, DISCONNECT]
    for _ in range(3):
        wire = Wire(torn)
        asyncio.run(house.door(scope, wire.receive, wire.send))
        assert wire.silent
    assert house.asked == []
    assert house.observer.codes == []
    assert house.post().status == 200


def test_who_sends_slowly_keeps_nobody_out(house: House) -> None:
    async def nothing_yet() -> Message:
        await asyncio.sleep(60)
        return DISCONNECT

    async def send_among_slow() -> Reply:
        scope: Message = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "headers": [(b"content-type", b"application/json")],
        }
        slow = [asyncio.create_task(house.door(scope, nothing_yet, Wire([]).send)) for _ in range(5)]
        await asyncio.sleep(0)
        reply = await ask(house.door, PATH, GOOD)
        for task in slow:
            task.cancel()
        await asyncio.wait(slow)
        return reply

    assert asyncio.run(send_among_slow()).status == 200


def test_a_body_in_pieces_is_put_together(house: House) -> None:
    pieces = [{"type": "http.request", "body": bytes([byte]), "more_body": True} for byte in GOOD]
    reply = asyncio.run(ask(house.door, PATH, messages=[*pieces, {"type": "http.request"}]))
    assert reply.json() == {"doubled": 42}


def test_before_it_is_opened_the_door_says_not_ready() -> None:
    reply = House(room=Room(max_concurrent=1)).post()
    assert_error(reply, "not_ready")
    assert int(reply.headers["retry-after"]) >= 1


def test_after_it_is_closed_the_door_says_not_ready(house: House) -> None:
    house.room.close()
    assert_error(house.post(), "not_ready")


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


def test_every_rejection_is_counted_by_its_code(house: House) -> None:
    house.post()
    house.post(b"{")
    house.error = RuntimeError()
    house.post()
    assert house.observer.codes == ["malformed_json", "internal"]


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "not_found"), (413, "body_too_large"), (418, "malformed_json"), (500, "internal"), (502, "internal")],
)
def test_a_foreign_error_is_replaced_by_ours(house: House, status: int, code: str) -> None:
    house.app = FakeApp(status=status, headers=[(b"server", b"foreign")], pieces=[b"<h1>", b"foreign", b"</h1>"])
    reply = house.pass_on()
    assert_error(reply, code)
    assert b"foreign" not in reply.body
    assert "server" not in reply.headers
    assert house.observer.codes == [code]


def test_a_foreign_405_keeps_the_methods_that_route_takes(house: House) -> None:
    house.app = FakeApp(status=405, headers=[(b"Allow", b"GET, HEAD")])
    reply = house.pass_on()
    assert_error(reply, "method_not_allowed")
    assert reply.headers["allow"] == "GET, HEAD"


def test_an_error_that_has_our_shape_already_is_left_as_it_is(house: House) -> None:
    house.app = FakeApp(status=503, headers=[(b"X-Error-Code", b"not_ready")], pieces=[b"ours"])
    assert (house.pass_on().status, house.pass_on().body) == (503, b"ours")


def test_a_foreign_answer_streams_through(house: House) -> None:
    house.app = FakeApp(headers=[(b"x-kept", b"yes")], pieces=[b"a", b"b", b"c"])
    reply = house.pass_on()
    assert (reply.status, reply.body, reply.headers["x-kept"]) == (200, b"abc", "yes")


def test_an_application_that_fails_before_it_answers_is_a_logged_500(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.app = FakeApp(pieces=[], error=RuntimeError("secret-of-theirs"))
    reply = house.pass_on()
    assert_error(reply, "internal")
    assert b"secret-of-theirs" not in reply.body
    assert reply.headers["x-request-id"] in caplog.text
    assert "secret-of-theirs" in caplog.text


def test_an_application_that_answers_500_and_raises_is_logged_under_the_id_it_answered(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.app = FakeApp(status=500, pieces=[b"Internal Server Error"], error=RuntimeError("why"))
    reply = house.pass_on()
    assert_error(reply, "internal")
    assert reply.headers["x-request-id"] in caplog.text


def test_an_answer_that_fails_halfway_is_not_followed_by_another(house: House) -> None:
    house.app = FakeApp(pieces=[b"half"], error=RuntimeError("why"))
    assert (house.pass_on().status, house.pass_on().body) == (200, b"half")


def test_the_lifespan_goes_to_the_application_untouched(house: House) -> None:
    seen: list[object] = []

    async def app(scope: object, receive: object, send: object) -> None:
        seen.extend([scope, receive, send])

    house.app = app
    passed = ({"type": "lifespan"}, object(), object())
    asyncio.run(house.door(*passed))  # type: ignore[arg-type]
    assert seen == list(passed)


def get(house: House, path: str) -> Reply:
    return asyncio.run(ask(house.door, f"/api/v1/{path}", method="GET", headers=()))


def test_ready_says_yes_once_nothing_is_waited_for(house: House) -> None:
    assert get(house, "ready").json() == {"ready": True, "waiting_for": []}


def test_ready_names_what_is_waited_for_in_our_shape(house: House) -> None:
    house.open(not_ready=lambda: ["market_feed"])
    reply = get(house, "ready")
    assert_error(reply, "not_ready")
    assert reply.json()["error"]["details"] == [{"field": "(service)", "problem": "market_feed"}]
    assert int(reply.headers["retry-after"]) >= 1


def test_a_closed_room_is_not_ready_to_show_anything(house: House) -> None:
    house.room.close()
    for path in ("ready", "health", "nowhere"):
        assert_error(get(house, path), "not_ready")


@pytest.mark.parametrize(("missing", "status"), [([], "healthy"), (["market_feed"], "degraded")])
def test_health_is_200_and_says_how_well(house: House, missing: list[str], status: str) -> None:
    house.open(not_ready=lambda: missing)
    reply = get(house, "health")
    assert (reply.status, reply.json()["status"], reply.json()["waiting_for"]) == (200, status, missing)


def test_status_makes_each_part_when_it_is_asked_for(house: House) -> None:
    counted = iter(range(9))
    house.open(reports={"count": lambda: next(counted)})
    assert [get(house, "status").json() for _ in range(2)] == [{"count": 0}, {"count": 1}]


def test_a_status_that_cannot_be_made_is_a_logged_500(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.open(reports={"broken": lambda: 1 // 0})
    reply = get(house, "status")
    assert_error(reply, "internal")
    assert reply.headers["x-request-id"] in caplog.text


def test_metrics_are_what_the_observer_exposes(house: House) -> None:
    reply = get(house, "metrics/prometheus")
    assert (reply.body, reply.headers["content-type"].split(";")[0]) == (b"metric 1\n", "text/plain")


def test_a_get_route_names_the_methods_it_takes(house: House) -> None:
    reply = asyncio.run(ask(house.door, "/api/v1/health", GOOD))
    assert_error(reply, "method_not_allowed")
    assert sorted(reply.headers["allow"].split(", ")) == ["GET", "HEAD"]


@pytest.mark.parametrize("path", ["/", "/api/v1/nowhere", "/api/v1/health/", "/static_content/index.css"])
def test_a_path_nobody_serves_is_a_404_of_ours(house: House, path: str) -> None:
    assert_error(asyncio.run(ask(house.door, path, method="GET", headers=())), "not_found")


def test_a_draining_house_says_so_first_and_still_serves(house: House) -> None:
    house.room.drain()
    ready = get(house, "ready")
    assert_error(ready, "not_ready")
    assert ready.json()["error"]["details"] == [{"field": "(service)", "problem": "draining"}]
    assert_error(asyncio.run(ask(house.door, "/readyz", method="GET")), "not_ready")
    assert house.post().json() == {"doubled": 42}


def test_the_probe_of_the_platform_says_what_ours_says(house: House) -> None:
    assert asyncio.run(ask(house.door, "/readyz", method="GET")).status != 503
    house.open(not_ready=lambda: ["market_feed"])
    assert_error(asyncio.run(ask(house.door, "/readyz", method="GET")), "not_ready")
    house.room.close()
    assert_error(asyncio.run(ask(house.door, "/readyz", method="GET")), "not_ready")


def test_a_draining_house_asks_for_another_connection_next_time(house: House) -> None:
    assert "connection" not in house.post().headers
    house.room.drain()
    assert [reply.headers["connection"] for reply in (house.post(), get(house, "health"))] == ["close", "close"]


async def knock(house: House) -> list[Message]:
    """What a WebSocket's handshake is answered with."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await house.door({"type": "websocket", "path": "/ws/predictions/user1"}, receive, send)
    return sent


async def welcome(scope: Message, receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
    await send({"type": "websocket.accept", "path": scope["path"]})


def test_a_handshake_goes_to_the_sockets_and_takes_no_place(house: House) -> None:
    house.open(sockets=welcome)
    house.room.places = Places(Shares(1))
    assert house.room.places.shares.take(RouteClass.PREDICT)
    assert asyncio.run(knock(house)) == [{"type": "websocket.accept", "path": "/ws/predictions/user1"}]


@pytest.mark.parametrize("state", ["closed", "draining"])
def test_a_house_that_is_not_open_refuses_the_handshake(house: House, state: str) -> None:
    house.open(sockets=welcome)
    if state == "closed":
        house.room.close()
    else:
        house.room.drain()
    assert [message["type"] for message in asyncio.run(knock(house))] == ["websocket.close"]
