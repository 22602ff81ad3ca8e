"""The switch over all trading: halt, reduce, release; durable, and on every worker within a second."""

import json
from contextlib import suppress

from pydantic_core import to_json

from adapters.store.choices import choose
from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.facts import TRADING, halt_from, halt_now
from adapters.store.order_lists import in_flight
from adapters.store.order_rows import note_event
from adapters.store.snapshot import SnapshotReader
from adapters.store.versions import wait_for_turn
from schemas.trading_switch import TradingSwitched
from schemas.words import iso_time
from trading.boot import Clock
from trading.errors import StoreUnavailable
from trading.vocabulary import Halt


class TradingSwitch:
    """Reads and sets what trading as a whole may do."""

    def __init__(self, store: Store, known: SnapshotReader, *, now: Clock) -> None:
        self._store = store
        self._known = known
        self._now = now

    def halt(self) -> Halt:
        """What this process knows, at most a second old while the store answers."""
        return halt_from(self._known.choice(TRADING))

    def since(self) -> dict[str, object] | None:
        """Who set it so, why and when; None when nobody ever did."""
        text = self._known.choice(TRADING)
        if text is None:
            return None
        try:
            chosen = json.loads(text)
        except ValueError:
            return None
        return chosen if isinstance(chosen, dict) else None

    async def set(self, to: Halt, *, reason: str | None) -> bytes:
        """Set it; the answer as JSON, with the orders that may be on their way. Raises StoreUnavailable.

        No order that `to` forbids begins to leave after this is durable.
        """
        before, flying, at_s = await self._store.write(self._set(to, reason))
        # It is durable: should the store be away now, every worker learns of it as soon as it is back.
        with suppress(StoreUnavailable):
            await self._known.refresh()
        answer: TradingSwitched = {
            "state": to,
            "before": before,
            "reason": reason,
            "at": iso_time(at_s),
            "orders_in_flight": list(flying),
        }
        return to_json(answer)

    def _set(self, to: Halt, reason: str | None) -> Work[tuple[Halt, list[str], float]]:
        async def work(connection: StoreConnection) -> tuple[Halt, list[str], float]:
            await wait_for_turn(connection)
            before, now = await halt_now(connection), self._now()
            value = {"state": to.value, "reason": reason, "at": iso_time(now.wall_s)}
            await choose(TRADING, json.dumps(value))(connection)
            await note_event(connection, None, to.value, now.wall_s, before=before.value, reason=reason)
            return before, list(await in_flight(connection, None)), now.wall_s

        return work
