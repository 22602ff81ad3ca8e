"""Bursts, and clients that leave: what is refused, who is served meanwhile, and what stays behind."""

import os
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.processes import BODY, wait_until
from tests.fakes.served import REQUEST, Served, served

HEAD = (
    b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
)
ABORTED = 2_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service of few places: five in each worker, of which two are for predictions."""
    with served(tmp_path_factory.mktemp("small"), MAX_CONCURRENT_REQUESTS="5") as running:
        yield running


def burst(port: int, size: int) -> list[bytes]:
    """Requests on connections of their own, all sent before any answer is read."""
    connections = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(size)]
    for connection in connections:
        connection.sendall(HEAD + BODY)
    answers = []
    for connection in connections:
        with connection:
            answers.append(b"".join(iter(lambda: connection.recv(65_536), b"")))  # noqa: B023 - used at once
    return answers


def test_of_a_burst_some_are_refused_all_are_answered_and_health_always_is(small: Served) -> None:
    stop = threading.Event()
    healths: Counter[int] = Counter()

    def look_at_health() -> None:
        while not stop.is_set():
            healths[small.get("/api/v1/health").status] += 1

    looking = threading.Thread(target=look_at_health)
    looking.start()
    try:
        answers = [answer for _ in range(10) for answer in burst(small.port, 100)]
    finally:
        stop.set()
        looking.join()
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429 ")]
    served_well = [answer for answer in answers if answer.startswith(b"HTTP/1.1 200 ")]
    assert refused
    assert served_well
    assert len(refused) + len(served_well) == len(answers)
    assert all(b"\r\nretry-after: 1\r\n" in answer and b'"too_many_requests"' in answer for answer in refused)
    assert set(healths) == {200}
    assert small.post("/api/v1/predict", REQUEST).status == 200


def test_clients_that_leave_before_their_answer_leave_nothing_behind(service: Served) -> None:
    pids = service.worker_pids()

    def open_sockets() -> int:
        # Files of the store and of the metrics are opened when they are first needed, which may be meanwhile.
        files = [file for pid in pids for file in Path(f"/proc/{pid}/fd").iterdir()]
        return sum(os.path.realpath(file).startswith(f"{file.parent}/socket:") for file in files)

    def memory_mb() -> float:
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * 4096 / 1e6

    leave(service.port, 100)
    service.post("/api/v1/predict", REQUEST)
    sockets, memory = open_sockets(), memory_mb()
    leave(service.port, ABORTED)
    wait_until(lambda: open_sockets() <= sockets + 4, 20)
    assert memory_mb() < memory + 30
    assert service.worker_pids() == pids
    assert service.post("/api/v1/predict", REQUEST).status == 200


def leave(port: int, times: int) -> None:
    """Connect, say some of it or all, and go: orderly, or with a reset."""
    for number in range(times):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            if number % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall((HEAD + BODY)[: (20, len(HEAD), len(HEAD) + 10, len(HEAD + BODY))[number % 4]])
