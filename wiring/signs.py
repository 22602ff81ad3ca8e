"""What does not work as it should while requests are answered, as words of the wire."""

import time

from adapters.live_market import LiveMarket
from trading.desk import AGENT_MAX_AGE_S
from trading.vocabulary import Halt
from wiring.worker import Worker


def impaired(worker: Worker) -> list[str]:
    """The words for a worker now; empty when all is well."""
    journal, floor = worker.journal.state(now_s=time.time()), worker.floor
    signs = {
        "store": worker.store.failure is not None or worker.known.age_s(time.monotonic()) > AGENT_MAX_AGE_S,
        "journal": journal.away or journal.dropped > 0 or journal.refused > 0,
        "models": worker.models.refusal is not None,
        "redis": worker.bus.connected is False,
        "reconciling": bool(floor.waiting_for()),
        "orders": floor.reconciler.unresolved.needs_operator > 0,
        "positions": bool(floor.check.mismatched()),
        # One worker asks for bars and knows first; what they all see is that none have come.
        "market_data": worker.neighbours.misses_bars()
        or (isinstance(worker.market, LiveMarket) and worker.market.stale()),
        "upstreams": worker.neighbours.troubled(),
        "experiment": worker.trials.split.problem is not None or worker.trials.failing() is not None,
        "trading_halted": worker.known.halt() is not Halt.OPEN,
    }
    return [name for name, seen in signs.items() if seen]
