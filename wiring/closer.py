"""What a stop needs to close positions: where orders go at that moment, at which price, and who sends them."""

from collections.abc import Callable
from decimal import Decimal

from adapters.store.budgets import take_call
from adapters.store.closing import Stopping
from trading.agents import ExecutionMode
from trading.boot import Clock
from trading.closing import Closing, Held, close
from wiring.order_desk import VENUE_CALLS
from wiring.order_sender import Sender
from wiring.venues import Venues


class Closer:
    """Closes positions of agents that stop. For one event loop.

    `price_of` gives the last close of a symbol in quote currency, None when it is not known now, `market_s` the time on
    the market's clock (Unix seconds); an order leaves within `ttl_s` seconds of the stop or never. Keeps
    wiring.agents.Closer.
    """

    def __init__(
        self,
        venues: Venues,
        sender: Sender,
        *,
        price_of: Callable[[str], Decimal | None],
        market_s: Callable[[], float],
        ttl_s: float,
        now: Clock,
    ) -> None:
        self._venues = venues
        self._sender = sender
        self._price_of = price_of
        self._market_s = market_s
        self._ttl_s = ttl_s
        self._now = now

    def stopping(self) -> Stopping:
        """How a transaction closes positions: on SQLite it is in another thread, and perhaps seconds later."""
        places = {mode: place for mode in ExecutionMode if (place := self._venues.place(mode)) is not None}
        venues = {mode: self._venues.by_symbol(place) for mode, place in places.items()}

        def close_held(held: Held) -> Closing:
            venue_of = venues.get(held.agent.config.execution)
            venue = None if venue_of is None else venue_of(held.symbol)
            price, deadline = self._price_of(held.symbol), held.now.after(self._ttl_s)
            return close(held, venue, price=price, market_s=self._market_s(), deadline=deadline)

        return Stopping(
            close=close_held,
            take_call={
                mode: take_call(VENUE_CALLS.format(name=place.broker.name), windows=place.windows, now=self._now)
                for mode, place in places.items()
                if place.windows
            },
            owner=self._sender.owner,
            now=self._now,
        )

    def wake(self) -> None:
        """There may be orders to send."""
        self._sender.wake()
