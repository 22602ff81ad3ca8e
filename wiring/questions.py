"""How often a venue that counts questions is asked what became of orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from adapters.store.budgets import take_call
from adapters.store.engine import Store
from trading.boot import Clock
from trading.orders import Order
from wiring.venues import Venues

# The second time a venue is asked about an order it can say that it does not have it; then twice as long each time.
FIRST_PAUSE_S = 12.0
LONGEST_PAUSE_S = 300.0

# A venue's name and a user's id: one question is about all orders of a user.
Whose: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    # When (monotonic) a venue was asked about orders of a user, and how long not again about these.
    at_s: float
    pause_s: float
    orders: frozenset[str]


class Questions:
    """What a worker's reconciler may ask venues with a limit on `questions`, which all workers share."""

    def __init__(self, store: Store, venues: Venues, *, now: Clock) -> None:
        self._store = store
        self._venues = venues
        self._now = now
        self._last: dict[Whose, _Asked] = {}

    def due(self, order: Order) -> bool:
        """Whether it is time to ask about an order: at once when it is new, then less and less often."""
        asked = self._last.get(_whose(order))
        if asked is None or order.request.client_order_id not in asked.orders:
            return True
        return self._now().monotonic_s - asked.at_s >= asked.pause_s

    async def affordable(self, due: Sequence[Order]) -> list[Order]:
        """Those that may be asked about now, the orders of a user together. Raises StoreUnavailable."""
        counted: dict[Whose, list[Order]] = {}
        free: list[Order] = []
        spent: set[str] = set()
        for order in due:
            place, whose = self._venues.place_of(order.venue), _whose(order)
            if place is None or not place.questions:
                free.append(order)
            elif whose in counted:
                counted[whose].append(order)
            elif order.venue not in spent and await self._take(order.venue, place.questions):
                counted[whose] = [order]
            else:
                spent.add(order.venue)
        self._note(counted)
        return [*free, *(order for together in counted.values() for order in together)]

    async def _take(self, venue: str, windows: Sequence[tuple[int, float]]) -> bool:
        return await self._store.write(take_call(f"questions to {venue}", windows=windows, now=self._now))

    def _note(self, asked_about: Mapping[Whose, Sequence[Order]]) -> None:
        now_s = self._now().monotonic_s
        kept = {whose: asked for whose, asked in self._last.items() if now_s - asked.at_s < 2 * LONGEST_PAUSE_S}
        for whose, together in asked_about.items():
            names, before = frozenset(order.request.client_order_id for order in together), kept.get(whose)
            if before is None or names - before.orders:
                pause_s = FIRST_PAUSE_S
            else:
                pause_s = min(2 * before.pause_s, LONGEST_PAUSE_S)
            known = names if before is None else names | before.orders
            kept[whose] = _Asked(at_s=now_s, pause_s=pause_s, orders=known)
        self._last = kept


def _whose(order: Order) -> Whose:
    return order.venue, order.request.user_id
