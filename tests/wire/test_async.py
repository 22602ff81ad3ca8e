"""Asynchronous predictions on served processes, while workers are killed."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.crowd import Client, ask_all
from tests.fakes.postgres import cluster
from tests.fakes.served import REQUEST, Served, served

FINAL = {"DONE", "FAILED", "EXPIRED", "CANCELLED"}
ACCEPTED = 2_000
KILL_EVERY_S = 0.7
# Where all are accepted before so many are dead, those who run them go on dying.
KILLED = 6


def accept(client: Client, place: int) -> str:
    body = REQUEST | {"user_id": f"user{place % 50}", "timeout_seconds": 30.0, "priority": place % 3 + 1}
    answer = client.ask("POST", "/api/v1/predict/async", body)
    assert answer.status == 202, answer.body
    return str(answer.json()["request_id"])


def result(client: Client, request_id: str) -> bytes:
    """The final result; waits for it."""
    deadline_s = time.monotonic() + 90.0
    while True:
        answer = client.ask("GET", f"/api/v1/predict/{request_id}/result?timeout=5")
        if answer.status == 200:
            return answer.body
        assert answer.status == 202, answer.body
        assert time.monotonic() < deadline_s, answer.body


@contextmanager
def killing(service: Served) -> Iterator[list[int]]:
    """Kill -9 a random worker every KILL_EVERY_S while the block runs; yields the pids that were killed."""
    chance, end, killed = random.Random(7), threading.Event(), list[int]()

    def kill() -> None:
        while not end.wait(KILL_EVERY_S):
            if pids := service.worker_pids():
                killed.append(chance.choice(pids))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        end.set()
        thread.join()


def check_survival(folder: Path, **changes: str) -> None:
    with served(folder, WORKERS="4", MAX_QUEUE_SIZE="10000", **changes) as service:
        with killing(service) as killed:
            ids = ask_all(service, range(ACCEPTED), accept)
            while len(killed) < KILLED:
                time.sleep(KILL_EVERY_S / 2)
        assert len(set(ids)) == ACCEPTED
        first = ask_all(service, ids, result)
        second = ask_all(service, ids, result)
    assert first == second
    with served(folder, WORKERS="4", **changes) as service:
        assert ask_all(service, ids, result) == first
        states = Counter(_state(body) for body in first)
        assert set(states) <= FINAL
        journalled = ask_all(
            service, ids, lambda client, request_id: client.ask("GET", f"/api/v1/decisions/{request_id}").status
        )
        done = [_state(body) == "DONE" for body in first]
        assert [status == 200 for status in journalled] == done


def _state(body: bytes) -> str:
    return str(json.loads(body)["status"])


def test_every_accepted_request_has_one_final_state_whatever_is_killed(tmp_path: Path) -> None:
    check_survival(tmp_path)


def test_the_same_on_postgresql(tmp_path: Path) -> None:
    server = cluster()
    check_survival(tmp_path, DATABASE_URL=server.url(server.new_database()))


def test_a_result_is_final_and_the_journal_has_its_decision(service: Served) -> None:
    client = Client(service)
    request_id = accept(client, 0)

    body = result(client, request_id)

    assert result(client, request_id) == body
    decision = service.get(f"/api/v1/decisions/{request_id}").json()
    assert decision["request_id"] == request_id


def test_a_cancelled_request_stays_cancelled(service: Served) -> None:
    client = Client(service)
    request_id = accept(client, 0)

    first = service.send("DELETE", f"/api/v1/predict/{request_id}", None, {})
    again = service.send("DELETE", f"/api/v1/predict/{request_id}", None, {})

    final = service.get(f"/api/v1/predict/{request_id}/result").json()["status"]
    if first.status == 200:
        assert (first.json()["status"], again.status, final) == ("CANCELLED", 200, "CANCELLED")
    else:
        # It had been answered before: then it stays answered.
        assert (first.status, again.status, final) == (409, 409, "DONE")


def test_an_unknown_request_is_a_404(service: Served) -> None:
    for method, path in (("GET", "/api/v1/predict/{}/result"), ("DELETE", "/api/v1/predict/{}")):
        for name in ("0" * 32, "nonsense"):
            answer = service.send(method, path.format(name), None, {})
            assert (answer.status, answer.json()["error"]["code"]) == (404, "no_prediction")


def test_an_unknown_symbol_is_refused_before_it_is_accepted(service: Served) -> None:
    assert service.post("/api/v1/predict/async", REQUEST | {"symbol": "NOPE"}).status == 404


def test_a_full_queue_is_a_429_with_retry_after(tmp_path: Path) -> None:
    with served(tmp_path, WORKERS="2", MAX_QUEUE_SIZE="1") as service:
        answers = ask_all(
            service,
            range(200),
            lambda client, _: client.once("POST", "/api/v1/predict/async", REQUEST),
        )
    refused = [answer for answer in answers if answer.status == 429]
    assert refused, Counter(answer.status for answer in answers)
    assert {answer.json()["error"]["code"] for answer in refused} <= {"queue_full", "too_many_requests"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)


@pytest.mark.parametrize("timeout", ["-1", "31", "NaN", "x"])
def test_a_poll_of_no_sensible_length_is_a_422(service: Served, timeout: str) -> None:
    answer = service.get(f"/api/v1/predict/{'0' * 32}/result?timeout={timeout}")

    assert answer.status == 422
    assert answer.json()["error"]["details"][0]["field"] == "timeout"
