"""WebSockets of the served service: pushes between its workers, and what sockets cost those who speak HTTP."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.fakes.crowd import Client
from tests.fakes.served import REQUEST, Served, served
from tests.fakes.websocket import RawSocket

MESSAGE = {"symbol": REQUEST["symbol"], "signal_data": REQUEST["signal_data"]}
PREDICT = "/api/v1/predict"
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("sockets"), WORKERS="2", MAX_CONCURRENT_REQUESTS="100") as service:
        yield service


@pytest.fixture
def open_socket(running: Served) -> Iterator[Callable[[str], ClientConnection]]:
    """Opens sockets of a user that the test need not close."""
    with ExitStack() as stack:
        url = f"ws://127.0.0.1:{running.port}/ws/predictions/"
        yield lambda user: stack.enter_context(connect(url + user, proxy=None))


def hear(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=PATIENCE_S))


def predict(service: Served, user: str) -> str:
    """Over a connection of its own, so any worker may have it; the id of the decision."""
    answer = service.post(PREDICT, REQUEST | {"user_id": user})
    assert answer.status == 200
    return str(answer.json()["request_id"])


def test_every_socket_of_a_user_hears_each_decision_once_whichever_workers_they_are_on(
    running: Served, open_socket: Callable[[str], ClientConnection]
) -> None:
    sockets = [open_socket("pushed") for _ in range(8)]
    # Workers tell each other which users they have: what is decided in that moment may be missed, never doubled.
    for _ in range(5):
        ids = [predict(running, "pushed") for _ in range(20)]
        heard = [pushed_until_quiet(socket) for socket in sockets]
        assert all(len(set(each)) == len(each) for each in heard)
        if all(set(each) == set(ids) for each in heard):
            return
    raise AssertionError("no round in which every socket heard every decision")


def pushed_until_quiet(socket: ClientConnection) -> list[str]:
    """The ids of the decisions that were pushed."""
    ids = []
    try:
        while True:
            frame = json.loads(socket.recv(timeout=0.5))
            assert frame["origin"] == "push"
            ids.append(frame["decision"]["request_id"])
    except TimeoutError:
        return ids


def test_a_request_is_answered_on_its_socket_and_pushed_to_the_users_others(
    open_socket: Callable[[str], ClientConnection],
) -> None:
    asking, other = open_socket("both"), open_socket("both")
    pushed = None
    while pushed is None:
        asking.send(json.dumps(MESSAGE | {"client_ref": "mine"}))
        answer = hear(asking)
        assert (answer["type"], answer["origin"], answer["client_ref"]) == ("decision", "request", "mine")
        try:
            pushed = json.loads(other.recv(timeout=1.0))
        except TimeoutError:
            continue
    assert pushed == {"type": "decision", "origin": "push", "decision": answer["decision"]}
    with pytest.raises(TimeoutError):
        asking.recv(timeout=0.3)


@pytest.mark.parametrize("bad", ["{", json.dumps(MESSAGE | {"symbol": "NONE"}), b"\x00", "x" * 100_000])
def test_a_bad_message_is_answered_and_the_socket_goes_on(
    open_socket: Callable[[str], ClientConnection], bad: str | bytes
) -> None:
    socket = open_socket("bad")
    socket.send(bad)
    assert hear(socket)["type"] == "error"
    socket.send(json.dumps(MESSAGE))
    assert hear(socket)["origin"] == "request"


def test_a_client_that_does_not_read_is_cut_and_nobody_else_notices(running: Served) -> None:
    client = Client(running)
    with closing(RawSocket(running.port, "/ws/predictions/slow")) as slow:
        assert slow.status == 101
        for _ in range(1000):
            assert client.once("POST", PREDICT, REQUEST | {"user_id": "slow"}).status == 200
        # Far below the megabyte it was sent: the rest was never kept for it.
        assert len(slow.read_all()) < 400_000
    client.close()


def test_five_hundred_idle_sockets_take_no_place_of_a_prediction(running: Served) -> None:
    client = Client(running)
    with ExitStack() as stack:
        for number in range(500):
            socket = stack.enter_context(closing(RawSocket(running.port, f"/ws/predictions/idle{number}")))
            assert socket.status == 101
            if number % 5 == 0:
                assert client.once("POST", PREDICT, REQUEST).status == 200
        for _ in range(200):
            assert client.once("POST", PREDICT, REQUEST).status == 200
    client.close()


@pytest.mark.parametrize("path", ["/ws/predictions/", "/ws/predictions/a%0ab", "/ws", "/api/v1/predict"])
def test_other_paths_have_no_sockets(running: Served, path: str) -> None:
    with closing(RawSocket(running.port, path)) as socket:
        assert socket.status == 404
