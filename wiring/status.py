"""What /api/v1/status says of a worker, part by part."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

from schemas import iso_time
from trading.agents import AgentState
from wiring.observation import agreements_totals, thresholds_totals
from wiring.version import VERSION
from wiring.worker import Worker

SERVICE = "rl-service"


def reports(worker: Worker) -> Mapping[str, Callable[[], object]]:
    """The parts of the status, each made when asked for."""
    started_s = time.monotonic()
    return {
        "service": lambda: SERVICE,
        "version": lambda: VERSION,
        "is_ready": lambda: not worker.not_ready(),
        "uptime_seconds": lambda: round(time.monotonic() - started_s, 3),
        "worker_pid": os.getpid,
        "model": lambda: _model(worker),
        "market": lambda: _market(worker),
        "experiment": lambda: _experiment(worker),
        "execution_mode": lambda: worker.settings.execution_mode,
        "trading": lambda: _trading(worker),
        "upstreams": lambda: [asdict(state) for state in worker.neighbours.breakers.states()],
        "bars": lambda: _bars(worker),
        "thresholds": lambda: _thresholds(worker),
        "agents": lambda: {state: worker.known.count(state) for state in AgentState},
        "queue": lambda: worker.observation.depth,
        "store": lambda: _store(worker),
        "redis_connected": lambda: worker.bus.connected,
        "journal": lambda: asdict(worker.journal.state(now_s=time.time())),
    }


def _model(worker: Worker) -> dict[str, object]:
    model = worker.models.current
    return {
        "name": model.manifest.name,
        "version": model.manifest.version,
        "digest": model.digest,
        "timeframe_seconds": model.manifest.timeframe_s,
        "trained_on": list(model.manifest.symbols),
        "placement": worker.settings.placement.value,
        "refused": worker.models.refusal,
        "others": {name: other.tag for name, other in worker.models.others.items()},
        "others_refused": dict(worker.models.refusals),
    }


def _trading(worker: Worker) -> dict[str, object]:
    floor = worker.floor
    return {
        "state": worker.known.halt(),
        "since": floor.switch.since(),
        "waiting_for": floor.waiting_for(),
        "venues": [broker.name for broker in floor.venues.brokers()],
        "orders": worker.observation.orders,
        "sending": floor.sender.busy,
        "unresolved": asdict(floor.reconciler.unresolved),
        "bars_decided": worker.acting.decided,
        "bars_missed": worker.acting.missed,
    }


def _bars(worker: Worker) -> dict[str, object] | None:
    # Only the worker that polls knows more than totals.
    poller = worker.neighbours.bars
    return None if poller is None else asdict(poller.state())


def _thresholds(worker: Worker) -> dict[str, object] | None:
    poller, samples = worker.neighbours.poller, worker.neighbours.samples
    if poller is None:
        return None
    return {"asked": thresholds_totals(poller), "agreement": agreements_totals(samples)}


def _store(worker: Worker) -> dict[str, object]:
    age_s = worker.known.age_s(time.monotonic())
    return {
        "kind": worker.store.dialect,
        "failure": worker.store.failure,
        "snapshot_version": worker.known.version,
        "snapshot_age_seconds": round(age_s, 3),
    }


def _market(worker: Worker) -> dict[str, object]:
    market = worker.market
    return {
        "source": market.source,
        "speed": market.speed,
        "symbols": list(market.symbols()),
        "timeframe_seconds": market.timeframe_s,
        "now": iso_time(market.now_s()),
        "ended": market.ended(),
    }


def _experiment(worker: Worker) -> dict[str, object]:
    experiment = worker.experiment
    return {
        "key": experiment.key,
        "enabled": experiment.enabled,
        "rl_traffic_percentage": experiment.rl_share,
        "stage": experiment.stage,
    }
