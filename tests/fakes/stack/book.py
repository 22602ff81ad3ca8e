"""What did the venue book, of what reached it?"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from tests.fakes.stack.terms import Terms

ZERO = Decimal(0)


@dataclass(slots=True, kw_only=True)
class Transmission:
    """A request on a route that places orders, as it reached us: `status` of our answer, None where there is none."""

    number: int
    route: str
    body: Any
    at_s: float
    at_monotonic_s: float
    user: str | None = None
    fault: str | None = None
    status: int | None = None
    booked: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A part of an order that was done: quantity in base units, price in USD, wall time."""

    quantity: Decimal
    price: Decimal
    at_s: float


@dataclass(slots=True, kw_only=True)
class Booking:
    """One economic order. `asked` is the symbol as it was asked for; `status` is open | filled | canceled."""

    number: int
    client_order_id: str | None
    user: str
    symbol: str
    asked: str
    side: str
    quantity: Decimal
    transmission: int
    at_s: float
    at_monotonic_s: float
    status: str = "open"
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def average_price(self) -> Decimal | None:
        if not self.fills:
            return None
        return sum((fill.quantity * fill.price for fill in self.fills), ZERO) / self.filled

    def as_json(self) -> dict[str, Any]:
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "fills"}
        fills = [{"quantity": fill.quantity, "price": fill.price, "at_s": fill.at_s} for fill in self.fills]
        return own | {"fills": fills, "filled": self.filled, "average_price": self.average_price}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A market order as a route has understood it: symbol is the coin, side BUY or SELL.

    `immediate`: the client wants no rest of it to stay open.
    """

    user: str
    symbol: str
    asked: str
    side: str
    quantity: Decimal
    client_order_id: str | None = None
    immediate: bool = False


class Book:
    """Every order of one venue by arrival, and what its users hold. Fills at `price(coin)` of the moment."""

    def __init__(self, terms: Terms, price: Callable[[str], Decimal]) -> None:
        self._terms = terms
        self._price = price
        self.clear()

    def clear(self) -> None:
        self.bookings: list[Booking] = []
        self.transmissions: list[Transmission] = []
        self._held: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
        self._open: dict[int, Booking] = {}
        self._by_user: defaultdict[str, list[Booking]] = defaultdict(list)
        self._by_client_id: dict[tuple[str, str], Booking] = {}

    def transmitted(self, route: str, body: Any) -> Transmission:
        """Take note of what reached us, whatever becomes of it."""
        one = Transmission(
            number=len(self.transmissions) + 1,
            route=route,
            body=body,
            at_s=time.time(),
            at_monotonic_s=time.monotonic(),
        )
        self.transmissions.append(one)
        return one

    def place(self, asked: Asked, transmission: Transmission) -> Booking:
        """Book an order and fill what the terms fill at once. With `dedupes` a known client id gets its first one."""
        transmission.user = asked.user
        key = (asked.user, asked.client_order_id or "")
        if self._terms.dedupes and asked.client_order_id is not None and key in self._by_client_id:
            return self._by_client_id[key]
        booking = self._enter(asked, transmission)
        self._by_client_id.setdefault(key, booking)
        if self._terms.fills == "whole":
            self.fill(booking, booking.quantity)
        elif self._terms.fills == "halves":
            self.fill(booking, booking.quantity / 2)
        if asked.immediate and self._terms.cancels_rest:
            self.cancel(booking)
        return booking

    def _enter(self, asked: Asked, transmission: Transmission) -> Booking:
        booking = Booking(
            number=len(self.bookings) + 1,
            client_order_id=asked.client_order_id,
            user=asked.user,
            symbol=asked.symbol,
            asked=asked.asked,
            side=asked.side,
            quantity=asked.quantity,
            transmission=transmission.number,
            at_s=time.time(),
            at_monotonic_s=time.monotonic(),
        )
        transmission.booked.append(booking.number)
        self.bookings.append(booking)
        self._by_user[asked.user].append(booking)
        self._open[booking.number] = booking
        return booking

    def fill(self, booking: Booking, quantity: Decimal) -> None:
        """Fill so much more of an open order, at the price of now."""
        if booking.status != "open":
            return
        booking.fills.append(Fill(quantity=quantity, price=self._price(booking.symbol), at_s=time.time()))
        self._held[booking.user][booking.symbol] += quantity if booking.side == "BUY" else -quantity
        if booking.filled >= booking.quantity:
            booking.status = "filled"
            del self._open[booking.number]

    def cancel(self, booking: Booking) -> None:
        """An open order ends with what it has."""
        if booking.status == "open":
            booking.status = "canceled"
            del self._open[booking.number]

    def settle(self) -> None:
        """Fill the second halves that are due."""
        wait_s = self._terms.rest_after_s
        if wait_s is None or self._terms.fills != "halves":
            return
        for booking in list(self._open.values()):
            if booking.fills and time.monotonic() >= booking.at_monotonic_s + wait_s:
                self.fill(booking, booking.quantity - booking.filled)

    def listed(self, user: str) -> list[Booking]:
        """The orders of a user that the venue shows by now, newest first."""
        self.settle()
        shown_s = time.monotonic() - self._terms.lookup_lag_s
        shown = [booking for booking in reversed(self._by_user[user]) if booking.at_monotonic_s <= shown_s]
        return shown[: self._terms.listing_limit]

    def held(self, user: str) -> dict[str, Decimal]:
        """What a user holds by coin, in base units; nothing of what is flat."""
        self.settle()
        return {coin: quantity for coin, quantity in self._held[user].items() if quantity}
