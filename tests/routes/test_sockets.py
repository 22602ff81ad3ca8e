"""A worker's WebSockets in process: who is let in, what is answered, what is pushed, how each ends."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from adapters.bus.local import LocalBus
from routes.door import request_id_var
from routes.open_socket import GOING_AWAY, MAX_WAITING_BYTES, TOO_SLOW
from routes.room import Endpoint, Room
from routes.shares import RouteClass
from routes.sockets import Sockets
from schemas.predictions import PredictRequest
from tests.fakes.served import REQUEST
from tests.fakes.waiting import eventually, run
from tests.fakes.websocket import FakeSocket
from trading.errors import InvalidField, QueueFull, UnknownSymbol
from trading.topics import topic_of

PATH = "/ws/predictions/user123"
KEYED = "f" * 32
MESSAGE = {"symbol": REQUEST["symbol"], "signal_data": REQUEST["signal_data"]}


class Case:
    """A worker's sockets over a bus of its own, and a prediction that publishes what it decided as the worker does."""

    def __init__(self, *, max_sockets: int = 10, places: int = 10, heartbeat_s: float = 30.0, **more: Any) -> None:
        self.bus = LocalBus(Path("unused"))
        self.room = Room(max_concurrent=places)
        self.asked: list[dict[str, Any]] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        endpoint = Endpoint(model=PredictRequest, answer=self.predict, kind=RouteClass.PREDICT)
        self.app = Sockets(self.room, endpoint, self.bus, max_sockets=max_sockets, heartbeat_s=heartbeat_s, **more)

    async def predict(self, **fields: Any) -> Mapping[str, Any]:
        self.asked.append(fields)
        await self.goes_on.wait()
        errors = {"NONE": UnknownSymbol("NONE"), "LATE": InvalidField("timestamp", "in the future")}
        errors |= {"FULL": QueueFull(), "BUG": ValueError("secret")}
        if (error := errors.get(fields["symbol"])) is not None:
            raise error
        # As wiring.once: the decision on a keyed request has an id of its key's.
        request_id = request_id_var.get() if fields["idempotency_key"] is None else KEYED
        decision = {"request_id": request_id, "user_id": fields["user_id"], "action": "BUY"}
        self.publish(decision)
        return decision

    def publish(self, decision: Mapping[str, Any]) -> None:
        self.bus.publish(topic_of(decision["user_id"]), to_json(decision))

    def socket(self, path: str = PATH, **more: Any) -> FakeSocket:
        return FakeSocket(self.app, path, **more)


def decision(number: int = 1, *, size: int = 0) -> dict[str, Any]:
    return {"request_id": f"{number:032x}", "user_id": "user123", "action": "SELL", "reasoning": "x" * size}


def test_a_message_is_answered_once_on_its_socket_and_pushed_to_the_users_others() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as asking, case.socket() as other, case.socket("/ws/predictions/somebody") as third:
            asking.say(MESSAGE)
            answer = await asking.hear()
            pushed = await other.hear()
            assert answer == {"type": "decision", "origin": "request", "decision": pushed["decision"]}
            assert pushed["origin"] == "push"
            assert pushed["decision"]["user_id"] == "user123"
            assert (len(asking.frames()), third.frames()) == (1, [])
            assert [fields["user_id"] for fields in case.asked] == ["user123"]

    run(check())


def test_a_keyed_message_is_answered_once_on_its_socket_too() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as asking, case.socket() as other:
            asking.say(MESSAGE | {"idempotency_key": "mine"})
            assert (await asking.hear())["origin"] == "request"
            assert (await other.hear())["decision"]["request_id"] == KEYED
            # Another worker that made the same answer may be heard later than the store.
            case.publish({"request_id": KEYED, "user_id": "user123", "action": "BUY"})
            case.publish(decision())
            assert (await asking.hear())["decision"] == decision()
            assert len(asking.frames()) == 2

    run(check())


def test_what_is_pushed_while_a_message_is_answered_comes_after_the_answer() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as socket:
            case.goes_on.clear()
            socket.say(MESSAGE)
            await eventually(lambda: case.asked)
            case.publish(decision())
            await asyncio.sleep(0.05)
            assert socket.frames() == []
            case.goes_on.set()
            assert [(await socket.hear())["origin"] for _ in range(2)] == ["request", "push"]

    run(check())


def test_a_long_answer_holds_back_no_more_than_may_wait() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as socket:
            case.goes_on.clear()
            socket.say(MESSAGE)
            await eventually(lambda: case.asked)
            for number in range(200):
                case.publish(decision(number, size=1000))
                await asyncio.sleep(0)
            case.goes_on.set()
            await eventually(lambda: len(socket.frames()) == 201)
            assert socket.closed_with is None

    run(check())


def test_decisions_of_other_workers_are_pushed_as_they_are() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as socket:
            case.publish(decision())
            assert await socket.hear() == {"type": "decision", "origin": "push", "decision": decision()}

    run(check())


def test_each_message_has_a_request_id_of_its_own_and_its_reference_comes_back() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as socket:
            for ref in ("a", "b"):
                socket.say(MESSAGE | {"client_ref": ref})
            answers = [await socket.hear(), await socket.hear()]
            assert [answer["client_ref"] for answer in answers] == ["a", "b"]
            assert len({answer["decision"]["request_id"] for answer in answers}) == 2
            assert "client_ref" not in case.asked[0]

    run(check())


def bad(**changes: object) -> str:
    return json.dumps(MESSAGE | changes)


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("{", "malformed_json", None),
        ('"\\ud800"', "malformed_json", None),
        ("[" * 5000, "malformed_json", None),
        ("[]", "invalid_field", "(body)"),
        ("{}", "invalid_field", "symbol"),
        (bad(extra=1), "invalid_field", "extra"),
        (bad(signal_data=REQUEST["signal_data"] | {"rsi": float("nan")}), "invalid_field", "signal_data.rsi"),
        (bad(symbol="NONE"), "unknown_symbol", "symbol"),
        (bad(symbol="LATE"), "invalid_field", "timestamp"),
        (bad(symbol="FULL"), "queue_full", None),
        (bad(symbol="BUG"), "internal", None),
        (bad(user_id="somebody"), "invalid_field", "user_id"),
        (bad(user_id=None), "invalid_field", "user_id"),
        (bad(client_ref="x" * 65), "invalid_field", "client_ref"),
        (bad(client_ref=7), "invalid_field", "client_ref"),
        (bad(padding="x" * 70_000), "body_too_large", None),
        (json.dumps({"padding": "\N{SNOWMAN}" * 30_000}, ensure_ascii=False), "body_too_large", None),
    ],
)
def test_a_bad_message_is_answered_with_its_error_and_the_socket_goes_on(
    text: str, code: str, field: str | None
) -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as socket:
            socket.say_raw(text)
            answer = await socket.hear()
            assert answer["type"] == "error"
            assert answer["error"]["code"] == code
            assert len(answer["error"]["request_id"]) == 32
            assert "secret" not in json.dumps(answer)
            if field is not None:
                assert answer["error"]["details"][0]["field"] == field
            socket.say(MESSAGE)
            assert (await socket.hear())["type"] == "decision"

    run(check())


def test_a_binary_message_is_refused_and_the_socket_goes_on() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as socket:
            socket.say_bytes(json.dumps(MESSAGE).encode())
            assert (await socket.hear())["error"]["code"] == "unsupported_media_type"
            socket.say(MESSAGE)
            assert (await socket.hear())["type"] == "decision"

    run(check())


def test_the_reference_of_a_bad_message_comes_back_too() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as socket:
            socket.say({"client_ref": "mine", "symbol": "BTC"})
            answer = await socket.hear()
            assert (answer["error"]["code"], answer["client_ref"]) == ("invalid_field", "mine")

    run(check())


def test_a_message_takes_a_place_only_while_it_is_answered() -> None:
    async def check() -> None:
        case = Case(places=1)
        async with case.socket() as one, case.socket() as other:
            case.goes_on.clear()
            one.say(MESSAGE)
            await eventually(lambda: case.asked)
            other.say(MESSAGE)
            assert (await other.hear())["error"]["code"] == "too_many_requests"
            case.goes_on.set()
            assert (await one.hear())["type"] == "decision"
            assert case.room.places.shares.busy == 0

    run(check())


@pytest.mark.parametrize(
    "path",
    ["/ws/predictions/", "/ws/predictions", "/ws", "/", "/ws/predictions/a/b", "/ws/predictions/a%0a",
     "/ws/predictions/a\n", "/ws/predictions/" + "x" * 129, "/ws/predictions/\N{SNOWMAN}"],
)  # fmt: skip
def test_other_paths_are_refused(path: str) -> None:
    async def check() -> None:
        async with Case().socket(path) as socket:
            assert socket.sent[0]["status"] == 404
            assert json.loads(socket.sent[1]["body"])["error"]["code"] == "not_found"

    run(check())


def test_a_worker_has_so_many_sockets_and_another_once_one_has_left() -> None:
    async def check() -> None:
        case = Case(max_sockets=1)
        async with case.socket() as first:
            async with case.socket() as refused:
                assert refused.sent[0]["status"] == 429
                assert (b"retry-after", b"1") in refused.sent[0]["headers"]
            assert first.accepted
        async with case.socket() as second:
            assert second.accepted

    run(check())


def test_a_server_that_cannot_answer_a_handshake_refuses_it_all_the_same() -> None:
    async def check() -> None:
        async with Case().socket("/other", answers_http=False) as socket:
            assert [message["type"] for message in socket.sent] == ["websocket.close"]

    run(check())


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (None, True),
        (b"http://here:8001", True),
        (b"https://here:8001", True),
        (b"https://console.example", True),
        (b"http://here", False),
        (b"https://evil.example", False),
        (b"here:8001", False),
        (b"null", False),
    ],
)
def test_pages_of_other_sites_are_refused(origin: bytes | None, accepted: bool) -> None:
    async def check() -> None:
        headers = [(b"host", b"here:8001")] + ([] if origin is None else [(b"origin", origin)])
        case = Case(origins=frozenset({"https://console.example"}))
        async with case.socket(headers=headers) as socket:
            assert socket.accepted is accepted

    run(check())


def test_a_client_that_reads_too_slowly_is_cut_and_others_get_everything() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as slow, case.socket() as quick:
            slow.reads.clear()
            for number in range(200):
                case.publish(decision(number, size=1000))
                await asyncio.sleep(0)
            await eventually(lambda: slow.closed_with == TOO_SLOW)
            await eventually(lambda: len(quick.frames()) == 200)
            assert slow.frames() == []
            assert slow.task.done()
            assert case.app.count == 1
            assert not case.bus.wanted("user:nobody")

    run(check())


def test_what_waits_for_a_client_is_bounded() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as slow:
            slow.reads.clear()
            fit = MAX_WAITING_BYTES // len(to_json(decision(size=1000))) - 5
            for number in range(fit):
                case.publish(decision(number, size=1000))
            slow.reads.set()
            await eventually(lambda: len(slow.frames()) == fit)
            assert slow.closed_with is None

    run(check())


def test_silence_is_broken_by_heartbeats() -> None:
    async def check() -> None:
        case = Case(heartbeat_s=0.05)
        async with case.socket() as socket:
            for _ in range(2):
                beat = await socket.hear()
                assert beat["type"] == "heartbeat"
                assert beat["timestamp"].endswith("Z")

    run(check())


def test_a_drain_answers_what_was_asked_and_closes() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as asking, case.socket() as idle:
            case.goes_on.clear()
            asking.say(MESSAGE)
            await eventually(lambda: case.asked)
            case.app.drain()
            await eventually(lambda: idle.closed_with == GOING_AWAY)
            assert asking.closed_with is None
            case.goes_on.set()
            await eventually(lambda: asking.closed_with == GOING_AWAY)
            assert [frame["origin"] for frame in asking.frames()] == ["request"]

    run(check())


def test_a_socket_that_has_left_leaves_nothing() -> None:
    async def check() -> None:
        case = Case()
        async with case.socket() as socket:
            assert case.bus.wanted("user:user123")
            socket.say(MESSAGE)
            await socket.hear()
        assert case.app.count == 0
        assert not case.bus.wanted("user:user123")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(check())
