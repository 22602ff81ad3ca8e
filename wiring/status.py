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
from wiring.parts import Parts
from wiring.split_in_force import DEFAULT_EXPERIMENT
from wiring.version import VERSION
from wiring.worker import Worker

SERVICE = "rl-service"


def reports(worker: Worker) -> Mapping[str, Callable[[], object]]:
    """The parts of the status, each made when asked for."""
    parts, started_s = worker.parts, time.monotonic()
    return {
        "service": lambda: SERVICE,
        "version": lambda: VERSION,
        "is_ready": lambda: not worker.not_ready(),
        "uptime_seconds": lambda: round(time.monotonic() - started_s, 3),
        "worker_pid": os.getpid,
        "model": lambda: _model(parts),
        "market": lambda: _market(parts),
        "experiment": lambda: _experiment(parts),
        "evaluation": lambda: _evaluation(parts),
        "execution_mode": lambda: parts.settings.execution_mode,
        "trading": lambda: _trading(parts),
        "upstreams": lambda: [asdict(state) for state in parts.neighbours.breakers.states()],
        "bars": lambda: _bars(parts),
        "thresholds": lambda: _thresholds(parts),
        "agents": lambda: {state: parts.known.count(state) for state in AgentState},
        "queue": lambda: parts.observation.depth,
        "store": lambda: _store(parts),
        "redis_connected": lambda: parts.bus.connected,
        "journal": lambda: asdict(parts.journal.state(now_s=time.time())),
    }


def _model(parts: Parts) -> dict[str, object]:
    model = parts.models.current
    return {
        "name": model.manifest.name,
        "version": model.manifest.version,
        "digest": model.digest,
        "timeframe_seconds": model.manifest.timeframe_s,
        "trained_on": list(model.manifest.symbols),
        "placement": parts.settings.placement.value,
        "refused": parts.models.refusal,
        "others": {name: other.tag for name, other in parts.models.others.items()},
        "others_refused": dict(parts.models.refusals),
    }


def _trading(parts: Parts) -> dict[str, object]:
    floor = parts.floor
    return {
        "state": parts.known.halt(),
        "since": floor.switch.since(),
        "waiting_for": floor.waiting_for(),
        "venues": [broker.name for broker in floor.venues.brokers()],
        "orders": parts.observation.orders,
        "sending": floor.sender.busy,
        "unresolved": asdict(floor.reconciler.unresolved),
        "bars_decided": parts.acting.decided,
        "bars_missed": parts.acting.missed,
    }


def _bars(parts: Parts) -> dict[str, object] | None:
    # Only the worker that polls knows more than totals.
    poller = parts.neighbours.bars
    return None if poller is None else asdict(poller.state())


def _thresholds(parts: Parts) -> dict[str, object] | None:
    poller, samples = parts.neighbours.poller, parts.neighbours.samples
    if poller is None:
        return None
    return {"asked": thresholds_totals(poller), "agreement": agreements_totals(samples)}


def _store(parts: Parts) -> dict[str, object]:
    age_s = parts.known.age_s(time.monotonic())
    return {
        "kind": parts.store.dialect,
        "failure": parts.store.failure,
        "snapshot_version": parts.known.version,
        "snapshot_age_seconds": round(age_s, 3),
    }


def _market(parts: Parts) -> dict[str, object]:
    market = parts.market
    return {
        "source": market.source,
        "speed": market.speed,
        "symbols": list(market.symbols()),
        "timeframe_seconds": market.timeframe_s,
        "now": iso_time(market.now_s()),
        "ended": market.ended(),
    }


def _experiment(parts: Parts) -> dict[str, object] | None:
    key, split = parts.known.in_force(), parts.trials.split
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
        "environment_differs": None if default is None else show_environment(default, parts.settings)["differs"],
        "problem": split.problem,
    }


def _evaluation(parts: Parts) -> Mapping[str, object] | None:
    state = parts.trials.split.state
    if state is None:
        return None
    findings = parts.trials.findings
    return show_evaluation(findings.last(state.plan.key), findings.failing(state))
