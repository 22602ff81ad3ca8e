"""What /api/v1/status says of a worker, part by part."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

from ab.assignment import stage_of
from schemas.words import iso_time
from trading.agents import AgentState
from wiring.evaluator import show_evaluation
from wiring.experiment_views import show_environment
from wiring.observation import agreements_totals, thresholds_totals
from wiring.split_in_force import DEFAULT_EXPERIMENT
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
        "evaluation": lambda: _evaluation(worker),
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


def _experiment(worker: Worker) -> dict[str, object] | None:
    key, split = worker.known.in_force(), worker.trials.split
    if key is None:
        return None
    state, default = split.states.get(key), split.states.get(DEFAULT_EXPERIMENT)
    return {
        "key": key,
        "phase": None if state is None else state.phase,
        "enabled": None if state is None else state.enabled,
        "rl_traffic_percentage": None if state is None else state.share,
        "stage": None if state is None else stage_of(state),
        "version": None if state is None else state.version,
        "environment_differs": None if default is None else show_environment(default, worker.settings)["differs"],
        "problem": split.problem,
    }


def _evaluation(worker: Worker) -> Mapping[str, object] | None:
    state = worker.trials.split.state
    if state is None:
        return None
    findings = worker.trials.findings
    return show_evaluation(findings.last(state.plan.key), findings.failing(state))
