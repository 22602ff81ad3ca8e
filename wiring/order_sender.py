"""Sends the orders this worker intended: each once, in time or not at all, and writes down what became of it."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress

from adapters.store.engine import Store
from adapters.store.failures import RefusedStatement
from adapters.store.orders import Claim, Outcome, claim, settle
from adapters.store.unsettled import anything_to_claim
from trading.boot import Clock, Moment
from trading.errors import NotSent, OutcomeUnknown, StoreUnavailable, UpstreamUnavailable
from trading.orders import SENDER_LEASE_S, Order, OrderState, client_order_id
from trading.vocabulary import Halt
from wiring.policy_risk import takes_risk
from wiring.venues import Venues

log = logging.getLogger("rl_service.orders")

# One send, everything included: what became of it is written down before the lease ends.
PLACE_S = SENDER_LEASE_S * 0.6
# As many as leave at once through one client: see adapters.upstream.gate.
AT_ONCE = 10
# How often a worker looks for orders of workers that are no more, and tries again what did not leave.
LOOK_S = 1.0
RETRY_S = 0.2
# Who is held up for so long between the claim and the call asks again whether the order may leave: trading may have
# been halted since, the agent paused, or the experiment stopped.
HELD_UP_S = 1.0
# Decisions whose order was refused because the store was late; an order is too late after seconds.
MOST_REFUSED = 10_000


class Sender:
    """One worker's sender; `owner` names it in the store. `halt` is what this process knows, at most a second old."""

    def __init__(
        self,
        store: Store,
        venues: Venues,
        *,
        owner: str,
        now: Clock,
        halt: Callable[[], Halt],
        settled: Callable[[Order], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.owner = owner
        self._store = store
        self._venues = venues
        self._now = now
        self._halt = halt
        self._settled = settled
        self._sleep = sleep
        self._wake = asyncio.Event()
        self._refused: OrderedDict[str, None] = OrderedDict()
        self._sending: set[asyncio.Task[None]] = set()
        # As many were claimed as may leave at once; and somebody waits to try again what did not leave.
        self._more = False
        self._retrying = False
        # Those that may be at the venue by this sender, by id and epoch, until what became of them is written down.
        self._begun: set[tuple[str, int]] = set()

    @property
    def busy(self) -> int:
        """Orders that are being sent."""
        return len(self._sending)

    def wake(self) -> None:
        """There is an order to send."""
        self._wake.set()

    def refuse(self, decision_id: str) -> None:
        """Never send the order of this decision, should it turn up: its caller was told that there is none."""
        self._refused[client_order_id(decision_id)] = None
        while len(self._refused) > MOST_REFUSED:
            self._refused.popitem(last=False)

    async def run(self) -> None:
        """Send what there is to send, for ever."""
        woken = True
        while True:
            with suppress(StoreUnavailable):
                if woken or await self._store.read(anything_to_claim()):
                    await self._send_claimed()
            woken = await self._woken()

    async def drain(self) -> None:
        """Until every order that is being sent is settled."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def stop(self) -> None:
        """End what is being sent; what became of it is found out by whoever reconciles."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _woken(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._wake.wait()
        woken = self._wake.is_set()
        self._wake.clear()
        return woken

    async def _send_claimed(self) -> None:
        # Only what may leave at once: what waits for its turn is asked about again.
        since, most = self._now(), max(AT_ONCE - len(self._sending), 0)
        claimed = await self._store.write(
            claim(
                Claim(
                    owner=self.owner,
                    most=most,
                    refused=frozenset(self._refused),
                    begun=frozenset(self._begun),
                    shut=self._venues.shut(),
                    reaches=self._venues.names(),
                    takes_risk=takes_risk,
                ),
                self._now,
            )
        )
        for order in claimed.ended:
            self._settled(order)
        for order in claimed.to_send:
            self._begun.add((order.request.client_order_id, order.epoch))
            task = asyncio.create_task(self._send(order, since))
            self._sending.add(task)
            task.add_done_callback(self._ended)
        self._more = len(claimed.to_send) == most

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if self._more:
            self.wake()

    async def _send(self, order: Order, since: Moment) -> None:
        outcome = await self._outcome(order, since)
        after = await self._write_down(order, outcome)
        name = order.request.client_order_id
        self._begun.discard((name, order.epoch))
        if after is None:
            log.warning("order %s went on without its sender", name)
            return
        if outcome.receipt is not None and after.filled_quantity < outcome.receipt.filled_quantity:
            log.error(
                "order %s ended as %s, and the venue filled %s", name, after.state, outcome.receipt.filled_quantity
            )
        self._settled(after)
        if after.state is OrderState.NEW and not self._retrying:
            # One for all that did not leave.
            self._retrying = True
            await self._sleep(RETRY_S)
            self._retrying = False
            self.wake()

    async def _outcome(self, order: Order, since: Moment) -> Outcome:
        broker, halt, now = self._venues.broker(order.venue), self._halt(), self._now()
        if broker is None:
            return Outcome(state=OrderState.BLOCKED, reason="no_such_venue")
        if halt is Halt.HALTED or (halt is Halt.REDUCING and not order.reduces):
            return Outcome(state=OrderState.BLOCKED, reason=halt)
        if order.request.client_order_id in self._refused:
            return Outcome(state=OrderState.BLOCKED, reason="not_confirmed_in_time")
        left_s = order.deadline.left_s(now)
        if left_s <= 0.0:
            return Outcome(state=OrderState.EXPIRED, reason="too_late")
        if since.after(HELD_UP_S).left_s(now) <= 0.0:
            return Outcome(state=OrderState.NEW, reason="held_up")
        try:
            receipt = await broker.place(order.request, deadline_s=min(left_s, PLACE_S))
        except NotSent as error:
            return Outcome(state=OrderState.NEW, reason=str(error)[:200])
        except UpstreamUnavailable as error:
            return Outcome(state=OrderState.UNKNOWN, reason=str(error)[:200] or type(error).__name__)
        except Exception:  # a fault of ours while bytes may have left: it is not known, and says so
            log.exception("sending order %s failed", order.request.client_order_id)
            return Outcome(state=OrderState.UNKNOWN, reason="internal")
        return Outcome(state=receipt.state, reason=receipt.reason, receipt=receipt)

    async def _write_down(self, order: Order, outcome: Outcome) -> Order | None:
        while True:
            try:
                return await self._store.write(settle(order, outcome, owner=self.owner, now=self._now))
            except OutcomeUnknown as error:
                log.error("order %s: %s", order.request.client_order_id, error)
                outcome = Outcome(state=OrderState.UNKNOWN, reason=str(error)[:200])
            except RefusedStatement:
                log.exception("order %s cannot be written down", order.request.client_order_id)
                outcome = Outcome(state=OrderState.UNKNOWN, reason="internal")
                await self._sleep(RETRY_S)
            except StoreUnavailable as error:
                log.warning("order %s waits for the store: %s", order.request.client_order_id, error)
                await self._sleep(RETRY_S)
