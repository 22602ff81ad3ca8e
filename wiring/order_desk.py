"""What follows a decision that may be traded: an order, durable before anybody is told of it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from adapters.store.budgets import take_call
from adapters.store.engine import WITHIN_S, Store, Work
from adapters.store.intending import Intending, intend
from adapters.store.journal import Journal
from trading.boot import Clock
from trading.errors import StoreUnavailable
from trading.intents import Facts, Planned, Terms, plan, trades
from trading.vocabulary import BlockReason, Decision
from wiring.order_sender import Sender
from wiring.policy_risk import takes_risk
from wiring.venues import Place, Venues

log = logging.getLogger("rl_service.orders")

# The venue's rate limit as one budget over all workers.
VENUE_CALLS = "orders:{name}"
# The store may take this long to confirm even where the caller waits for less.
LEAST_S = 0.1


class OrderDesk:
    """Turns decisions into orders. For one event loop; `terms` say how orders are made.

    `price_of` gives the last close of a symbol in quote currency, None when it is not known now; `decided` is told of
    every decision as it is kept.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        venues: Venues,
        sender: Sender,
        *,
        price_of: Callable[[str], Decimal | None],
        terms: Terms,
        now: Clock,
        decided: Callable[[Decision], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._journal = journal
        self._venues = venues
        self._sender = sender
        self._price_of = price_of
        self._terms = terms
        self._now = now
        self._decided = decided

    async def act(self, decision: Decision, *, budget_s: float, again: bool = False) -> Decision:
        """The decision as it is kept, with its order durable, or with why none follows. Journalled by it.

        Without the store there is no order, and the decision says so; with `again`, which is for decisions that may
        have been made before, StoreUnavailable is raised. The order leaves within `budget_s` seconds or never.
        """
        try:
            return await self.keep(decision, budget_s=budget_s, along=None)
        except asyncio.CancelledError:
            # Nobody waits for it any more, and it may yet become durable.
            self._sender.refuse(decision.request_id)
            raise
        except StoreUnavailable as error:
            # It may yet become durable: then its sender, which alone may send it, ends it instead.
            self._sender.refuse(decision.request_id)
            log.warning("no order for %s: %s", decision.request_id, error)
            if again:
                raise
            refused = replace(decision, refused_by=(BlockReason.STORE_UNAVAILABLE,))
            self._journal.add(refused, decided_at_s=refused.judged_at_s)
            self._decided(refused)
            return refused

    async def keep(self, decision: Decision, *, budget_s: float, along: Work[None] | None) -> Decision:
        """The same for any decision, whether an order may follow or not; `along` is the first in the transaction.

        Raises StoreUnavailable: then it may yet become durable; and what `along` raises.
        """
        todo = Intending(
            plan=self._plan(decision, budget_s),
            journal=self._journal.insert,
            take_call=self._take_call(decision),
            along=along,
            takes_risk=takes_risk,
        )
        work = intend(decision, todo, owner=self._sender.owner, now=self._now)
        kept = await self._store.write(work, within_s=max(min(budget_s, WITHIN_S), LEAST_S))
        if kept.client_order_id is not None:
            self._sender.wake()
        self._decided(kept)
        return kept

    def _plan(self, decision: Decision, budget_s: float) -> Callable[[Facts], Planned]:
        if not trades(decision):
            return lambda _: Planned(decision=decision, order=None)
        place, terms = self._place(decision), self._terms
        if place is None:
            refused = replace(decision, refused_by=(BlockReason.VENUE_UNAVAILABLE,))
            return lambda _: Planned(decision=refused, order=None)
        # Both now: on SQLite the rest is done in another thread, and perhaps later.
        deadline = self._now().after(min(terms.ttl_s, budget_s))
        venue = self._venues.venue(place, decision.signal.symbol)
        return lambda facts: plan(decision, facts, venue, terms, deadline=deadline, price_of=self._price_of)

    def _take_call(self, decision: Decision) -> Work[bool] | None:
        place = self._place(decision)
        if place is None or not place.windows:
            return None
        name = VENUE_CALLS.format(name=place.broker.name)
        return take_call(name, windows=place.windows, now=self._now)

    def _place(self, decision: Decision) -> Place | None:
        return None if decision.agent is None else self._venues.place(decision.agent.config.execution)
