"""Shadows and outcomes of decisions, from a served process with two workers."""

import time
from collections.abc import Callable
from typing import Any

import bentoml

from tests.fakes.crowd import Client
from tests.fakes.served import REQUEST, Served


def decided(service: Served, user_id: str) -> dict[str, Any]:
    """A decision, as it is answered."""
    answer: dict[str, Any] = Client(service).ask("POST", "/api/v1/predict", REQUEST | {"user_id": user_id}).json()
    return answer


def shown(service: Served, request_id: str, ready: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """A decision of the journal, once it is ready."""
    deadline_s = time.monotonic() + 20.0
    while True:
        found = service.get(f"/api/v1/decisions/{request_id}")
        if found.status == 200 and ready(page := found.json()):
            return dict(page)
        assert time.monotonic() < deadline_s, found.body
        time.sleep(0.05)


def compared(service: Served, arm: str) -> str:
    """Somebody in this arm of the experiment, who is compared."""
    for number in range(200):
        user_id = f"compared{number}"
        page = service.get(f"/api/v1/experiments/default/assignment/{user_id}").json()
        if page["arm"] == arm and page["propensity"] is not None:
            return user_id
    raise AssertionError(f"nobody is compared in arm {arm}")


def test_the_other_arm_is_shown_within_seconds_for_users_of_both(service: Served) -> None:
    for arm, other in (("rl", "fallback"), ("fallback", "rl")):
        answer = decided(service, compared(service, arm))
        assert answer["experiment"]["served_arm"] == arm
        page = shown(service, answer["request_id"], lambda page: page["experiment"]["shadow"] is not None)
        assert page["experiment"]["propensity"] == 0.5
        shadow = page["experiment"]["shadow"]
        assert shadow["arm"] == other
        assert 0.0 <= shadow["target"] <= 1.0
        assert shadow["action"] in ("BUY", "SELL", "HOLD")
    samples = service.get("/metrics").body.decode()
    assert 'rl_service_shadow_decisions_total{result="kept"}' in samples


def test_what_a_decision_earned_is_told_once_from_any_client(service: Served) -> None:
    request_id = decided(service, "reporting")["request_id"]
    shown(service, request_id, lambda page: page["outcome"] == {"reported": None, "unit": None})
    said = {"request_id": request_id, "user_id": "reporting", "net_bps": -3.5}
    with bentoml.SyncHTTPClient(service.url) as client:
        first = client.feedback(**said)
    again = service.post("/api/v1/feedback", said)
    assert (again.status, again.json()) == (200, first)
    other = service.post("/api/v1/feedback", said | {"net_bps": 3.5})
    assert (other.status, other.json()["error"]["code"]) == (409, "feedback_differs")
    reported = service.get(f"/api/v1/decisions/{request_id}").json()["outcome"]["reported"]
    assert (reported["net_bps"], reported["net_usd"], reported["reported_at"]) == (-3.5, None, first["reported_at"])


def test_what_is_no_outcome_is_refused_in_the_one_shape(service: Served) -> None:
    request_id = decided(service, "reporting")["request_id"]
    shown(service, request_id, lambda _: True)
    said: dict[str, object] = {"request_id": request_id, "user_id": "reporting"}
    for changes, status, code in (
        ({}, 422, "invalid_field"),
        ({"net_bps": float("nan")}, 422, "invalid_field"),
        ({"net_bps": 1.0, "net_usd": 1.0}, 422, "invalid_field"),
        ({"net_usd": 1.0}, 422, "invalid_field"),
        ({"net_bps": 1.0, "user_id": "somebody-else"}, 404, "no_decision"),
        ({"net_bps": 1.0, "request_id": "f" * 32}, 404, "no_decision"),
    ):
        answer = service.post("/api/v1/feedback", said | changes)
        assert (answer.status, answer.json()["error"]["code"]) == (status, code), changes
