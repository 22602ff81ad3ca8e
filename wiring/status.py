"""What /api/v1/status says of a worker, part by part."""

import os
import time
from collections.abc import Callable, Mapping

from schemas import iso_time
from wiring.worker import Worker

SERVICE = "rl-service"
# Also in pyproject.toml; the service runs from a source tree or a Bento, where it is not installed.
VERSION = "0.1.0"


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
        "execution_mode": lambda: "off",
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
