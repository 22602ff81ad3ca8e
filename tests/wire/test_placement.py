"""Runners in processes of their own: the same decisions, and the rule when the policy's process is late or gone."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.served import REQUEST, Served, served


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("apart"), PLACEMENT="process", CACHE_TTL_SECONDS="0.2") as running:
        yield running


def runner_pids(service: Served, name: str) -> list[int]:
    """The process of a runner, below the supervisor of this service."""
    found = subprocess.run(["pgrep", "-P", str(service.pid)], capture_output=True, text=True, check=True).stdout
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found.split()}
    return [pid for pid, command in commands.items() if f"\0{name}\0".encode() in command]


def comparable(decision: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in decision.items() if k not in ("request_id", "processing_time_ms", "cached")}


@pytest.mark.parametrize("user", ["user123", "user1", "user2"])
def test_both_placements_decide_the_same(service: Served, apart: Served, user: str) -> None:
    request = REQUEST | {"user_id": user}
    inline, process = (comparable(s.post("/api/v1/predict", request).json()) for s in (service, apart))
    assert process == inline


def test_a_repeated_question_is_answered_from_the_cache_and_judged_anew(apart: Served) -> None:
    answers = [apart.post("/api/v1/predict", REQUEST).json() for _ in range(12)]
    assert any(answer["cached"] for answer in answers)
    assert len({answer["request_id"] for answer in answers}) == len(answers)


def test_calls_at_once_never_lose_their_connection_to_the_runner(apart: Served) -> None:
    def ask(number: int) -> str:
        # Another confidence is another question: none of these comes from the cache.
        signal = REQUEST["signal_data"] | {"confidence": number / 1000}
        answer = apart.post("/api/v1/predict", REQUEST | {"signal_data": signal}).json()
        return str(answer["experiment"]["reason"])

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(600))) == {"hash"}


def test_a_policy_that_hangs_is_answered_by_the_rule_within_the_deadline(apart: Served) -> None:
    (pid,) = runner_pids(apart, "rl_policy")
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(0.3)
        started_s = time.monotonic()
        decision = apart.post("/api/v1/predict", REQUEST | {"timeout_seconds": 1.0}).json()
        took_s = time.monotonic() - started_s
    finally:
        os.kill(pid, signal.SIGCONT)
    assert decision["experiment"] == {
        "key": "default", "assigned_arm": "rl", "served_arm": "fallback", "reason": "policy_timeout", "stage": "ramp"
    }  # fmt: skip
    assert decision["model_used"] == "adaptive_threshold"
    assert took_s < 5.0


def test_a_policy_that_is_gone_is_answered_by_the_rule(apart: Served) -> None:
    (pid,) = runner_pids(apart, "rl_policy")
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    decision = apart.post("/api/v1/predict", REQUEST | {"timeout_seconds": 2.0}).json()
    assert decision["experiment"]["reason"] in ("policy_error", "policy_timeout")
    assert decision["fallback_used"] is True
