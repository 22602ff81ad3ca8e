"""Whom a room lets in that is full, closed, draining or not open yet."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from routes.places import WAIT_S, Places
from routes.room import Room
from routes.shares import RouteClass, Shares
from tests.fakes.asgi import DISCONNECT, Message, Reply, Wire, ask
from tests.fakes.doubling import CONTROL_PATH, GOOD, PATH, House, assert_error, get, opened
from trading.errors import UnknownSymbol


@pytest.fixture
def house() -> House:
    return opened()


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


def test_before_it_is_opened_the_door_says_not_ready() -> None:
    reply = House(room=Room(max_concurrent=1)).post()
    assert_error(reply, "not_ready")
    assert int(reply.headers["retry-after"]) >= 1


def test_after_it_is_closed_the_door_says_not_ready(house: House) -> None:
    house.room.close()
    assert_error(house.post(), "not_ready")


def test_a_draining_house_says_so_first_and_still_serves(house: House) -> None:
    house.room.drain()
    ready = get(house, "ready")
    assert_error(ready, "not_ready")
    assert ready.json()["error"]["details"] == [{"field": "(service)", "problem": "draining"}]
    assert_error(asyncio.run(ask(house.door, "/readyz", method="GET")), "not_ready")
    assert house.post().json() == {"doubled": 42}


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
