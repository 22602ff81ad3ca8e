"""What closes positions, where there is no venue."""

from adapters.boot import boot_clock
from adapters.store.engine import Store
from trading.vocabulary import Halt
from wiring.closer import Closer
from wiring.order_sender import Sender
from wiring.venues import Venues


def nowhere(store: Store) -> Closer:
    """Orders of no mode go anywhere, and no price is known."""
    clock, venues = boot_clock(), Venues({}, lambda _: False)
    sender = Sender(store, venues, owner="one", now=clock, halt=lambda: Halt.OPEN)
    return Closer(venues, sender, price_of=lambda _: None, market_s=lambda: 0.0, ttl_s=5.0, now=clock)
