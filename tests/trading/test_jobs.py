import heapq
import json

import pytest

from routes.errors import ERRORS
from tests.fakes.jobs import START, job
from trading.jobs import (
    MOVES,
    PATIENCE,
    PROBLEMS,
    Job,
    JobStatus,
    before,
    decided_text,
    problem_text,
    rank,
    waiting_text,
)


def test_a_higher_priority_goes_first_among_equals() -> None:
    assert [made.priority for made in sorted((job(priority=p) for p in (3, 1, 2)), key=rank)] == [1, 2, 3]


def test_a_low_priority_near_its_deadline_overtakes_fresh_high_ones() -> None:
    old = job(START, priority=3, timeout_s=5.0)

    assert rank(old) > rank(job(START.after(4.4), priority=1))
    assert rank(old) < rank(job(START.after(4.6), priority=1))


def test_equal_priorities_go_in_the_order_they_came() -> None:
    assert rank(job(START, priority=2)) < rank(job(START.after(0.001), priority=2))


def test_nothing_follows_a_final_status() -> None:
    final = {status for status in JobStatus if status.final}

    assert final == {JobStatus.DONE, JobStatus.FAILED, JobStatus.EXPIRED, JobStatus.CANCELLED}
    assert not any(MOVES[status] for status in final)


def test_only_what_runs_can_be_done() -> None:
    assert before(JobStatus.DONE) == before(JobStatus.FAILED) == (JobStatus.RUNNING,)
    assert set(before(JobStatus.CANCELLED)) == {JobStatus.PENDING, JobStatus.RUNNING}


def test_a_result_says_what_it_is_the_result_of() -> None:
    assert json.loads(waiting_text("a", JobStatus.PENDING)) == {"request_id": "a", "status": "PENDING"}
    assert json.loads(decided_text("a", {"action": "BUY"})) == {
        "request_id": "a",
        "status": "DONE",
        "decision": {"action": "BUY"},
    }
    expired = json.loads(problem_text("a", JobStatus.EXPIRED, PROBLEMS[JobStatus.EXPIRED]))
    assert expired["error"]["code"] == "expired"


def waits_by_priority(
    mix: tuple[int, ...], *, every_s: float, service_s: float, timeout_s: float
) -> dict[int, list[float]]:
    """One place that is always busy, a job every `every_s`: how long those that were run had waited."""
    queue: list[tuple[float, int, Job]] = []
    waits: dict[int, list[float]] = {priority: [] for priority in PATIENCE}
    now_s, accepted = 0.0, 0
    while accepted < 20_000:
        while accepted * every_s <= now_s:
            made = job(START.after(accepted * every_s), priority=mix[accepted % len(mix)], timeout_s=timeout_s)
            heapq.heappush(queue, (rank(made), accepted, made))
            accepted += 1
        now_s = max(now_s, accepted * every_s) if not queue else now_s
        while queue:
            _, _, first = heapq.heappop(queue)
            waited_s = START.after(now_s).monotonic_s - first.accepted.monotonic_s
            if waited_s < timeout_s:
                waits[first.priority].append(waited_s)
                now_s += service_s
                break
    return waits


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


@pytest.mark.parametrize("mix", [(1, 2, 3), (1, 3, 3, 3, 3), (1, 2, 2, 3, 3), (1, 1, 3)])
@pytest.mark.parametrize("overload", [1.05, 1.3])
def test_in_a_saturated_queue_the_high_priority_waits_a_fifth_of_the_low_one_at_most(
    mix: tuple[int, ...], overload: float
) -> None:
    waits = waits_by_priority(mix, every_s=0.01 / overload, service_s=0.01, timeout_s=5.0)

    assert p95(waits[1]) < 0.2 * p95(waits[3])


def test_under_that_load_the_low_priority_is_run_too() -> None:
    waits = waits_by_priority((1, 2, 3), every_s=0.008, service_s=0.01, timeout_s=5.0)

    assert len(waits[3]) > 1_000


def test_a_failure_of_ours_is_said_as_the_wire_says_it() -> None:
    problem = PROBLEMS[JobStatus.FAILED]
    assert ERRORS[problem.code][1] == problem.message
