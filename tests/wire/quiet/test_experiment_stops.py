"""A policy that loses is stopped in time, and one that nobody can judge gets no more users: over a served process."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.live_stack import soon
from tests.fakes.served import REQUEST, Served, served

# Whoever trades breaks it: a trade costs more.
LOSS = {"guard": "daily_loss_bps", "limit": 0.01, "response": "roll_back"}
# A tick and twice what an evaluation takes where two others share the processors; the loss shows with the next bar.
STOPPED_WITHIN_S = 20.0
USERS = [f"user{number}" for number in range(16)]


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("stops")
    with served(folder, EXPERIMENT_TICK_SECONDS="1", MARKET_SPEED="3600") as running:
        yield running


def begin(service: Served, key: str) -> None:
    said = {"key": key, "salt": "s1", "stages": [{"share": 0.5}], "guardrails": [LOSS]}
    assert service.post("/api/v1/experiments", said).status == 201
    assert service.post(f"/api/v1/experiments/{key}/start", {"version": 1}).status == 200


def phase(service: Served, key: str) -> object:
    return service.get(f"/api/v1/experiments/{key}").json()["phase"]


@contextmanager
def evaluations_die(service: Served) -> Iterator[None]:
    """Every process that evaluates is killed while it does."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.02):
            for worker in service.worker_pids():
                for child in _children(worker):
                    _kill_evaluation(child)

    killing = threading.Thread(target=kill)
    killing.start()
    try:
        yield
    finally:
        over.set()
        killing.join()


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(child) for child in found.split()]


def _kill_evaluation(pid: int) -> None:
    try:
        if b"evaluate" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass  # it ended in this moment


def test_what_cannot_be_judged_is_paused_and_every_worker_says_so(fast: Served) -> None:
    with evaluations_die(fast):
        begin(fast, "blind")
        soon(lambda: phase(fast, "blind") == "paused", within_s=STOPPED_WITHIN_S)
        experiment = fast.get("/api/v1/experiments/blind").json()
        assert "Nothing could be judged for" in experiment["reason"]
        for _ in range(8):
            soon(lambda: "experiment" in fast.get("/api/v1/health").json()["impaired"], within_s=2.0)
            assert fast.get("/api/v1/status").json()["evaluation"]["failures"] >= 3
    soon(lambda: fast.get("/api/v1/status").json()["evaluation"]["error"] is None, within_s=STOPPED_WITHIN_S)
    assert phase(fast, "blind") == "paused"
    version = fast.get("/api/v1/experiments/blind").json()["version"]
    assert fast.post("/api/v1/experiments/blind/kill", {"version": version}).status == 200


def test_a_loss_stops_it_in_time(fast: Served) -> None:
    begin(fast, "loses")

    def stopped() -> bool:
        for user in USERS:
            fast.post("/api/v1/predict", REQUEST | {"user_id": user})
        return phase(fast, "loses") == "rolled_back"

    soon(stopped, within_s=STOPPED_WITHIN_S)
