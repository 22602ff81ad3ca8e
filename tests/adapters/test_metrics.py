"""Each test has a metrics folder and processes of its own: the client reads PROMETHEUS_MULTIPROC_DIR at import."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.python import run_python

PRELUDE = """
from dataclasses import replace
from adapters.metrics import SECONDS, Metrics
from tests.fakes.decisions import DECISION
from trading.vocabulary import Action, Arm, BlockReason, FailureReason
metrics = Metrics()
"""
SHOW = "\nprint(metrics.exposition().decode())"
Worker = Callable[[str], dict[str, float]]


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """Runs code in a new worker process; every sample of the deployment afterwards."""

    def work(code: str) -> dict[str, float]:
        printed = run_python(PRELUDE + code + SHOW, environment={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)})
        samples = [line.rsplit(" ", 1) for line in printed.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in samples}

    return work


def test_a_decision_is_counted_by_model_arms_and_action(worker: Worker) -> None:
    samples = worker("""
metrics.record(DECISION, seconds=0.001)
metrics.record(DECISION, seconds=0.001)
metrics.record(replace(DECISION, served_arm=Arm.FALLBACK, action=Action.HOLD), seconds=0.001)
""")
    labels = 'action="{}",assigned_arm="rl",model="ppo-btc-1h",served_arm="{}"'
    counted = {name: value for name, value in samples.items() if name.startswith("rl_service_predictions_total")}
    assert counted == {
        f"rl_service_predictions_total{{{labels.format('BUY', 'rl')}}}": 2.0,
        f"rl_service_predictions_total{{{labels.format('HOLD', 'fallback')}}}": 1.0,
    }


def test_the_time_of_a_decision_falls_into_its_bucket(worker: Worker) -> None:
    samples = worker("metrics.record(DECISION, seconds=0.0015)")
    assert samples['rl_service_decision_seconds_bucket{le="0.001"}'] == 0.0
    assert samples['rl_service_decision_seconds_bucket{le="0.002"}'] == 1.0
    assert samples["rl_service_decision_seconds_sum"] == 0.0015


def test_the_buckets_resolve_one_to_a_hundred_milliseconds(worker: Worker) -> None:
    samples = worker("metrics.record(DECISION, seconds=9.0)")
    edges = [name.split('"')[1] for name in samples if name.startswith("rl_service_decision_seconds_bucket")]
    assert len([edge for edge in edges if edge != "+Inf" and 0.001 <= float(edge) <= 0.1]) >= 6
    assert samples['rl_service_decision_seconds_bucket{le="+Inf"}'] == 1.0


def test_a_failure_is_counted_by_its_reason_and_a_success_is_none(worker: Worker) -> None:
    samples = worker("""
metrics.record(DECISION, seconds=0.001)
metrics.record(replace(DECISION, failure=FailureReason.POLICY_TIMEOUT), seconds=0.001)
""")
    counted = {name: value for name, value in samples.items() if name.startswith("rl_service_policy_failures_total")}
    assert counted == {'rl_service_policy_failures_total{reason="policy_timeout"}': 1.0}


def test_every_reason_that_blocks_is_counted(worker: Worker) -> None:
    samples = worker("""
blocked = (BlockReason.STALE_SIGNAL, BlockReason.PRICE_MISMATCH)
metrics.record(replace(DECISION, blocked_by=blocked), seconds=0.001)
""")
    assert samples['rl_service_blocked_total{reason="stale_signal"}'] == 1.0
    assert samples['rl_service_blocked_total{reason="price_mismatch"}'] == 1.0


def test_a_rejected_request_is_counted_by_its_code(worker: Worker) -> None:
    samples = worker("metrics.rejected('malformed_json'); metrics.rejected('malformed_json')")
    assert samples['rl_service_rejected_requests_total{code="malformed_json"}'] == 2.0


def test_what_one_worker_exposes_is_the_sum_over_all_workers(worker: Worker) -> None:
    count = "metrics.rejected('internal'); metrics.record(DECISION, seconds=1.0)"
    worker(count)
    samples = worker(count)
    assert samples['rl_service_rejected_requests_total{code="internal"}'] == 2.0
    assert samples["rl_service_decision_seconds_count"] == 2.0


def test_no_user_and_no_symbol_is_a_label(worker: Worker) -> None:
    samples = worker("metrics.record(DECISION, seconds=0.001)")
    assert samples
    assert not [name for name in samples if "user123" in name or "BTC" in name]
