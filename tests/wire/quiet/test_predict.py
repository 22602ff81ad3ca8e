"""What a caller gets from a served process with two workers on the simulated market."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bentoml
import pytest

from adapters.metrics import FLUSH_S
from schemas.decisions import PredictResponse
from tests.fakes.served import REQUEST, ROOT, Served

HOUR = timedelta(hours=1)


def user_of(service: Served, arm: str) -> str:
    """Some user the default experiment puts into this arm."""
    for number in range(200):
        answer = service.post("/api/v1/predict", REQUEST | {"user_id": f"user{number}"}).json()
        if answer["experiment"]["assigned_arm"] == arm:
            return str(answer["user_id"])
    raise AssertionError(f"nobody in arm {arm}")


def test_the_readmes_request_is_answered_by_a_policy_on_the_last_closed_bar(service: Served) -> None:
    answer = service.post("/api/v1/predict", REQUEST)
    decision = answer.json()
    assert answer.status == 200
    assert set(decision) == set(PredictResponse.__annotations__)
    assert decision["experiment"] | {"key": "default"} == decision["experiment"]
    assert decision["experiment"]["served_arm"] == "rl"
    assert decision["model_used"] == "ensemble-btc-1h"
    assert decision["market"] == {"source": "simulated", "speed": 1.0}
    closed_at = datetime.fromisoformat(decision["data_as_of"])
    assert closed_at <= datetime.now(UTC) < closed_at + HOUR + timedelta(seconds=2)
    assert datetime.fromisoformat(decision["valid_until"]) == closed_at + HOUR
    assert answer.headers["x-request-id"] == decision["request_id"]


def test_a_user_outside_the_policys_share_is_answered_by_the_rule(service: Served) -> None:
    decision = service.post("/api/v1/predict", REQUEST | {"user_id": user_of(service, "fallback")}).json()
    assert (decision["model_used"], decision["fallback_used"]) == ("adaptive_threshold", True)
    assert (decision["confidence"], decision["advice"]["confidence_reason"]) == (None, "rule")
    assert decision["action"] == "BUY"


def test_the_volume_of_the_rule_is_in_dollars_of_24_hours(service: Served) -> None:
    small = REQUEST | {
        "user_id": user_of(service, "fallback"),
        "signal_data": REQUEST["signal_data"] | {"volume": 1.5e6},
    }
    decision = service.post("/api/v1/predict", small).json()
    assert (decision["action"], decision["should_trade"]) == ("HOLD", False)
    assert "volume" in decision["reasoning"]


def test_every_worker_gives_the_same_answer(service: Served) -> None:
    pids, answers = set(), set()
    for _ in range(60):
        pids.add(service.get("/api/v1/status").json()["worker_pid"])
        decision = service.post("/api/v1/predict", REQUEST).json()
        for name in ("request_id", "processing_time_ms"):
            del decision[name]
        answers.add(json.dumps(decision))
    assert len(pids) == 2
    assert len(answers) <= 2, "one answer, or two when a bar closed meanwhile"


def test_an_old_signal_may_not_trade(service: Served) -> None:
    sent = (datetime.now(UTC) - timedelta(seconds=61)).isoformat()
    decision = service.post("/api/v1/predict", REQUEST | {"timestamp": sent}).json()
    assert decision["blocked_by"] == ["stale_signal"]
    assert decision["should_trade"] is False


def test_a_price_far_from_the_market_may_not_trade(service: Served) -> None:
    decision = service.post("/api/v1/predict", REQUEST | {"market_data": {"price": 1.0}}).json()
    assert decision["blocked_by"] == ["price_mismatch"]


def test_a_policy_calibrated_elsewhere_gives_no_confidence(service: Served) -> None:
    decision = service.post("/api/v1/predict", REQUEST | {"symbol": "ETH"}).json()
    assert decision["confidence"] is None
    assert decision["advice"]["confidence_reason"] in ("uncalibrated", "flat")


def test_bentomls_client_predicts(service: Served) -> None:
    with bentoml.SyncHTTPClient(service.url) as client:
        decision = client.predict(**REQUEST)
    assert decision["user_id"] == "user123"
    assert decision["action"] in ("BUY", "SELL", "HOLD")


def test_metrics_add_the_workers_up(service: Served) -> None:
    def total() -> float:
        text = service.get("/api/v1/metrics/prometheus").body.decode()
        rows = [line for line in text.splitlines() if line.startswith("rl_service_predictions_total{")]
        return sum(float(row.rsplit(" ", 1)[1]) for row in rows)

    time.sleep(4 * FLUSH_S)  # what was decided before is counted
    before = total()
    for _ in range(40):
        service.post("/api/v1/predict", REQUEST)
    deadline_s = time.monotonic() + 10.0
    while total() < before + 40:
        assert time.monotonic() < deadline_s
    time.sleep(4 * FLUSH_S)
    assert total() == before + 40
    assert "user123" not in service.get("/api/v1/metrics/prometheus").body.decode()


@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/ready", "/api/v1/status", "/livez", "/readyz"])
def test_the_service_says_how_it_is(service: Served, path: str) -> None:
    assert service.get(path).status == 200


def test_a_worker_holds_no_torch_and_at_most_200_mb(service: Served) -> None:
    pids = {service.get("/api/v1/status").json()["worker_pid"] for _ in range(40)}
    for pid in pids:
        assert "torch" not in Path(f"/proc/{pid}/maps").read_text()
        rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
        assert int(rows["VmRSS"].split()[0]) / 1024 <= 200


def test_importing_the_service_loads_no_torch() -> None:
    code = "import service, sys; sys.exit(bool({'torch', 'stable_baselines3', 'gymnasium'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_paths_nobody_serves_leave_no_trace_in_the_metrics(service: Served) -> None:
    for number in range(20):
        assert service.get(f"/x/user{number}/secret-token").status == 404
    for page in ("/metrics", "/api/v1/metrics/prometheus"):
        text = service.get(page).body.decode()
        assert "secret-token" not in text
        assert "rl_service_predictions_total" in text
        assert len(text.splitlines()) < 500


@pytest.mark.parametrize("path", ["/", "/static_content/index.css", "/api/v1/predict/", "//api/v1/predict", "/advise"])
def test_there_is_nothing_but_the_closed_list_of_paths(service: Served, path: str) -> None:
    answer = service.get(path)
    assert (answer.status, answer.json()["error"]["code"]) == (404, "not_found")
