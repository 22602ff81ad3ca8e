"""Findings on the wire: made beside the workers, seen from every one of them, and shown as a page."""

import time

from tests.fakes.served import Served
from tests.fakes.waiting import PATIENCE_S

RESULTS = "/api/v1/experiments/default/results"
SIGNAL = {
    "user_id": "user123",
    "symbol": "BTC",
    "signal_data": {"confidence": 0.85, "rsi": 65, "change_percent": 3.5, "volume": 1.5e9, "action": "BUY"},
}


def test_the_experiment_is_evaluated_and_every_worker_knows(service: Served) -> None:
    service.post("/api/v1/predict", SIGNAL)
    deadline_s = time.monotonic() + 2 * PATIENCE_S
    while (found := service.get(RESULTS).json())["findings"] is None:
        assert time.monotonic() < deadline_s, service.log.read_text()
        time.sleep(0.2)
    assert (found["key"], found["run"]) == ("default", 1)
    assert found["findings"]["primary"]["planned_looks"] == 30
    time.sleep(1.0)
    for _ in range(8):
        status = service.get("/api/v1/status").json()
        assert status["evaluation"]["as_of"] is not None
        assert status["evaluation"]["error"] is None


def test_the_page_is_made_on_demand(service: Served) -> None:
    page = service.get("/api/v1/experiments/default/report")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_what_an_experiment_can_find_is_asked_beside_it(service: Served) -> None:
    found = service.get("/api/v1/experiments/default/power?effect_bps=30&deviation_bps=100&users_per_arm=100").json()
    assert 0.9 < found["planned"] <= found["single"] <= 1.0
    assert service.get("/api/v1/experiments/default/aa").json()["passed"] in (True, None)
