"""Circuit breakers that an operator holds open: durable, and on every worker within a second."""

import json

from pydantic_core import to_json

from adapters.store.choices import choice, choose
from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.snapshot import SnapshotReader
from adapters.store.versions import wait_for_turn
from adapters.upstream.breakers import Breakers
from schemas.breakers import BreakersHeld
from trading.breaker import BreakerStatus

# The choice that names them, as a JSON list of SERVICE/ROUTE.
HELD = "held_breakers"


class BreakerHolds:
    """Holds and releases; `apply` brings the breakers of this process to what the store says."""

    def __init__(self, store: Store, known: SnapshotReader, breakers: Breakers) -> None:
        self._store = store
        self._known = known
        self._breakers = breakers

    async def set(self, service: str, route: str, *, hold: bool) -> bytes:
        """Hold one open, or release it; what is held then, as JSON. Raises StoreUnavailable."""
        held = await self._store.write(_change(f"{service}/{route}", hold=hold))
        await self._known.refresh()
        self.apply()
        answer: BreakersHeld = {"held": held}
        return to_json(answer)

    def apply(self) -> None:
        """Hold what is to be held, and release what is not any more."""
        held = set(_names(self._known.choice(HELD)))
        for name in held:
            service, _, route = name.partition("/")
            self._breakers.of(service, route).hold_open()
        for state in self._breakers.states():
            if state.status is BreakerStatus.HELD_OPEN and f"{state.service}/{state.route}" not in held:
                self._breakers.of(state.service, state.route).release()


def _change(name: str, *, hold: bool) -> Work[list[str]]:
    async def work(connection: StoreConnection) -> list[str]:
        await wait_for_turn(connection)
        held = set(_names(await choice(HELD)(connection)))
        held = held | {name} if hold else held - {name}
        await choose(HELD, json.dumps(sorted(held)))(connection)
        return sorted(held)

    return work


def _names(text: str | None) -> list[str]:
    return [] if text is None else [str(name) for name in json.loads(text)]
