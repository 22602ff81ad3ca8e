"""A port on its way to being closed, as clients of the loopback see it."""

import socket
from collections.abc import Iterator

import pytest

from wiring.port import shut, turn_away


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listening:
        yield listening


def connect(port: socket.socket, timeout_s: float) -> socket.socket:
    return socket.create_connection(port.getsockname(), timeout=timeout_s)


def test_who_was_let_in_before_is_served_whole(port: socket.socket) -> None:
    with connect(port, 5) as client:
        turn_away(port)
        client.sendall(b"question")
        accepted, _ = port.accept()
        with accepted:
            assert accepted.recv(64) == b"question"
            shut(port)
            accepted.sendall(b"answer")
            assert client.recv(64) == b"answer"


def test_who_comes_while_others_are_let_through_is_not_let_in(port: socket.socket) -> None:
    turn_away(port)
    with pytest.raises(TimeoutError):
        connect(port, 0.3)


def test_who_comes_after_that_is_refused_by_every_process_that_listens(port: socket.socket) -> None:
    with port.dup():
        turn_away(port)
        shut(port)
        with pytest.raises(ConnectionRefusedError):
            connect(port, 5)
