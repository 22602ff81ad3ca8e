"""Was every order booked once, and none that was not sent?"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """An economic order of the ledger. Times: wall (Unix seconds) and the fake's monotonic clock."""

    number: int
    client_order_id: str | None
    user: str
    symbol: str
    side: str
    quantity: Decimal
    filled: Decimal
    average_price: Decimal | None
    status: str
    at_s: float
    at_monotonic_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All that a fake venue booked, and what reached it (as JSON, one mapping for each transmission)."""

    bookings: tuple[Booked, ...]
    transmissions: tuple[dict[str, Any], ...]

    def doubled(self) -> dict[str, int]:
        """The client order ids that were booked more than once, with how often."""
        counts = Counter(each.client_order_id for each in self.bookings if each.client_order_id is not None)
        return {client_id: count for client_id, count in counts.items() if count > 1}

    def client_ids(self) -> set[str]:
        return {each.client_order_id for each in self.bookings if each.client_order_id is not None}

    def missing(self, placed: Collection[str]) -> set[str]:
        """Of the client order ids that we call placed, those the venue has never booked."""
        return set(placed) - self.client_ids()

    def unknown(self, sent: Collection[str]) -> set[str]:
        """The client order ids that were booked though we do not call them placed."""
        return self.client_ids() - set(sent)

    def alike(self, symbol: str, side: str, quantity: Decimal) -> tuple[Booked, ...]:
        """The orders with these terms, in the order of their arrival: all there is to match by without client ids."""
        return tuple(
            each for each in self.bookings if (each.symbol, each.side, each.quantity) == (symbol, side, quantity)
        )


def ledger_of(told: dict[str, Any]) -> Ledger:
    """Read what `/_control/ledger` answers."""
    return Ledger(
        bookings=tuple(_booked(each) for each in told["bookings"]),
        transmissions=tuple(told.get("transmissions", ())),
    )


def _booked(told: dict[str, Any]) -> Booked:
    average = told["average_price"]
    return Booked(
        number=told["number"],
        client_order_id=told["client_order_id"],
        user=told["user"],
        symbol=told["symbol"],
        side=told["side"],
        quantity=Decimal(told["quantity"]),
        filled=Decimal(told["filled"]),
        average_price=None if average is None else Decimal(average),
        status=told["status"],
        at_s=told["at_s"],
        at_monotonic_s=told["at_monotonic_s"],
    )
