"""What happens is counted once, over all workers."""

import json
import math
from pathlib import Path

import pytest

from tests.fakes.counting_workers import PRELUDE, Worker, counting_worker
from tests.fakes.python import run_python

# What answered DECISION.
BY = 'model="ppo-btc-1h",served_arm="rl",version="3"'


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return counting_worker(tmp_path)


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
    assert samples[f'rl_service_decision_seconds_bucket{{le="0.001",{BY}}}'] == 0.0
    assert samples[f'rl_service_decision_seconds_bucket{{le="0.002",{BY}}}'] == 1.0
    assert samples[f"rl_service_decision_seconds_sum{{{BY}}}"] == 0.0015


def test_the_time_of_a_decision_is_that_of_what_answered_and_makes_no_other_series(worker: Worker) -> None:
    samples = worker("""
for user in range(100):
    signal = replace(DECISION.signal, user_id=f"user{user}", symbol=f"COIN{user}")
    metrics.record(replace(DECISION, signal=signal), seconds=0.001)
metrics.record(replace(DECISION, served_arm=Arm.FALLBACK), seconds=0.001)
metrics.record(replace(DECISION, advice=replace(DECISION.advice, version="4")), seconds=0.001)
""")
    counted = {name: value for name, value in samples.items() if name.startswith("rl_service_decision_seconds_count")}
    assert counted == {
        f"rl_service_decision_seconds_count{{{BY}}}": 100.0,
        f"rl_service_decision_seconds_count{{{BY.replace('rl', 'fallback')}}}": 1.0,
        f"rl_service_decision_seconds_count{{{BY.replace('3', '4')}}}": 1.0,
    }
    buckets = [name for name in samples if name.startswith("rl_service_decision_seconds_bucket")]
    assert len(buckets) == 3 * 15


READ = (
    "\nfrom json import dumps\nprint(dumps(sorted(metrics.model_seconds().items())))\nprint(metrics.policy_seconds())"
)


def test_the_times_are_read_back_of_all_workers_by_what_answered(tmp_path: Path) -> None:
    count = """
metrics.record(DECISION, seconds=0.0007)
metrics.record(replace(DECISION, served_arm=Arm.FALLBACK), seconds=9.0)
metrics.flush()
"""
    folder = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    run_python(PRELUDE + count, environment=folder)
    printed = run_python(PRELUDE + count + READ, environment=folder).splitlines()
    (of_rule, rule), (of_policy, policy) = json.loads(printed[0])
    assert (of_rule, of_policy) == (["ppo-btc-1h", "3", "fallback"], ["ppo-btc-1h", "3", "rl"])
    assert [bucket for bucket in policy if bucket[1]] == [[0.001, 2]]
    assert [bucket for bucket in rule if bucket[1]] == [[math.inf, 2]]
    assert [upper_s for upper_s, _ in rule] == sorted(upper_s for upper_s, _ in policy)
    assert printed[1].count(", 2)") == 2, "both were of users who are assigned the policy"


def test_before_the_first_decision_nobody_took_any_time(tmp_path: Path) -> None:
    printed = run_python(PRELUDE + READ, environment={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}).splitlines()
    assert printed[0] == "[]"
    assert ", 1)" not in printed[1]


def test_the_times_of_the_policys_arm_are_told_by_all_workers_together(worker: Worker) -> None:
    other = "replace(DECISION, assignment=replace(DECISION.assignment, arm=Arm.FALLBACK))"
    said = f"""
metrics.record(DECISION, seconds=0.0015)
metrics.record(DECISION, seconds=99.0)
metrics.record({other}, seconds=0.0015)
"""
    worker(said)
    worker(
        said
        + """
counts = {upper_s: count for upper_s, count in metrics.policy_seconds() if count}
assert counts == {0.002: 2 * 1, float("inf"): 2 * 1}, counts
assert sum(counts.values()) == 4
"""
    )


def test_the_buckets_resolve_one_to_a_hundred_milliseconds(worker: Worker) -> None:
    samples = worker("metrics.record(DECISION, seconds=9.0)")
    edges = [name.split('"')[1] for name in samples if name.startswith("rl_service_decision_seconds_bucket")]
    assert len([edge for edge in edges if edge != "+Inf" and 0.001 <= float(edge) <= 0.1]) >= 6
    assert samples[f'rl_service_decision_seconds_bucket{{le="+Inf",{BY}}}'] == 1.0


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


def test_a_decision_that_gets_no_order_is_counted_by_every_reason_among_those_that_block(worker: Worker) -> None:
    samples = worker("""
metrics.record(replace(DECISION, blocked_by=(), refused_by=()), seconds=0.001)
metrics.refused(replace(DECISION, refused_by=(BlockReason.HALTED, BlockReason.LIMIT_NOTIONAL)))
metrics.refused(replace(DECISION, refused_by=()))
""")
    counted = {name: value for name, value in samples.items() if name.startswith("rl_service_blocked_total")}
    assert counted == {
        'rl_service_blocked_total{reason="halted"}': 1.0,
        'rl_service_blocked_total{reason="limit_notional"}': 1.0,
    }


def test_an_order_is_counted_by_venue_side_and_each_state_it_comes_to(worker: Worker) -> None:
    samples = worker("""
metrics.sent(one_order(state=OrderState.OPEN))
metrics.settled(one_order(state=OrderState.FILLED))
metrics.sent(one_order(side=Side.SELL, venue="v2", state=OrderState.UNKNOWN))
metrics.sent(one_order(state=OrderState.NEW))
""")
    counted = {name: value for name, value in samples.items() if name.startswith("rl_service_orders_total")}
    assert counted == {
        'rl_service_orders_total{side="BUY",state="open",venue="paper"}': 1.0,
        'rl_service_orders_total{side="BUY",state="filled",venue="paper"}': 1.0,
        'rl_service_orders_total{side="SELL",state="unknown",venue="v2"}': 1.0,
    }


def test_the_time_of_an_order_runs_until_its_venue_answers_and_what_got_no_answer_has_none(worker: Worker) -> None:
    samples = worker("""
from prometheus_client import REGISTRY
for collector in set(REGISTRY._collector_to_names):
    REGISTRY.unregister(collector)
order = one_order(state=OrderState.FILLED)
metrics = Metrics(wall_s=lambda: order.created_at_s + 0.25)
metrics.sent(order)
metrics.settled(order)
for state in (OrderState.UNKNOWN, OrderState.EXPIRED, OrderState.BLOCKED, OrderState.NEW):
    metrics.sent(replace(order, state=state))
""")
    assert samples["rl_service_order_seconds_count"] == 1.0
    assert samples["rl_service_order_seconds_sum"] == 0.25


def test_a_rejected_request_is_counted_by_its_code(worker: Worker) -> None:
    samples = worker("metrics.rejected('malformed_json'); metrics.rejected('malformed_json')")
    assert samples['rl_service_rejected_requests_total{code="malformed_json"}'] == 2.0


def test_what_one_worker_exposes_is_the_sum_over_all_workers(worker: Worker) -> None:
    count = "metrics.rejected('internal'); metrics.record(DECISION, seconds=1.0)"
    worker(count)
    samples = worker(count)
    assert samples['rl_service_rejected_requests_total{code="internal"}'] == 2.0
    assert samples[f"rl_service_decision_seconds_count{{{BY}}}"] == 2.0


def test_no_user_and_no_symbol_is_a_label(worker: Worker) -> None:
    samples = worker("metrics.record(DECISION, seconds=0.001)")
    assert samples
    assert not [name for name in samples if "user123" in name or "BTC" in name]


def test_what_is_counted_after_a_flush_is_added_once(worker: Worker) -> None:
    samples = worker("""
for _ in range(3):
    metrics.record(DECISION, seconds=0.25)
    metrics.rejected("internal")
    metrics.flush()
    metrics.flush()
""")
    assert samples['rl_service_rejected_requests_total{code="internal"}'] == 3.0
    assert samples[f"rl_service_decision_seconds_count{{{BY}}}"] == 3.0
    assert samples[f"rl_service_decision_seconds_sum{{{BY}}}"] == 0.75


def test_only_what_was_not_flushed_dies_with_a_worker(worker: Worker, tmp_path: Path) -> None:
    killed = "metrics.rejected('internal'); metrics.flush(); metrics.rejected('internal')"
    run_python(PRELUDE + killed + "\nimport os; os._exit(0)", environment={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)})
    assert worker("")['rl_service_rejected_requests_total{code="internal"}'] == 1.0


def test_nothing_is_lost_while_another_thread_flushes(worker: Worker) -> None:
    samples = worker("""
import sys, threading
sys.setswitchinterval(1e-5)
done = threading.Event()
def flush_on():
    while not done.is_set():
        metrics.flush()
threads = [threading.Thread(target=flush_on) for _ in range(2)]
for thread in threads: thread.start()
for n in range(20_000):
    metrics.record(DECISION, seconds=0.0015)
    metrics.rejected(f"code{n % 50}")
done.set()
for thread in threads: thread.join()
""")
    rejected = [value for name, value in samples.items() if name.startswith("rl_service_rejected_requests_total")]
    assert (len(rejected), sum(rejected)) == (50, 20_000.0)
    assert samples[f"rl_service_decision_seconds_count{{{BY}}}"] == 20_000.0
    assert samples[f"rl_service_decision_seconds_sum{{{BY}}}"] == pytest.approx(30.0)
