"""Agents on served processes: the same answer from every worker, also after a restart."""

import time
from pathlib import Path

import bentoml
import pytest

from tests.fakes.crowd import Client, ask_all
from tests.fakes.served import REQUEST, Served, served

CONFIG = {"model_type": "ensemble", "symbols": ["BTC"], "timeframe": "1h", "execution": "paper"}


def start(service: Served, user: str, **config: object) -> dict[str, object]:
    answer = service.post("/api/v1/agents/start", {"user_id": user, "config": CONFIG | config})
    assert answer.status == 200, answer.body
    return dict(answer.json())


def control(service: Served, user: str, action: str) -> int:
    return service.post("/api/v1/agents/control", {"user_id": user, "action": action}).status


def decide(client: Client, user: str, symbol: str = "BTC") -> dict[str, object]:
    answer = client.ask("POST", "/api/v1/predict", REQUEST | {"user_id": user, "symbol": symbol})
    assert answer.status == 200, answer.body
    return dict(answer.json())


def states(service: Served, user: str, count: int) -> set[str]:
    """The states that so many calls of several connections see, over all workers."""
    path = f"/api/v1/agents/{user}/status"
    answers = ask_all(service, range(count), lambda client, _: client.ask("GET", path), clients=16)
    return {answer.json()["state"] for answer in answers}


def test_every_worker_gives_the_same_status_within_a_second(four: Served) -> None:
    start(four, "same")
    time.sleep(1.0)

    assert states(four, "same", 200) == {"running"}

    assert control(four, "same", "pause") == 200
    time.sleep(1.0)
    assert states(four, "same", 200) == {"paused"}


def test_an_illegal_change_is_a_409_with_the_present_state(service: Served) -> None:
    start(service, "legal")
    control(service, "legal", "stop")
    time.sleep(1.0)

    answer = service.post("/api/v1/agents/control", {"user_id": "legal", "action": "resume"})

    assert answer.status == 409
    assert answer.json()["error"]["code"] == "illegal_state"
    assert answer.json()["error"]["details"] == [{"field": "state", "problem": "stopped"}]


def test_no_agent_is_a_404(service: Served) -> None:
    for answer in (
        service.get("/api/v1/agents/nobody/status"),
        service.get("/api/v1/agents/status/nobody"),
        service.post("/api/v1/agents/control", {"user_id": "nobody", "action": "pause"}),
    ):
        assert (answer.status, answer.json()["error"]["code"]) == (404, "no_agent")


def test_starting_again_tells_what_it_did(service: Served) -> None:
    assert start(service, "again")["result"] == "started"
    assert start(service, "again")["result"] == "already_running"
    control(service, "again", "pause")
    assert start(service, "again")["result"] == "resumed"
    other = service.post("/api/v1/agents/start", {"user_id": "again", "config": CONFIG | {"confidence_threshold": 0.9}})
    assert other.status == 409


@pytest.mark.parametrize(("action", "reason"), [("pause", "agent_paused"), ("stop", "agent_stopped")])
def test_a_decision_of_an_agent_at_rest_is_marked_and_never_traded(service: Served, action: str, reason: str) -> None:
    user = f"rest-{action}"
    start(service, user)
    control(service, user, action)
    time.sleep(1.0)

    for decision in ask_all(service, range(40), lambda client, _: decide(client, user)):
        assert decision["should_trade"] is False
        assert reason in decision["blocked_by"]
        assert decision["execution"] is None


def test_a_symbol_outside_the_agents_list_is_not_traded(service: Served) -> None:
    start(service, "listed")
    time.sleep(1.0)

    decision = decide(Client(service), "listed", "ETH")

    assert "symbol_not_allowed" in decision["blocked_by"]


def test_the_counters_are_true_over_the_workers(service: Served) -> None:
    start(service, "counted")
    time.sleep(1.0)
    ask_all(service, range(150), lambda client, _: decide(client, "counted"))
    deadline_s = time.monotonic() + 10.0
    while (status := service.get("/api/v1/agents/counted/status").json())["prediction_count"] != 150:
        assert time.monotonic() < deadline_s, status
        time.sleep(0.1)

    assert status["error_count"] == 0
    assert status["last_activity"] is not None


def test_agents_survive_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as before:
        start(before, "kept", confidence_threshold=0.7)
        start(before, "resting")
        control(before, "resting", "pause")
    with served(tmp_path) as after:
        kept = after.get("/api/v1/agents/kept/status").json()
        assert (kept["state"], kept["config"]["confidence_threshold"]) == ("running", 0.7)
        assert after.get("/api/v1/agents/resting/status").json()["state"] == "paused"
        listed = after.get("/api/v1/agents?state=paused").json()["agents"]
        assert [agent["user_id"] for agent in listed] == ["resting"]


def test_bentomls_client_starts_and_controls_agents(service: Served) -> None:
    with bentoml.SyncHTTPClient(service.url) as client:
        assert client.agents_start(user_id="sdk", config=CONFIG)["result"] == "started"
        assert client.agents_control(user_id="sdk", action="pause")["state"] == "paused"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model_type": "no-such-bundle"}, "config.model_type"),
        ({"symbols": ["NOPE"]}, "config.symbols"),
        ({"timeframe": "5m"}, "config.timeframe"),
        ({"execution": "live"}, "config.execution"),
        ({"confidence_threshold": 1.5}, "config.confidence_threshold"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_its_field(
    service: Served, change: dict[str, object], field: str
) -> None:
    answer = service.post("/api/v1/agents/start", {"user_id": "bad", "config": CONFIG | change})

    assert answer.status == 422
    assert field in [detail["field"] for detail in answer.json()["error"]["details"]]
