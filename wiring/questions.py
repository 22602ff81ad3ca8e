"""How often a venue that counts questions is asked what became of orders."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from adapters.store.budgets import take_call
from adapters.store.engine import Store
from trading.boot import Clock
from trading.orders import Order

# The second time a venue is asked about an order it can say that it does not have it; then twice as long each time.
FIRST_PAUSE_S = 12.0
LONGEST_PAUSE_S = 120.0
# A venue that gave no answer is tried again after so long, about one user; who is away counts no questions.
SILENT_S = 20.0

# A venue's name and a user's id: one question is about all orders of a user.
Whose: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    # When (monotonic) a venue answered about orders of a user, and how long it is not asked again about these.
    at_s: float
    pause_s: float
    orders: frozenset[str]


class Questions:
    """What one reconciler may ask venues with a limit on questions; the limit itself is shared by all workers."""

    def __init__(self, store: Store, *, now: Clock) -> None:
        self._store = store
        self._now = now
        self._last: dict[Whose, _Asked] = {}
        self._silent_since_s: dict[str, float] = {}

    def due(self, order: Order) -> bool:
        """Whether it is time to ask about an order: at once when it is new, then less and less often."""
        asked = self._last.get(whose(order))
        if asked is None or name_of(order) not in asked.orders:
            return True
        return self._now().monotonic_s - asked.at_s >= asked.pause_s

    async def may_ask(self, venue: str, windows: Sequence[tuple[int, float]]) -> bool:
        """Take one question; False when the venue may not be asked now. Raises StoreUnavailable."""
        silent_since_s = self._silent_since_s.get(venue)
        if silent_since_s is not None:
            return self._now().monotonic_s - silent_since_s >= SILENT_S
        return await self._store.write(take_call(f"questions to {venue}", windows=windows, now=self._now))

    def note(self, about: Sequence[Order], *, answered: bool) -> None:
        """Whether the venue answered the question about these orders, all of one user."""
        asked, names, now_s = whose(about[0]), frozenset(name_of(order) for order in about), self._now().monotonic_s
        if not answered:
            self._silent_since_s[asked[0]] = now_s
            return
        self._silent_since_s.pop(asked[0], None)
        before = self._last.get(asked)
        known = frozenset() if before is None else before.orders
        pause_s = min(2 * before.pause_s, LONGEST_PAUSE_S) if before and names <= known else FIRST_PAUSE_S
        self._last[asked] = _Asked(at_s=now_s, pause_s=pause_s, orders=names | known)

    def forget(self, waiting: Collection[Order]) -> None:
        """Forget all but these."""
        users, names = {whose(order) for order in waiting}, frozenset(name_of(order) for order in waiting)
        self._last = {
            user: _Asked(at_s=asked.at_s, pause_s=asked.pause_s, orders=asked.orders & names)
            for user, asked in self._last.items()
            if user in users
        }


def whose(order: Order) -> Whose:
    """What one question is about."""
    return order.venue, order.request.user_id


def name_of(order: Order) -> str:
    """What we call an order."""
    return order.request.client_order_id
