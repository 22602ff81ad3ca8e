"""What does not work as it should while requests are answered, as words of the wire."""

import time

from adapters.live_market import LiveMarket
from trading.desk import AGENT_MAX_AGE_S
from trading.vocabulary import Halt
from wiring.parts import Parts


def impaired(parts: Parts) -> list[str]:
    """The words for a worker now; empty when all is well."""
    journal, floor = parts.journal.state(now_s=time.time()), parts.floor
    signs = {
        "store": parts.store.failure is not None or parts.known.age_s(time.monotonic()) > AGENT_MAX_AGE_S,
        "journal": journal.away or journal.dropped > 0 or journal.refused > 0,
        "models": parts.models.refusal is not None,
        "redis": parts.bus.connected is False,
        "reconciling": bool(floor.waiting_for()),
        "orders": floor.reconciler.unresolved.needs_operator > 0,
        "positions": bool(floor.check.mismatched()),
        # One worker asks for bars and knows first; what they all see is that none have come.
        "market_data": parts.neighbours.misses_bars()
        or (isinstance(parts.market, LiveMarket) and parts.market.stale()),
        "upstreams": parts.neighbours.troubled(),
        "experiment": parts.trials.split.problem is not None or parts.trials.failing() is not None,
        "trading_halted": parts.known.halt() is not Halt.OPEN,
    }
    return [name for name, seen in signs.items() if seen]
