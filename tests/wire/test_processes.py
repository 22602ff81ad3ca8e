"""Workers that die, hang or are told to end: what a client sees, and who is there afterwards."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.processes import BODY, Clients, Running, children, lives, running, wait_until
from tests.fakes.served import REQUEST, ROOT, environment, free_port, serve_command

HEAD = (
    b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % len(BODY)
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as found:
        yield found


def replaced(house: Running, gone: int, before: set[int]) -> bool:
    """Whether as many workers as before are there without the one that went, and the new one answers."""
    pids = set(house.worker_pids())
    if gone in pids or len(pids) < len(before):
        return False
    try:
        return int(house.service.get("/api/v1/status").json()["worker_pid"]) in pids - before
    except OSError:
        return False


def all_answer(house: Running) -> bool:
    """True when each worker was met: one that still starts has no heart to stand still."""
    met = {int(house.service.get("/api/v1/status").json()["worker_pid"]) for _ in range(20)}
    return met == set(house.worker_pids())


@pytest.mark.parametrize("changes", [{}, {"BENTOML_CONTAINERIZED": "true"}])
def test_killed_workers_are_replaced_in_a_container_too(tmp_path: Path, changes: dict[str, str]) -> None:
    with running(tmp_path, **changes) as house:
        for _ in range(2):
            before = set(house.worker_pids())
            os.kill(min(before), signal.SIGKILL)
            wait_until(lambda: replaced(house, min(before), before), 20, house.service.log)  # noqa: B023 - used at once


def test_all_workers_killed_at_once_are_replaced(house: Running) -> None:
    before = house.worker_pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(house.worker_pids()) - set(before)) == 2 and house.ready(), 20)
    assert house.service.post("/api/v1/predict", REQUEST).status == 200


def test_a_worker_that_hangs_is_replaced(house: Running) -> None:
    wait_until(lambda: all_answer(house), 20)
    before = set(house.worker_pids())
    os.kill(min(before), signal.SIGSTOP)
    wait_until(lambda: not lives(min(before)), 30)
    wait_until(lambda: replaced(house, min(before), before), 20, house.service.log)


def test_a_whole_deployment_that_was_frozen_goes_on_with_the_same_workers(house: Running) -> None:
    before = set(house.worker_pids())
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in (house.service.pid, *before):
            os.kill(pid, number)
        time.sleep(7.0 if number == signal.SIGSTOP else 1.0)
    assert house.service.post("/api/v1/predict", REQUEST).status == 200
    assert set(house.worker_pids()) == before


def test_runners_do_not_outlive_the_supervisor_either(tmp_path: Path) -> None:
    with running(tmp_path, PLACEMENT="process") as house:
        pids = children(house.process.pid)
        assert len(pids) == 4
        house.process.kill()
        house.process.wait()
        wait_until(lambda: not any(lives(pid) for pid in pids), 10)


def test_nobody_outlives_the_supervisor_and_the_next_one_binds(tmp_path: Path) -> None:
    with running(tmp_path) as house:
        pids = house.worker_pids()
        assert len(pids) == 2
        os.kill(pids[0], signal.SIGSTOP)  # one that cannot act on anything, until it is woken
        house.process.kill()
        house.process.wait()
        wait_until(lambda: not lives(pids[1]), 10)
        os.kill(pids[0], signal.SIGCONT)
        wait_until(lambda: not lives(pids[0]), 10)
        with running(tmp_path, house.service.port) as again:
            assert again.service.post("/api/v1/predict", REQUEST).status == 200
            assert [path.name for path in again.service.data_dir.glob("heartbeat-*")] == [
                f"heartbeat-{again.service.pid}"
            ]


def test_one_worker_told_to_end_disturbs_nobody_and_is_replaced(house: Running) -> None:
    before = set(house.worker_pids())
    with Clients(house.service.port, keep=False).calling(3) as clients:
        os.kill(min(before), signal.SIGTERM)
        wait_until(lambda: replaced(house, min(before), before), 20, house.service.log)
    assert clients.failures == []
    assert set(clients.answers) == {200}


@pytest.mark.parametrize("placement", ["inline", "process"])
def test_readiness_goes_first_while_requests_are_still_welcome(tmp_path: Path, placement: str) -> None:
    with running(tmp_path, PLACEMENT=placement, CACHE_TTL_SECONDS="0.001") as house:
        pids = children(house.process.pid)
        assert house.service.get("/readyz").status == 200
        house.process.terminate()
        wait_until(lambda: not house.ready(), 1.0)
        for path in ("/api/v1/ready", "/readyz"):
            answer = house.service.get(path)
            assert (answer.status, answer.json()["error"]["code"]) == (503, "not_ready")
            assert int(answer.headers["retry-after"]) >= 1
        assert house.service.post("/api/v1/predict", REQUEST).json()["experiment"]["reason"] == "hash"
        assert house.process.wait(timeout=22) == 0
        assert not any(lives(pid) for pid in pids)


def test_the_end_under_load_fails_nobody_who_was_let_in(house: Running) -> None:
    port = house.service.port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
        slow.sendall(HEAD + BODY[:10])
        with Clients(port, keep=False).calling(4) as new, Clients(port, keep=True).calling(2) as kept:
            time.sleep(0.5)
            house.process.terminate()
            time.sleep(3.0)
        assert house.process.poll() is None, "a request is still under way"
        slow.sendall(BODY[10:])
        assert slow.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert house.process.wait(timeout=22) == 0
    assert set(new.answers) | set(kept.answers) == {200}
    assert {name for _, name in new.failures + kept.failures} == {"ConnectionRefusedError"}
    assert max(new.slowest_s, kept.slowest_s) < 5.0, "nobody hangs"


def test_a_request_longer_than_the_grace_is_cut_off(house: Running) -> None:
    with socket.create_connection(("127.0.0.1", house.service.port), timeout=30) as endless:
        endless.sendall(HEAD)
        time.sleep(0.2)
        house.process.terminate()
        assert house.process.wait(timeout=30) == 0


def test_an_end_among_replacements_is_not_forgotten(house: Running) -> None:
    for pid in house.worker_pids():
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    house.process.terminate()
    assert house.process.wait(timeout=8) == 0


def metric_folder(pid: int) -> Path:
    """Where a worker counts."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (folder,) = (value for value in variables if value.startswith(b"PROMETHEUS_MULTIPROC_DIR="))
    return Path(folder.decode().partition("=")[2])


def test_a_second_start_that_is_refused_takes_nothing_from_the_first(house: Running) -> None:
    folder = metric_folder(house.worker_pids()[0])
    before = set(folder.glob("*.db"))
    assert before
    refused = subprocess.run(
        serve_command(),
        cwd=ROOT,
        env=environment(house.service.data_dir.parent, free_port(), {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (refused.returncode, "in use by process" in refused.stderr + refused.stdout) == (1, True)
    assert before <= set(folder.glob("*.db"))
    assert house.service.get("/metrics").status == 200
    house.process.terminate()
    house.process.wait(timeout=22)
    assert not folder.exists()


def test_what_a_killed_worker_counted_stays_counted_and_its_files_go(house: Running) -> None:
    folder = metric_folder(house.worker_pids()[0])

    def total() -> float:
        text = house.service.get("/api/v1/metrics/prometheus").body.decode()
        rows = [line for line in text.splitlines() if line.startswith("rl_service_predictions_total{")]
        return sum(float(row.rsplit(" ", 1)[1]) for row in rows)

    for _ in range(40):
        assert house.service.post("/api/v1/predict", REQUEST).status == 200
    wait_until(lambda: total() == 40, 10)
    for _ in range(2):
        before = set(house.worker_pids())
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: replaced(house, min(before), before), 20)  # noqa: B023 - used at once
        names = [path.name for path in folder.glob(f"*_{min(before)}.db")]
        assert names == []
        assert total() == 40
