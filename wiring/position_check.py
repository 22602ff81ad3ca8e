"""Whether the venue holds at least what our ledger says; where it does not, nothing more is ordered there."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection
from decimal import Decimal

from adapters.store.choices import choose
from adapters.store.engine import Store
from adapters.store.leases import hold
from adapters.store.ledger import totals
from trading.agents import ExecutionMode
from trading.boot import Clock
from trading.errors import StoreUnavailable, UpstreamUnavailable
from trading.ports import Broker
from wiring.venues import Venues

log = logging.getLogger("rl_service.orders")

# The choice that names the symbols that do not match, as a JSON list.
MISMATCH = "position_mismatch"
LEASE = "position_check"
CHECK_S = 60.0
LEASE_S = 2.5 * CHECK_S
ASK_S = 2.0
# A venue may take its fee in the coin itself; what is missing beyond that is missing.
KEPT = Decimal("0.99")


class PositionCheck:
    """Compares live positions once a minute: one worker for all. An account may hold more than ours, never less."""

    def __init__(
        self,
        store: Store,
        venues: Venues,
        chosen: Callable[[str], str | None],
        *,
        owner: str,
        now: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._venues = venues
        self._chosen = chosen
        self._owner = owner
        self._now = now
        self._sleep = sleep
        self._short: frozenset[str] = frozenset()

    def mismatched(self) -> Collection[str]:
        """The symbols in which the venue holds less than the ledger, as this process knows them."""
        text = self._chosen(MISMATCH)
        return [] if text is None else [str(symbol) for symbol in json.loads(text)]

    async def run(self) -> None:
        """Check for ever."""
        while True:
            place = self._venues.place(ExecutionMode.LIVE)
            if place is not None:
                try:
                    await self.check(place.broker)
                except (StoreUnavailable, UpstreamUnavailable) as error:
                    log.debug("positions were not compared: %s", error)
            await self._sleep(CHECK_S)

    async def check(self, broker: Broker) -> None:
        """Compare once, if it is this worker's turn. Raises StoreUnavailable, UpstreamUnavailable.

        What is short twice in a row is written down: a fill may be at the venue before it is in the ledger, or after.
        """
        if await self._store.write(hold(LEASE, self._owner, self._now, for_s=LEASE_S)) is None:
            return
        held = await broker.positions(deadline_s=ASK_S)
        if held is None:
            return
        ledger = await self._store.read(totals(ExecutionMode.LIVE))
        short = frozenset(
            symbol
            for symbol, quantity in ledger.settled.items()
            if held.get(symbol, Decimal(0)) < quantity * KEPT - _lot(broker, symbol)
        )
        # What was found before is found again at once, by whichever worker; what is being traded is neither right nor
        # wrong now, and stays as it was found.
        known = frozenset(self.mismatched())
        found = (short & (self._short | known)) | (known & ledger.working)
        self._short = short
        if found == known:
            return
        log.error("the venue holds less than the ledger of: %s", ", ".join(sorted(found)) or "nothing any more")
        await self._store.write(choose(MISMATCH, json.dumps(sorted(found))))


def _lot(broker: Broker, symbol: str) -> Decimal:
    rules = broker.rules(symbol)
    return Decimal(0) if rules is None else rules.lot
