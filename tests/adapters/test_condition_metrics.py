"""How workers stand is shown, what they share once, what each has added up."""

from pathlib import Path

import pytest

from tests.fakes.counting_workers import Worker, counting_worker

# How the names of trading's own metrics begin.
WORDS = ("trading", "orders", "reconciling", "breaker", "agent_bars", "bars", "threshold")
TRADING = tuple(f"rl_service_{word}" for word in WORDS)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return counting_worker(tmp_path)


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
