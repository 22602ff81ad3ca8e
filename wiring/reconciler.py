"""Finds out what became of orders nobody knows about, and follows those that are open."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from adapters.store.engine import Store
from adapters.store.leases import hold
from adapters.store.orders import Outcome, note_checked, settle, unsettled
from trading.boot import Clock
from trading.errors import CannotAsk, OutcomeUnknown, StoreUnavailable, UpstreamUnavailable
from trading.orders import Order, OrderState
from wiring.venues import Venues

log = logging.getLogger("rl_service.orders")

LEASE = "reconciler"
LEASE_S = 5.0
LOOK_S = 1.0
ASK_S = 2.0
# Orders that are asked about at once, and in one pass.
TOGETHER = 8
A_PASS = 100
# A venue that does not list an order this long after it may have left does not have it: longer than one send takes and
# than a venue takes to list it.
ABSENT_AFTER_S = 10.0
# Orders that stay open are asked about this often.
FOLLOW_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """Orders of which nobody knows what became of them; `needs_operator` is how many no venue can be asked about."""

    unknown: int = 0
    needs_operator: int = 0


class Reconciler:
    """One worker's reconciler: of all of them one works at a time, but each finds out for itself when it may trade."""

    def __init__(
        self,
        store: Store,
        venues: Venues,
        *,
        owner: str,
        now: Clock,
        settled: Callable[[Order], None] = lambda _: None,
        wall_s: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._venues = venues
        self._owner = owner
        self._now = now
        self._settled = settled
        self._wall_s = wall_s
        self._sleep = sleep
        self._started_s = wall_s()
        self._answered: set[str] = set()
        self._known: set[str] = set()
        self._ask_again_s: dict[str, float] = {}
        self.unresolved = Unresolved()

    def reconciled(self, venue: str) -> bool:
        """True once the venue has answered this process and every order it can be asked about was asked about."""
        return venue in self._known

    async def run(self) -> None:
        """Reconcile for ever."""
        while True:
            try:
                waiting = await self._store.read(unsettled(limit=A_PASS))
                if waiting and await self._store.write(hold(LEASE, self._owner, self._now, for_s=LEASE_S)) is not None:
                    await self._ask_all(waiting)
                await self._look(waiting)
            except StoreUnavailable as error:
                log.debug("reconciling waits for the store: %s", error)
            await self._sleep(LOOK_S)

    async def _ask_all(self, waiting: Sequence[tuple[Order, float | None]]) -> None:
        due = [order for order, checked_s in waiting if self._due(order, checked_s)]
        for first in range(0, len(due), TOGETHER):
            together = due[first : first + TOGETHER]
            asked = await asyncio.gather(*(self._ask(order) for order in together))
            ids = [order.request.client_order_id for order, was_asked in zip(together, asked, strict=True) if was_asked]
            if ids:
                await self._store.write(note_checked(ids, wall_s=self._wall_s()))

    def _due(self, order: Order, checked_s: float | None) -> bool:
        place = self._venues.place_of(order.venue)
        if place is None or place.ask_every_s == 0.0:
            just_now = checked_s is not None and 0.0 <= self._wall_s() - checked_s < FOLLOW_S
            return order.state is OrderState.UNKNOWN or not just_now
        # A venue that counts calls is asked about one order at a time, the one that has waited longest.
        now_s = self._now().monotonic_s
        if now_s < self._ask_again_s.get(order.venue, now_s):
            return False
        self._ask_again_s[order.venue] = now_s + place.ask_every_s
        return True

    async def _ask(self, order: Order) -> bool:
        # True when there is no more to be learnt now.
        broker = self._venues.broker(order.venue)
        if broker is None:
            return True
        try:
            receipt = await broker.find(order.request, order.venue_order_id, deadline_s=ASK_S)
        except CannotAsk:
            return True
        except UpstreamUnavailable as error:
            log.debug("order %s: %s", order.request.client_order_id, error)
            return False
        if receipt is None:
            absent = broker.tells_absence and order.state is OrderState.UNKNOWN and self._is_old(order)
            if absent:
                await self._settle(order, Outcome(state=OrderState.NOT_PLACED, reason="not_at_the_venue"))
            return True
        await self._settle(order, Outcome(state=receipt.state, reason=receipt.reason, receipt=receipt))
        return True

    def _is_old(self, order: Order) -> bool:
        return order.sent_at_s is None or self._wall_s() - order.sent_at_s > ABSENT_AFTER_S

    async def _settle(self, order: Order, outcome: Outcome) -> None:
        try:
            after = await self._store.write(settle(order, outcome, owner=self._owner, now=self._now))
        except OutcomeUnknown as error:
            log.error("order %s: %s", order.request.client_order_id, error)
            return
        if after is not None and after.state is not order.state:
            log.info("order %s was %s and is %s", order.request.client_order_id, order.state, after.state)
            self._settled(after)

    async def _look(self, waiting: Sequence[tuple[Order, float | None]]) -> None:
        unknown = [(order, checked_s) for order, checked_s in waiting if order.state is OrderState.UNKNOWN]
        self.unresolved = Unresolved(unknown=len(unknown), needs_operator=self._unaskable(unknown))
        for broker in self._venues.brokers():
            if broker.name in self._known:
                continue
            if broker.name not in self._answered:
                try:
                    await broker.positions(deadline_s=ASK_S)
                except UpstreamUnavailable as error:
                    log.warning("no orders yet: %s does not answer: %s", broker.name, error)
                    continue
                self._answered.add(broker.name)
            asked = (
                checked_s is not None and checked_s >= self._started_s
                for order, checked_s in unknown
                if order.venue == broker.name
            )
            if all(asked):
                self._known.add(broker.name)

    def _unaskable(self, unknown: Sequence[tuple[Order, float | None]]) -> int:
        count = 0
        for order, checked_s in unknown:
            broker = self._venues.broker(order.venue)
            if broker is None or (checked_s is not None and not broker.tells_absence):
                count += 1
        return count
