"""A place takes orders once what became of earlier ones is known, and while it is open."""

from tests.fakes.brokers import FakeBroker
from trading.agents import ExecutionMode
from trading.vocabulary import BlockReason
from wiring.venues import Place, Venues


def test_orders_of_a_mode_go_to_its_place_and_are_found_by_its_name() -> None:
    paper, live = Place(broker=FakeBroker()), Place(broker=FakeBroker("v2"))
    venues = Venues({ExecutionMode.PAPER: paper}, lambda _: True)
    assert venues.place(ExecutionMode.LIVE) is None
    assert venues.broker("v2") is None
    venues.add(ExecutionMode.LIVE, live)
    assert venues.place(ExecutionMode.LIVE) is live
    assert venues.broker("v2") is live.broker
    assert venues.brokers() == (paper.broker, live.broker)


def test_a_place_says_why_it_takes_no_orders() -> None:
    known: set[str] = set()
    doors = {"open": False}
    place = Place(broker=FakeBroker(), open=lambda: doors["open"])
    venues = Venues({ExecutionMode.PAPER: place}, lambda name: name in known)
    assert venues.venue(place, "BTC").blocked is BlockReason.RECONCILING
    assert venues.shut() == {"paper"}
    known.add("paper")
    assert venues.venue(place, "BTC").blocked is BlockReason.VENUE_UNAVAILABLE
    assert venues.shut() == {"paper"}
    doors["open"] = True
    assert venues.venue(place, "BTC").blocked is None
    assert venues.shut() == frozenset()
    known.clear()
    assert venues.shut() == {"paper"}


def test_what_a_place_says_of_symbols_stays_as_it_was_at_the_moment() -> None:
    mismatched = ["BTC"]
    live = Place(broker=FakeBroker("v2"))
    venues = Venues({ExecutionMode.LIVE: live}, lambda _: True, lambda: mismatched)
    then = venues.by_symbol(live)
    mismatched[:] = ["ETH"]
    assert (then("BTC").blocked, then("ETH").blocked) == (BlockReason.POSITION_MISMATCH, None)
    assert venues.venue(live, "ETH").blocked is BlockReason.POSITION_MISMATCH


def test_a_symbol_of_which_the_live_venue_holds_less_gets_no_orders_there_alone() -> None:
    live, paper = Place(broker=FakeBroker("v2")), Place(broker=FakeBroker())
    places = {ExecutionMode.LIVE: live, ExecutionMode.PAPER: paper}
    venues = Venues(places, lambda _: True, lambda: ("BTC",))
    assert venues.venue(live, "BTC").blocked is BlockReason.POSITION_MISMATCH
    assert venues.venue(live, "ETH").blocked is None
    assert venues.venue(paper, "BTC").blocked is None
