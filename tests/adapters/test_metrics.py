"""Each test has a metrics folder and processes of its own: the client reads PROMETHEUS_MULTIPROC_DIR at import."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.python import run_python

PRELUDE = """
from dataclasses import replace
from adapters.condition import Condition, TradingCondition
from adapters.metrics import SECONDS, Metrics
from tests.fakes.decisions import DECISION
from tests.fakes.one_order import one_order
from trading.breaker import BreakerState, BreakerStatus
from trading.orders import OrderState, Side
from trading.vocabulary import Action, Arm, BlockReason, FailureReason, Halt
metrics = Metrics()
BREAKER = BreakerState(
    service="trading_service", route="order", status=BreakerStatus.OPEN, calls=10, failure_rate=0.5, slow_rate=0.0,
    opened_at_s=1.0, retry_in_s=2.0, opened=3, refused=4,
)
TRADING = TradingCondition(
    halt=Halt.REDUCING, orders={"unknown": 2}, orders_needing_operator=1, reconciling=True, breakers=[BREAKER],
    agent_bars_totals={"decided": 5, "missed": 6}, bars_totals={"kept": 7, "disputed": 8, "late": 9},
    thresholds_totals={"kept": 10}, agreements_totals={"agreed": 11},
)
CONDITION = Condition(
    journal_queued=3, journal_spooled_bytes=100, journal_dropped_total=0, journal_torn_total=1, journal_refused_total=0,
    store_away=False,
    sockets=2, bus_dropped_total=5, replays_total=7, jobs={"PENDING": 4}, agents={"running": 6},
    refused_totals={"predict": 8}, shadows_totals={"kept": 9}, trading=TRADING,
)
"""
SHOW = "\nprint(metrics.exposition().decode())"
# What answered DECISION.
BY = 'model="ppo-btc-1h",served_arm="rl",version="3"'
# How the names of trading's own metrics begin.
WORDS = ("trading", "orders", "reconciling", "breaker", "agent_bars", "bars", "threshold")
TRADING = tuple(f"rl_service_{word}" for word in WORDS)
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


def test_how_a_worker_stands_is_shown(worker: Worker) -> None:
    samples = worker("metrics.observe(CONDITION)")
    others = ("rl_service_policy_arm_decision_seconds", "rl_service_order_seconds", *TRADING)
    shown = {name: value for name, value in samples.items() if not name.startswith(others)}
    assert shown == {
        "rl_service_journal_queued_decisions": 3.0,
        "rl_service_journal_spooled_bytes": 100.0,
        "rl_service_journal_dropped_decisions_total": 0.0,
        "rl_service_journal_torn_tails_total": 1.0,
        "rl_service_journal_refused_decisions_total": 0.0,
        "rl_service_store_away": 0.0,
        "rl_service_sockets": 2.0,
        "rl_service_bus_dropped_messages_total": 5.0,
        "rl_service_idempotent_replays_total": 7.0,
        'rl_service_jobs{status="PENDING"}': 4.0,
        'rl_service_agents{state="running"}': 6.0,
        'rl_service_refused_requests_total{class="predict"}': 8.0,
        'rl_service_shadow_decisions_total{result="kept"}': 9.0,
    }


def test_how_trading_stands_is_shown(worker: Worker) -> None:
    samples = worker("metrics.observe(CONDITION)")
    words = ("trading", "orders", "reconciling", "breaker", "agent_bars", "bars", "thresholds", "threshold")
    shown = {
        name: value for name, value in samples.items() if name.startswith(tuple(f"rl_service_{w}_" for w in words))
    }
    guarded = 'route="order",service="trading_service"'
    assert shown | {"rl_service_reconciling": samples["rl_service_reconciling"]} == {
        "rl_service_trading_halted": 1.0,
        'rl_service_orders_working{state="unknown"}': 2.0,
        "rl_service_orders_needing_operator": 1.0,
        "rl_service_reconciling": 1.0,
        f"rl_service_breaker_state{{{guarded}}}": 2.0,
        f"rl_service_breaker_opened_total{{{guarded}}}": 3.0,
        f"rl_service_breaker_refused_total{{{guarded}}}": 4.0,
        'rl_service_agent_bars_total{result="decided"}': 5.0,
        'rl_service_agent_bars_total{result="missed"}': 6.0,
        'rl_service_bars_total{result="kept"}': 7.0,
        'rl_service_bars_total{result="disputed"}': 8.0,
        'rl_service_bars_total{result="late"}': 9.0,
        'rl_service_thresholds_total{result="kept"}': 10.0,
        'rl_service_threshold_agreement_total{result="agreed"}': 11.0,
    }


@pytest.mark.parametrize(("status", "level"), [("CLOSED", 0.0), ("HALF_OPEN", 1.0), ("OPEN", 2.0), ("HELD_OPEN", 3.0)])
def test_each_status_of_a_breaker_has_a_level_of_its_own(worker: Worker, status: str, level: float) -> None:
    samples = worker(f"""
state = replace(BREAKER, status=BreakerStatus.{status})
metrics.observe(replace(CONDITION, trading=replace(TRADING, breakers=[state])))
""")
    assert samples['rl_service_breaker_state{route="order",service="trading_service"}'] == level


def test_orders_that_ended_fall_to_zero_and_unknown_ones_stay(worker: Worker) -> None:
    samples = worker("""
for orders in ({"unknown": 2}, {"open": 1}, None):
    metrics.observe(replace(CONDITION, trading=replace(TRADING, orders=orders)))
""")
    assert samples['rl_service_orders_working{state="unknown"}'] == 0.0
    assert samples['rl_service_orders_working{state="open"}'] == 1.0


def test_what_one_worker_sees_of_trading_is_shown_though_others_do_not(worker: Worker) -> None:
    worker("metrics.observe(CONDITION)")
    samples = worker("""
closed = replace(BREAKER, status=BreakerStatus.CLOSED)
calm = replace(TRADING, halt=Halt.OPEN, orders_needing_operator=0, reconciling=False, breakers=[closed])
metrics.observe(replace(CONDITION, trading=calm))
""")
    assert samples["rl_service_trading_halted"] == 1.0
    assert samples["rl_service_orders_needing_operator"] == 1.0
    assert samples["rl_service_reconciling"] == 1.0
    assert samples['rl_service_breaker_state{route="order",service="trading_service"}'] == 2.0
    assert samples['rl_service_breaker_opened_total{route="order",service="trading_service"}'] == 6.0


def test_looking_twice_at_a_total_counts_it_once(worker: Worker) -> None:
    samples = worker("""
metrics.observe(CONDITION); metrics.flush()
metrics.observe(CONDITION); metrics.flush()
metrics.observe(replace(CONDITION, bus_dropped_total=6))
""")
    assert samples["rl_service_bus_dropped_messages_total"] == 6.0


def test_a_status_without_predictions_falls_to_zero_and_an_unknown_queue_stays(worker: Worker) -> None:
    samples = worker("""
metrics.observe(CONDITION)
metrics.observe(replace(CONDITION, jobs={"RUNNING": 1}, agents={}))
metrics.observe(replace(CONDITION, jobs=None, agents={}))
""")
    assert samples['rl_service_jobs{status="PENDING"}'] == 0.0
    assert samples['rl_service_jobs{status="RUNNING"}'] == 1.0
    assert samples['rl_service_agents{state="running"}'] == 0.0


def test_what_each_worker_has_adds_up_and_what_all_see_alike_does_not(worker: Worker) -> None:
    worker("metrics.observe(replace(CONDITION, store_away=True))")
    samples = worker("metrics.observe(CONDITION)")
    assert samples["rl_service_sockets"] == 4.0
    assert samples["rl_service_store_away"] == 1.0
    assert samples['rl_service_agents{state="running"}'] == 6.0
    assert samples["rl_service_idempotent_replays_total"] == 14.0


def test_what_a_dead_worker_had_is_gone_and_what_it_counted_stays(worker: Worker) -> None:
    worker("metrics.observe(replace(CONDITION, store_away=True))")
    samples = worker("""
import os
from pathlib import Path
from adapters.metric_files import bury
folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
(dead,) = {int(path.stem.rsplit("_", 1)[1]) for path in folder.glob("*.db")} - {os.getpid()}
assert bury(folder, dead)
metrics.observe(CONDITION)
""")
    assert samples["rl_service_sockets"] == 2.0
    assert samples["rl_service_store_away"] == 0.0
    assert samples["rl_service_idempotent_replays_total"] == 14.0
