"""Workers that count, each in a process of its own: the client reads PROMETHEUS_MULTIPROC_DIR at import."""

from collections.abc import Callable
from pathlib import Path

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
Worker = Callable[[str], dict[str, float]]


def counting_worker(folder: Path) -> Worker:
    """Runs code in a new worker process of this folder; every sample of the deployment afterwards."""

    def work(code: str) -> dict[str, float]:
        printed = run_python(PRELUDE + code + SHOW, environment={"PROMETHEUS_MULTIPROC_DIR": str(folder)})
        samples = [line.rsplit(" ", 1) for line in printed.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in samples}

    return work
