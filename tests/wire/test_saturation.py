"""More asynchronous predictions than there is time for: who waits, and who is not run any more."""

import sqlite3
from pathlib import Path
from statistics import quantiles

from adapters.store.engine import SQLITE_FILE
from tests.fakes.crowd import Client, ask_all
from tests.fakes.served import REQUEST, served

REQUESTS = 1_500
# One in eight is urgent: were they more, they would be most of what they wait for.
URGENT = 8


JOBS = """
    SELECT priority, started_at - accepted_at, started_at - deadline_at, status, deadline_at - accepted_at
    FROM jobs"""


def accept(client: Client, place: int) -> str:
    priority = 1 if place % URGENT == 0 else 3
    # A sixth of the rest has less time than the queue is long.
    timeout_s = 1.0 if place % 6 == 1 else 30.0
    # Each asks something else: nothing that was said before is said again from the cache.
    signal = REQUEST["signal_data"] | {"confidence": place / REQUESTS}
    body = REQUEST | {
        "user_id": f"user{place}",
        "signal_data": signal,
        "priority": priority,
        "timeout_seconds": timeout_s,
    }
    return str(client.ask("POST", "/api/v1/predict/async", body).json()["request_id"])


def final(client: Client, request_id: str) -> str:
    while (answer := client.ask("GET", f"/api/v1/predict/{request_id}/result?timeout=10")).status == 202:
        pass
    return str(answer.json()["status"])


def p95(waits: list[float]) -> float:
    return quantiles(waits, n=20)[-1]


def test_the_urgent_hardly_wait_and_nothing_is_run_past_its_deadline(tmp_path: Path) -> None:
    # A policy in another process takes a hundred times as long: two workers cannot keep up.
    with served(tmp_path, PLACEMENT="process", RL_TRAFFIC_PERCENTAGE="1", MAX_QUEUE_SIZE="10000") as service:
        ids = ask_all(service, range(REQUESTS), accept, clients=48)
        states = ask_all(service, ids, final)
        with sqlite3.connect(service.data_dir / SQLITE_FILE) as store:
            rows = store.execute(JOBS).fetchall()
    assert set(states) <= {"DONE", "EXPIRED"}
    assert len(rows) == REQUESTS
    patient = [row for row in rows if row[4] > 2.0 and row[1] is not None]
    waits = {priority: [wait for found, wait, *_ in patient if found == priority] for priority in (1, 3)}
    assert p95(waits[3]) > 2.0, "this was no queue"
    assert p95(waits[1]) < 0.2 * p95(waits[3])
    started = [late for _, _, late, status, _ in rows if status == "DONE"]
    assert max(started) <= 0.0
