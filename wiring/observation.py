"""What the metrics show of a worker's condition, looked at every second."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.condition import Condition, TradingCondition
from adapters.metrics import Metrics
from adapters.store import jobs
from adapters.store.engine import Store
from adapters.store.journal import Journal
from adapters.store.order_lists import count_states
from adapters.store.snapshot import SnapshotReader
from adapters.upstream.breakers import Breakers
from trading.agents import AgentState
from wiring.acting import Acting
from wiring.bar_poller import BarPoller
from wiring.floor import Floor
from wiring.neighbours import Neighbours
from wiring.once import Once
from wiring.reconciler import Unresolved
from wiring.shadows import Shadows
from wiring.speed import OpenBus
from wiring.threshold_poller import ThresholdPoller
from wiring.threshold_samples import ThresholdSamples

OBSERVE_S = 1.0
# The queue and the orders are counted in the store, by each worker.
COUNT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorCounts:
    """What only the door knows: open sockets, and requests that found no place since the process began, by class."""

    sockets: int
    refused: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """What trades, and what it stands on. The pollers are None where the service they ask is not set, or not yet."""

    waiting_for: Callable[[], list[str]]
    unresolved: Callable[[], Unresolved]
    acting: Acting
    breakers: Breakers
    bars: Callable[[], BarPoller | None]
    thresholds: Callable[[], ThresholdPoller | None]
    samples: Callable[[], ThresholdSamples | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The parts that are looked at."""

    store: Store
    known: SnapshotReader
    journal: Journal
    bus: OpenBus
    once: Once
    door: Callable[[], DoorCounts]
    shadows: Shadows
    trading: Trading


def trading_of(floor: Floor, acting: Acting, neighbours: Neighbours) -> Trading:
    """What trades in one worker."""
    return Trading(
        waiting_for=floor.waiting_for,
        unresolved=lambda: floor.reconciler.unresolved,
        acting=acting,
        breakers=neighbours.breakers,
        bars=lambda: neighbours.bars,
        thresholds=lambda: neighbours.poller,
        samples=lambda: neighbours.samples,
    )


class Observation:
    """Looks at the parts of a worker."""

    def __init__(self, observed: Observed, metrics: Metrics) -> None:
        self._observed = observed
        self._metrics = metrics
        self.depth: Mapping[str, int] | None = None
        self.orders: Mapping[str, int] | None = None

    async def count_jobs(self) -> None:
        """Count the queue and the orders that may still be filled; each is None while the store does not say.

        Raises StoreUnavailable.
        """
        self.depth = self.orders = None
        depth = await self._observed.store.read(jobs.depth())
        self.depth = {str(status): waiting for status, waiting in depth.items()}
        self.orders = await self._observed.store.read(count_states())

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
                shadows_totals=seen.shadows.totals,
                trading=self._look(seen.trading),
            )
        )

    def _look(self, trading: Trading) -> TradingCondition:
        acting = trading.acting
        return TradingCondition(
            halt=self._observed.known.halt(),
            orders=self.orders,
            orders_needing_operator=trading.unresolved().needs_operator,
            reconciling=bool(trading.waiting_for()),
            breakers=trading.breakers.states(),
            agent_bars_totals={"decided": acting.decided, "missed": acting.missed},
            bars_totals=bars_totals(trading.bars()),
            thresholds_totals=thresholds_totals(trading.thresholds()),
            agreements_totals=agreements_totals(trading.samples()),
        )


def bars_totals(poller: BarPoller | None) -> Mapping[str, int]:
    """What became of the live market's bars, in words of the metrics."""
    if poller is None:
        return {}
    state = poller.state()
    return {**state.failed_totals, "kept": state.kept_total, "disputed": state.disputed_total}


def thresholds_totals(poller: ThresholdPoller | None) -> Mapping[str, int]:
    """What became of questions about thresholds, in words of the metrics."""
    return {} if poller is None else {"kept": poller.kept, "refused": poller.refused, "failed": poller.failed}


def agreements_totals(samples: ThresholdSamples | None) -> Mapping[str, int]:
    """Whether the service agreed with the rule, in words of the metrics."""
    if samples is None:
        return {}
    return {"agreed": samples.agreed, "disagreed": samples.disagreed, "failed": samples.failed}
