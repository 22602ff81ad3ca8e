"""The experiment over a served process: the same arm from every worker, commands on all of them within a second."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import pytest

from tests.fakes.served import REQUEST, Served, served

USERS = [f"user{number}" for number in range(100)]
RAMP = {"key": "ramp", "stages": [{"share": 0.2, "approval": True}, {"share": 0.5}]}
# A command holds on all workers within this time.
WITHIN_S = 1.0


def experiment_of(service: Served, user: str) -> dict[str, Any]:
    answer = service.post("/api/v1/predict", REQUEST | {"user_id": user})
    assert answer.status == 200, answer.body
    return dict(answer.json()["experiment"])


def arms(service: Served) -> dict[str, tuple[str, str]]:
    found = {user: experiment_of(service, user) for user in USERS}
    return {user: (each["key"], each["assigned_arm"]) for user, each in found.items()}


def give(service: Served, key: str, command: str, **said: object) -> dict[str, Any]:
    version = service.get(f"/api/v1/experiments/{key}").json()["version"]
    answer = service.post(f"/api/v1/experiments/{key}/{command}", {"version": version, **said})
    assert answer.status == 200, answer.body
    return dict(answer.json())


def reasons_after(service: Served, user: str) -> set[str]:
    """What many answers, each from whichever worker, say a moment after a command."""
    time.sleep(WITHIN_S)
    return {experiment_of(service, user)["reason"] for _ in range(40)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiments")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Served]:
    with served(folder, WORKERS="3", RL_TRAFFIC_PERCENTAGE="0.4") as running:
        yield running


def test_a_user_has_the_same_arm_from_every_worker_and_the_ramp_only_adds_users(service: Served) -> None:
    before = arms(service)
    assert before == arms(service)
    answer = service.post("/api/v1/ab-test/configure", {"rl_traffic_percentage": 0.5})
    assert (answer.status, answer.json()["rl_traffic_percentage"]) == (200, 0.5)
    time.sleep(WITHIN_S)
    after = arms(service)
    assert after == arms(service)
    treated = {user for user, (_, arm) in after.items() if arm == "rl"}
    assert {user for user, (_, arm) in before.items() if arm == "rl"} < treated


def test_disabled_everybody_has_the_rule_within_a_second(service: Served) -> None:
    with bentoml.SyncHTTPClient(service.url) as client:
        status = client.ab_test_configure(enabled=False, reason="from the SDK")
    assert (status["enabled"], status["reason"]) == (False, "from the SDK")
    assert reasons_after(service, "user123") == {"disabled"}
    service.post("/api/v1/ab-test/configure", {"enabled": True})
    assert reasons_after(service, "user123") == {"hash"}


def test_an_experiment_goes_its_way_from_draft_to_kill(service: Served) -> None:
    assert service.post("/api/v1/experiments", RAMP).status == 201
    assert give(service, "ramp", "start", reason="go")["phase"] == "running"
    time.sleep(WITHIN_S)
    assert {experiment_of(service, user)["key"] for user in USERS[:40]} == {"ramp"}
    refused = service.post("/api/v1/experiments/ramp/advance", {"version": 2})
    assert refused.json()["error"]["details"] == [{"field": "state", "problem": "awaiting_approval"}]
    stale = service.post("/api/v1/experiments/ramp/approve", {"version": 1})
    assert (stale.status, stale.json()["error"]["code"]) == (409, "stale_version")
    give(service, "ramp", "approve")
    assert give(service, "ramp", "advance")["share"] == 0.5
    taken = service.post("/api/v1/ab-test/configure", {"enabled": True})
    assert taken.json()["error"]["details"] == [{"field": "state", "problem": "another_experiment_runs"}]
    give(service, "ramp", "kill", reason="enough")
    assert reasons_after(service, "user123") == {"killed"}
    log = service.get("/api/v1/experiments/ramp/events").json()["events"]
    assert [event["command"] for event in log] == ["create", "start", "approve", "advance", "kill"]
    assert (log[-1]["by"], log[-1]["reason"]) == ("operator", "enough")


def test_what_was_commanded_outlives_a_restart(tmp_path: Path) -> None:
    with served(tmp_path, RL_TRAFFIC_PERCENTAGE="0.4") as first:
        first.post("/api/v1/ab-test/configure", {"rl_traffic_percentage": 0.3})
        before = first.get("/api/v1/experiments").json()
        given = first.get("/api/v1/experiments/default/assignment/user123").json()
    with served(tmp_path, RL_TRAFFIC_PERCENTAGE="0.9") as second:
        assert second.get("/api/v1/experiments").json() == before
        assert second.get("/api/v1/experiments/default/assignment/user123").json() == given
        status = second.get("/api/v1/ab-test/status").json()
        assert status["rl_traffic_percentage"] == 0.3
        assert status["environment"] == {"enabled": True, "rl_traffic_percentage": 0.9, "differs": True}
