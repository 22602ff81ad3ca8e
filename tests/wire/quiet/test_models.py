"""How models did, asked of a served process after some predictions."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ab.metrics import METRICS
from tests.fakes.served import REQUEST, Served, served

USERS = 20
# Decisions are in the journal, and what workers counted is seen, within this time.
WRITTEN_S = 1.0
# What nobody can say on the first day, before the horizon of any decision is over.
NOT_YET = (
    "net_bps",
    "sharpe",
    "tail_loss_bps",
    "win_rate",
    "turnover",
    "fees_bps",
    "hit_rate",
    "brier",
    "calibration_error",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("models"), WORKERS="2", RL_TRAFFIC_PERCENTAGE="0.5") as running:
        for number in range(USERS):
            assert running.post("/api/v1/predict", REQUEST | {"user_id": f"user{number}"}).status == 200
        time.sleep(WRITTEN_S)
        yield running


def ask(service: Served, page: str) -> Any:
    answer = service.get(f"/api/v1/models/{page}?days=7")
    assert answer.status == 200, answer.body
    return answer.json()


def test_the_models_that_answered_are_shown_with_null_for_what_nobody_can_say_yet(service: Served) -> None:
    found = ask(service, "performance")
    assert found["market"]["source"] == "simulated"
    assert found["horizon_bars"] >= 1
    rule, policy = found["models"]
    assert (rule["arm"], policy["arm"], policy["model"]) == ("fallback", "rl", "ensemble-btc-1h")
    assert rule["decisions"] + policy["decisions"] == USERS
    for one in (rule, policy):
        assert {name: one[name] for name in NOT_YET} == dict.fromkeys(NOT_YET)
        assert one["fallback_rate"] == 0.0
        assert 0.0 < one["latency_p50_ms"] <= one["latency_p99_ms"]


def test_the_arms_are_shown_beside_each_other_and_it_is_no_real_money(service: Served) -> None:
    found = ask(service, "comparison")
    assert found["real_money"] is False
    assert set(found["arms"]) == set(METRICS)
    assert found["arms"]["fallback_rate"] == {"rl": 0.0, "fallback": 0.0, "difference": 0.0}
    assert found["arms"]["net_bps"] == {"rl": None, "fallback": None, "difference": None}
    (policy,) = found["models"]
    assert set(policy["metrics"]["latency_p50_ms"]) == {"model", "rule", "difference"}
