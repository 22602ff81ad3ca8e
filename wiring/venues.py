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

    `questions` is how often it may be asked about orders, likewise; one question is about all orders of a user.
    """

    broker: Broker
    windows: Sequence[tuple[int, float]] = ()
    questions: Sequence[tuple[int, float]] = ()
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

    def follows(self, name: str) -> bool:
        """True where a venue can be asked by client order id: what is open there is settled without a person."""
        broker = self.broker(name)
        return broker is not None and broker.tells_absence

    def place_of(self, name: str) -> Place | None:
        """The place of the broker that orders call by this name; None when there is none any more."""
        return next((place for place in self._places.values() if place.broker.name == name), None)

    def shut(self) -> frozenset[str]:
        """The names of the venues that take no orders now."""
        names = [(place, place.broker.name) for place in self._places.values()]
        return frozenset(name for place, name in names if not place.open() or not self._reconciled(name))

    def names(self) -> frozenset[str]:
        """The names of the venues that orders go to from here, whether they take any now or not."""
        return frozenset(place.broker.name for place in self._places.values())

    def brokers(self) -> tuple[Broker, ...]:
        """All of them."""
        return tuple(place.broker for place in self._places.values())

    def venue(self, place: Place, symbol: str) -> Venue:
        """The place as the rules see it at this moment, for an order in a symbol."""
        return self.by_symbol(place)(symbol)

    def by_symbol(self, place: Place) -> Callable[[str], Venue]:
        """The same for any symbol, still as it is at this moment: to be asked later, and from any thread."""
        broker, is_open, reconciled = place.broker, place.open(), self._reconciled(place.broker.name)
        is_live = place is self._places.get(ExecutionMode.LIVE)
        mismatched = frozenset(self._mismatched()) if is_live else frozenset()

        def venue(symbol: str) -> Venue:
            blocked = None if is_open else BlockReason.VENUE_UNAVAILABLE
            if symbol in mismatched:
                blocked = BlockReason.POSITION_MISMATCH
            return Venue(
                name=broker.name, rules=broker.rules, blocked=blocked if reconciled else BlockReason.RECONCILING
            )

        return venue
