"""What the metrics show of a worker's condition, looked at every second."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.metrics import Condition, Metrics
from adapters.store import jobs
from adapters.store.engine import Store
from adapters.store.journal import Journal
from adapters.store.snapshot import SnapshotReader
from trading.agents import AgentState
from wiring.once import Once
from wiring.speed import OpenBus

OBSERVE_S = 1.0
# The queue is counted in the store, by each worker.
COUNT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorCounts:
    """What only the door knows: open sockets, and requests that found no place since the process began, by class."""

    sockets: int
    refused: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The parts that are looked at."""

    store: Store
    known: SnapshotReader
    journal: Journal
    bus: OpenBus
    once: Once
    door: Callable[[], DoorCounts]


class Observation:
    """Looks at the parts of a worker."""

    def __init__(self, observed: Observed, metrics: Metrics) -> None:
        self._observed = observed
        self._metrics = metrics
        self.depth: Mapping[str, int] | None = None

    async def count_jobs(self) -> None:
        """Count the queue; `depth` is None while the store does not say. Raises StoreUnavailable."""
        self.depth = None
        depth = await self._observed.store.read(jobs.depth())
        self.depth = {str(status): waiting for status, waiting in depth.items()}

    def observe(self) -> None:
        """Tell the metrics."""
        seen = self._observed
        journal, door = seen.journal.state(now_s=time.time()), seen.door()
        self._metrics.observe(
            Condition(
                journal_queued=journal.queued,
                journal_spooled_bytes=journal.spooled_bytes,
                journal_dropped_total=journal.dropped,
                journal_torn_total=journal.torn,
                journal_refused_total=journal.refused,
                store_away=seen.store.failure is not None,
                sockets=door.sockets,
                bus_dropped_total=seen.bus.dropped,
                replays_total=seen.once.replayed,
                jobs=self.depth,
                agents={state: seen.known.count(state) for state in AgentState},
                refused_totals=door.refused,
            )
        )
