"""Where orders of each execution mode go, and whether that place takes orders now."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from trading.agents import ExecutionMode
from trading.intents import Venue
from trading.ports import Broker
from trading.vocabulary import BlockReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A broker, how many orders it takes within how many seconds (`windows`), and whether it takes any now (`open`).

    `ask_every_s` is how long after one question about an order the next may follow.
    """

    broker: Broker
    windows: Sequence[tuple[int, float]] = ()
    ask_every_s: float = 0.0
    open: Callable[[], bool] = lambda: True


class Venues:
    """The places by mode.

    `reconciled` says of a place whether what became of earlier orders is known; `mismatched` gives the symbols in which
    the live one holds less than we think.
    """

    def __init__(
        self,
        places: Mapping[ExecutionMode, Place],
        reconciled: Callable[[str], bool],
        mismatched: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._places = dict(places)
        self._reconciled = reconciled
        self._mismatched = mismatched

    def add(self, mode: ExecutionMode, place: Place) -> None:
        """From now on orders of a mode go there."""
        self._places[mode] = place

    def place(self, mode: ExecutionMode) -> Place | None:
        """The place of a mode; None where orders of it go nowhere."""
        return self._places.get(mode)

    def broker(self, name: str) -> Broker | None:
        """The broker that orders call by this name; None when there is none any more."""
        place = self.place_of(name)
        return None if place is None else place.broker

    def place_of(self, name: str) -> Place | None:
        """The place of the broker that orders call by this name; None when there is none any more."""
        return next((place for place in self._places.values() if place.broker.name == name), None)

    def shut(self) -> frozenset[str]:
        """The names of the venues that take no orders now."""
        return frozenset(place.broker.name for place in self._places.values() if not place.open())

    def brokers(self) -> tuple[Broker, ...]:
        """All of them."""
        return tuple(place.broker for place in self._places.values())

    def venue(self, place: Place, symbol: str) -> Venue:
        """The place as the rules see it at this moment, for an order in a symbol."""
        return Venue(name=place.broker.name, rules=place.broker.rules, blocked=self._blocked(place, symbol))

    def _blocked(self, place: Place, symbol: str) -> BlockReason | None:
        if not self._reconciled(place.broker.name):
            return BlockReason.RECONCILING
        if place is self._places.get(ExecutionMode.LIVE) and symbol in self._mismatched():
            return BlockReason.POSITION_MISMATCH
        return None if place.open() else BlockReason.VENUE_UNAVAILABLE
