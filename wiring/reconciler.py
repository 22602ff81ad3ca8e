"""Finds out what became of orders nobody knows about, and follows those that are open."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from adapters.store.engine import Store
from adapters.store.leases import hold
from adapters.store.orders import Outcome, settle
from adapters.store.unsettled import Counts, count_unsettled, note_checked, unsettled
from trading.boot import Clock, Moment
from trading.errors import CannotAsk, OutcomeUnknown, StoreUnavailable, UpstreamUnavailable
from trading.orders import Order, OrderState
from trading.ports import Broker
from wiring.questions import Questions, Whose, name_of, whose
from wiring.venues import Venues

log = logging.getLogger("rl_service.orders")

LEASE = "reconciler"
LEASE_S = 5.0
LOOK_S = 1.0
ASK_S = 2.0
# Orders that are asked about at once, and of one venue in one pass.
TOGETHER = 8
A_PASS = 100
# A venue that does not list an order this long after it could leave last does not have it: longer than one send takes
# and than a venue takes to list it.
ABSENT_AFTER_S = 10.0
# Orders that stay open are asked about this often.
FOLLOW_S = 1.0
# What a venue that cannot be asked by client order id keeps open for longer is for a person to look at.
LONG_OPEN_S = 60.0


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
        self._answered: set[str] = set()
        self._known: set[str] = set()
        # When orders had been asked about last as this process first saw them.
        self._first_seen: dict[str, float | None] = {}
        # The pass in which an order was last tried.
        self._passes = 0
        self._tried: dict[str, int] = {}
        self._questions = Questions(store, now=now)
        self.unresolved = Unresolved()

    def reconciled(self, venue: str) -> bool:
        """True once the venue has answered this process and every order it can be asked about was asked about."""
        return venue in self._known

    async def run(self) -> None:
        """Reconcile for ever."""
        while True:
            try:
                waiting = await self._store.read(unsettled(each=A_PASS))
                until = self._now().after(LEASE_S)
                if waiting and await self._store.write(hold(LEASE, self._owner, self._now, for_s=LEASE_S)) is not None:
                    await self._ask_all(waiting, until)
                await self._look(waiting)
            except StoreUnavailable as error:
                log.debug("reconciling waits for the store: %s", error)
            await self._sleep(LOOK_S)

    async def _ask_all(self, waiting: Sequence[tuple[Order, float | None]], until: Moment) -> None:
        every = [order for order, _ in waiting]
        self._questions.forget(every)
        self._passes += 1
        self._tried = {name_of(order): self._tried.get(name_of(order), 0) for order in every}
        due = [order for order, checked_s in waiting if self._due(order, checked_s)]
        # One that its venue cannot answer for keeps no other from being asked about.
        due.sort(key=lambda order: self._tried[name_of(order)])
        await self._ask_freely([order for order in due if not self._windows(order)], until)
        await self._ask_counting([order for order in due if self._windows(order)], until)

    async def _ask_freely(self, due: Sequence[Order], until: Moment) -> None:
        silent: set[str] = set()
        while due and until.left_s(self._now()) > 0.0:
            together = due[:TOGETHER]
            asked = await self._ask_together(together)
            silent |= {order.venue for order, was_asked in zip(together, asked, strict=True) if not was_asked}
            due = [order for order in due[TOGETHER:] if order.venue not in silent]

    async def _ask_counting(self, due: Sequence[Order], until: Moment) -> None:
        by_user: dict[Whose, list[Order]] = {}
        for order in due:
            by_user.setdefault(whose(order), []).append(order)
        done: set[str] = set()
        for (venue, _), together in by_user.items():
            if venue in done or until.left_s(self._now()) <= 0.0:
                continue
            if not await self._questions.may_ask(venue, self._windows(together[0])):
                done.add(venue)
                continue
            answered = any(await self._ask_together(together))
            self._questions.note(together, answered=answered)
            if not answered:
                done.add(venue)

    async def _ask_together(self, together: Sequence[Order]) -> Sequence[bool]:
        asked = await asyncio.gather(*(self._ask(order) for order in together))
        ids = [name_of(order) for order, was_asked in zip(together, asked, strict=True) if was_asked]
        if ids:
            await self._store.write(note_checked(ids, wall_s=self._wall_s()))
        return asked

    def _windows(self, order: Order) -> Sequence[tuple[int, float]]:
        # How often one may ask about an order; nothing where that is not counted, or there is nothing to be asked.
        place = self._venues.place_of(order.venue)
        return () if place is None or _unaskable(place.broker, order) else place.questions

    def _due(self, order: Order, checked_s: float | None) -> bool:
        place = self._venues.place_of(order.venue)
        if place is not None and _unaskable(place.broker, order):
            return checked_s is None  # which is found out once
        if self._windows(order):
            return self._questions.due(order)
        just_now = checked_s is not None and 0.0 <= self._wall_s() - checked_s < FOLLOW_S
        return order.state is OrderState.UNKNOWN or not just_now

    async def _ask(self, order: Order) -> bool:
        # True when there is no more to be learnt now.
        self._tried[name_of(order)] = self._passes
        broker = self._venues.broker(order.venue)
        if broker is None:
            return True
        try:
            receipt = await broker.find(order.request, order.venue_order_id, deadline_s=ASK_S)
        except CannotAsk:
            return True
        except UpstreamUnavailable as error:
            log.debug("order %s: %s", name_of(order), error)
            return False
        except Exception:  # a fault of ours in one order must not end the worker, and the next one's
            log.exception("asking about order %s failed", name_of(order))
            return True
        if receipt is None:
            absent = broker.tells_absence and order.state is OrderState.UNKNOWN and self._is_old(order)
            if absent:
                await self._settle(order, Outcome(state=OrderState.NOT_PLACED, reason="not_at_the_venue"))
            return True
        await self._settle(order, Outcome(state=receipt.state, reason=receipt.reason, receipt=receipt))
        return True

    def _is_old(self, order: Order) -> bool:
        return order.deadline.after(ABSENT_AFTER_S).left_s(self._now()) < 0.0

    async def _settle(self, order: Order, outcome: Outcome) -> None:
        try:
            after = await self._store.write(settle(order, outcome, owner=self._owner, now=self._now))
        except OutcomeUnknown as error:
            log.error("order %s: %s", name_of(order), error)
            return
        if after is not None and after.state is not order.state:
            log.info("order %s was %s and is %s", name_of(order), order.state, after.state)
            self._settled(after)

    async def _look(self, waiting: Sequence[tuple[Order, float | None]]) -> None:
        counts = await self._store.read(count_unsettled(open_since_s=self._wall_s() - LONG_OPEN_S)) if waiting else {}
        self.unresolved = self._unresolved(counts)
        unknown = [(order, checked_s) for order, checked_s in waiting if order.state is OrderState.UNKNOWN]
        for broker in self._venues.brokers():
            if broker.name in self._known:
                continue
            if broker.name not in self._answered:
                try:
                    await broker.positions(deadline_s=ASK_S)
                except Exception as error:  # noqa: BLE001 - whatever it is, this venue gets no orders and others do
                    log.warning("no orders yet: %s does not answer: %s", broker.name, error)
                    continue
                self._answered.add(broker.name)
            ours = [(order, checked_s) for order, checked_s in unknown if order.venue == broker.name]
            asked = [self._was_asked(broker, order, checked_s) for order, checked_s in ours]
            if all(asked):
                self._known.add(broker.name)

    def _was_asked(self, broker: Broker, order: Order, checked_s: float | None) -> bool:
        if _unaskable(broker, order):
            return checked_s is not None
        if self._windows(order) and checked_s is not None:
            # Since it was lost, by a worker before this one: to ask again costs a question.
            return True
        # By what changed and not by when: somebody may set the wall clock.
        return checked_s != self._first_seen.setdefault(name_of(order), checked_s)

    def _unresolved(self, counts: Mapping[str, Counts]) -> Unresolved:
        needs_operator = 0
        for venue, count in counts.items():
            broker = self._venues.broker(venue)
            if broker is None:
                needs_operator += count.unknown + count.long_open
            elif not broker.tells_absence:
                needs_operator += count.asked + count.long_open
        return Unresolved(unknown=sum(count.unknown for count in counts.values()), needs_operator=needs_operator)


def _unaskable(broker: Broker, order: Order) -> bool:
    # The venue knows no client order ids, and we do not know its own.
    return not broker.tells_absence and order.venue_order_id is None
