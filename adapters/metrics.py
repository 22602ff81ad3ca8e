"""What happens in the service, as Prometheus metrics, by name, once; how it stands is in condition_metrics.py.

Keeps the port trading.ports.Recorder.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import prometheus_client as prometheus
from prometheus_client import multiprocess

from adapters.condition import Condition
from adapters.condition_metrics import ConditionGauges, ConditionTotals
from adapters.metric_files import undisturbed
from adapters.reserved_file import use_reserved_files
from adapters.tallies import Tally, Times
from trading.orders import Order, OrderState
from trading.vocabulary import Arm, Decision

SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

DECISION_SECONDS = "rl_service_decision_seconds"
POLICY_SECONDS = "rl_service_policy_arm_decision_seconds"

# How often `flush` is to be called: what a worker counted since then is lost when it is killed, and nothing else is.
FLUSH_S = 0.25

# A venue has answered with what became of the order.
_ANSWERED = (OrderState.OPEN, OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED)


class Metrics:
    """What one process counts; Prometheus' multiprocess files add the workers up.

    All but `flush` and `exposition` belongs to one thread. What is counted is seen once it was flushed.
    """

    def __init__(self, wall_s: Callable[[], float] = time.time) -> None:
        use_reserved_files()
        self._wall_s = wall_s
        self._decisions = Tally(
            "rl_service_predictions_total",
            "Decisions by the model that answered, the arm assigned and served, and the action.",
            ("model", "assigned_arm", "served_arm", "action"),
        )
        self._failures = Tally("rl_service_policy_failures_total", "Why the assigned arm did not answer.", ("reason",))
        self._blocked = Tally("rl_service_blocked_total", "Decisions that may not be traded, by reason.", ("reason",))
        self._rejected = Tally(
            "rl_service_rejected_requests_total", "Requests answered with an error, by its code.", ("code",)
        )
        self._seconds = Times(
            DECISION_SECONDS,
            "Time from a valid signal to its decision, by what answered and its arm.",
            SECONDS,
            ("model", "version", "served_arm"),
        )
        self._policy_seconds = Times(
            POLICY_SECONDS, "The same for decisions of users who are assigned the policy, whoever answered.", SECONDS
        )
        self._orders = Tally(
            "rl_service_orders_total", "Orders by venue, the state they came to, and side.", ("venue", "state", "side")
        )
        self._order_seconds = Times(
            "rl_service_order_seconds", "Time from an order's being written down to its venue's answer.", SECONDS
        )
        self._totals = ConditionTotals()
        self._gauges = ConditionGauges()
        self._counted = (
            *(self._decisions, self._failures, self._blocked, self._rejected, self._orders),
            *(self._seconds, self._policy_seconds, self._order_seconds),
            *self._totals.tallies,
        )
        self._flushing = threading.Lock()

    def record(self, decision: Decision, *, seconds: float) -> None:
        """Count one decision: about a microsecond, no input or output."""
        self._decisions.add(decision.advice.model, decision.assignment.arm, decision.served_arm, decision.action)
        advice = decision.advice
        self._seconds.add(seconds, advice.model, advice.version, decision.served_arm)
        if decision.assignment.arm is Arm.RL:
            self._policy_seconds.add(seconds)
        if decision.failure is not None:
            self._failures.add(decision.failure)
        for reason in decision.blocked_by:
            self._blocked.add(reason)

    def refused(self, decision: Decision) -> None:
        """Count why a decision got no order after all; it was recorded before anybody knew."""
        for reason in decision.refused_by:
            self._blocked.add(reason)

    def sent(self, order: Order) -> None:
        """Count what came of sending an order, and how long that took. One that goes back to wait is none yet."""
        if order.state is OrderState.NEW:
            return
        self.settled(order)
        if order.state in _ANSWERED:
            self._order_seconds.add(max(self._wall_s() - order.created_at_s, 0.0))

    def settled(self, order: Order) -> None:
        """Count what an order has come to."""
        self._orders.add(order.venue, order.state, order.request.side)

    def rejected(self, code: str) -> None:
        """Count one request answered with an error."""
        self._rejected.add(code)

    def observe(self, condition: Condition) -> None:
        """Show how this worker stands now."""
        self._gauges.show(condition)
        self._totals.reach(condition)

    def flush(self) -> None:
        """Make what was counted visible to all workers: every FLUSH_S and at the end. From any thread."""
        with self._flushing:
            for counted in self._counted:
                counted.flush()

    def exposition(self) -> bytes:
        """Prometheus' text format over all workers of this deployment; what others counted is up to FLUSH_S old."""
        self.flush()
        registry = prometheus.CollectorRegistry()
        collector = multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        with undisturbed(Path(collector._path)):  # the client takes its folder from the environment
            return prometheus.generate_latest(registry)

    def policy_seconds(self) -> Sequence[tuple[float, int]]:
        """How long decisions of the policy's arm took: each bucket's upper bound (seconds) and how many fell into it.

        Of all workers of this deployment since it began, as old as `exposition`.
        """
        return self._buckets_of(POLICY_SECONDS, ()).get((), [])

    def model_seconds(self) -> Mapping[tuple[str, str, str], Sequence[tuple[float, int]]]:
        """As `policy_seconds`, of what answered: by its model, its version and the served arm."""
        found = self._buckets_of(DECISION_SECONDS, ("model", "version", "served_arm"))
        return {(model, version, arm): buckets for (model, version, arm), buckets in found.items()}

    def _buckets_of(self, name: str, labels: Sequence[str]) -> Mapping[tuple[str, ...], Sequence[tuple[float, int]]]:
        self.flush()
        collector = multiprocess.MultiProcessCollector(prometheus.CollectorRegistry())  # type: ignore[no-untyped-call]
        with undisturbed(Path(collector._path)):
            found = [metric for metric in collector.collect() if metric.name == name]  # type: ignore[no-untyped-call]
        bounds: dict[tuple[str, ...], list[tuple[float, int]]] = defaultdict(list)
        for sample in (sample for metric in found for sample in metric.samples):
            if sample.name == f"{name}_bucket":
                key = tuple(sample.labels[label] for label in labels)
                bounds[key].append((float(sample.labels["le"]), int(sample.value)))
        return {key: _of_each(sorted(counts)) for key, counts in bounds.items()}


def _of_each(bounds: Sequence[tuple[float, int]]) -> Sequence[tuple[float, int]]:
    # Prometheus counts with each bucket those below it.
    below = (0, *(count for _, count in bounds))
    return [(upper_s, count - lower) for (upper_s, count), lower in zip(bounds, below, strict=False)]
