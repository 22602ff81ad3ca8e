"""Every Prometheus metric of the service, by name, once. Keeps the port trading.ports.Recorder."""

import prometheus_client as prometheus
from prometheus_client import multiprocess

from trading.vocabulary import Decision

SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters and histograms of one process; Prometheus' multiprocess files add the workers up."""

    def __init__(self) -> None:
        self._decisions = prometheus.Counter(
            "rl_service_predictions_total",
            "Decisions by the model that answered, the arm assigned and served, and the action.",
            ["model", "assigned_arm", "served_arm", "action"],
        )
        self._failures = prometheus.Counter(
            "rl_service_policy_failures_total", "Why the assigned arm did not answer.", ["reason"]
        )
        self._blocked = prometheus.Counter(
            "rl_service_blocked_total", "Decisions that may not be traded, by reason.", ["reason"]
        )
        self._seconds = prometheus.Histogram(
            "rl_service_decision_seconds", "Time from a valid signal to its decision.", buckets=SECONDS
        )
        self._rejected = prometheus.Counter(
            "rl_service_rejected_requests_total", "Requests answered with an error, by its code.", ["code"]
        )
        self._children: dict[tuple[str, str, str, str], prometheus.Counter] = {}

    def record(self, decision: Decision, *, seconds: float) -> None:
        """Count one decision; a few microseconds, no input or output."""
        key = (decision.advice.model, decision.assignment.arm, decision.served_arm, decision.action)
        counter = self._children.get(key)
        if counter is None:
            counter = self._children[key] = self._decisions.labels(*key)
        counter.inc()
        self._seconds.observe(seconds)
        if decision.failure is not None:
            self._failures.labels(decision.failure).inc()
        for reason in decision.blocked_by:
            self._blocked.labels(reason).inc()

    def rejected(self, code: str) -> None:
        """Count one request answered with an error."""
        self._rejected.labels(code).inc()

    def exposition(self) -> bytes:
        """Prometheus' text format over all workers of this deployment."""
        registry = prometheus.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus.generate_latest(registry)
