"""What every venue keeps of trading.ports.Broker: one order a client id, and never a guess about what became of it."""

import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.brokers.catalogue import BROKERS
from tests.adapters.brokers.venues import ACCOUNT, PRICE, VENUES, Venue
from tests.fakes.waiting import T, run
from trading.errors import CannotAsk, NotSent, OutcomeUnknown, UpstreamUnavailable
from trading.orders import ZERO, OrderRequest, OrderState, Receipt, Side

Scenario = Callable[[Venue], Awaitable[T]]
# A deadline that a busy machine keeps too, and one that is short enough to wait for.
ENOUGH_S, SHORT_S = 5.0, 0.5


def order(number: int = 1, quantity: str = "1", side: Side = Side.BUY, symbol: str = "BTC") -> OrderRequest:
    return OrderRequest(
        client_order_id=f"rl-{number:032x}", user_id=ACCOUNT, symbol=symbol, side=side, quantity=Decimal(quantity)
    )


@pytest.fixture(params=list(VENUES))
def at_venue(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scenario[T]], T]:
    """Runs a scenario at each venue in turn."""

    def do(scenario: Scenario[T]) -> T:
        async def main() -> T:
            async with VENUES[request.param](tmp_path) as venue:
                return await scenario(venue)

        return run(main())

    return do


def test_the_venues_under_test_are_those_of_the_catalogue_that_take_orders() -> None:
    assert {name.split(" ")[0] for name in VENUES} == BROKERS.keys() - {"trading_service_v1"}


@pytest.mark.parametrize("side", Side)
def test_a_placed_order_is_filled_at_the_price_of_the_venue(at_venue: Callable[..., T], side: Side) -> None:
    async def scenario(venue: Venue) -> None:
        receipt = await venue.broker.place(order(quantity="0.25", side=side), deadline_s=ENOUGH_S)
        assert receipt.state is OrderState.FILLED
        assert (receipt.filled_quantity, receipt.average_price) == (Decimal("0.25"), PRICE)
        assert receipt.venue_order_id
        assert venue.booked() == 1

    at_venue(scenario)


def test_a_placed_order_is_found_as_it_is_or_the_venue_says_that_it_cannot_tell(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> None:
        placed = await venue.broker.place(order(), deadline_s=ENOUGH_S)
        found = await venue.broker.find(order(), placed.venue_order_id, deadline_s=ENOUGH_S)
        assert found == placed
        if venue.broker.tells_absence:
            assert await venue.broker.find(order(), None, deadline_s=ENOUGH_S) == placed
        else:
            with pytest.raises(CannotAsk):
                await venue.broker.find(order(), None, deadline_s=ENOUGH_S)

    at_venue(scenario)


def test_an_order_filled_in_part_is_open_with_what_it_has(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> None:
        venue.fill_slowly()
        receipt = await venue.broker.place(order(), deadline_s=ENOUGH_S)
        assert receipt.state is OrderState.OPEN
        assert (receipt.filled_quantity, receipt.average_price) == (Decimal("0.5"), PRICE)

    at_venue(scenario)


def test_where_absence_is_told_an_unknown_order_is_none_and_elsewhere_nobody_claims_it(
    at_venue: Callable[..., T],
) -> None:
    async def scenario(venue: Venue) -> None:
        await venue.broker.place(order(1), deadline_s=ENOUGH_S)
        if venue.broker.tells_absence:
            assert await venue.broker.find(order(2), None, deadline_s=ENOUGH_S) is None
        else:
            with pytest.raises(CannotAsk):
                await venue.broker.find(order(2), None, deadline_s=ENOUGH_S)

    at_venue(scenario)


def test_a_client_id_sent_twice_is_one_order_where_the_venue_can_tell(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> None:
        first = await venue.broker.place(order(), deadline_s=ENOUGH_S)
        again = await venue.broker.place(order(), deadline_s=ENOUGH_S)
        # Where it cannot, one call is one transmission: nothing in between sends again.
        assert venue.booked() == (1 if venue.dedupes else 2)
        assert (again == first) is venue.dedupes

    at_venue(scenario)


def test_a_refusal_that_proves_itself_is_rejected_with_a_reason_and_books_nothing(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> None:
        venue.refuse()
        receipt = await venue.broker.place(order(), deadline_s=ENOUGH_S)
        assert receipt.state is OrderState.REJECTED
        assert receipt.reason
        assert (receipt.filled_quantity, receipt.average_price) == (ZERO, None)
        assert venue.booked() == 0

    at_venue(scenario)


def test_a_venue_that_hangs_leaves_the_outcome_unknown_within_the_deadline(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> float:
        with venue.hanging():
            began_s = time.monotonic()
            with pytest.raises(OutcomeUnknown):
                await venue.broker.place(order(), deadline_s=SHORT_S)
            return time.monotonic() - began_s

    # Ten times what it is: a busy machine adds some, a deadline that is not kept adds the hang.
    assert at_venue(scenario) < 10 * SHORT_S


def test_a_venue_that_hangs_does_not_say_that_an_order_is_absent(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> None:
        with venue.hanging(), pytest.raises(UpstreamUnavailable):
            await venue.broker.find(order(), "7", deadline_s=SHORT_S)

    at_venue(scenario)


def test_without_time_left_nothing_is_sent(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> None:
        with pytest.raises(NotSent):
            await venue.broker.place(order(), deadline_s=0.0)
        assert venue.booked() == 0

    at_venue(scenario)


def test_where_nobody_listens_nothing_is_sent(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> None:
        if venue.unreachable is not None:
            venue.unreachable()
            with pytest.raises(NotSent):
                await venue.broker.place(order(), deadline_s=ENOUGH_S)

    at_venue(scenario)


def test_a_symbol_the_venue_does_not_know_has_no_rules_and_is_refused(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> Receipt:
        assert venue.broker.rules("NOPE") is None
        rules = venue.broker.rules("BTC")
        assert rules is not None
        assert min(rules.lot, rules.tick, rules.min_notional) > 0
        receipt = await venue.broker.place(order(symbol="NOPE"), deadline_s=ENOUGH_S)
        assert venue.booked() == 0
        return receipt

    assert at_venue(scenario).state is OrderState.REJECTED


def test_positions_are_those_the_orders_add_up_to_or_are_not_told(at_venue: Callable[..., T]) -> None:
    async def scenario(venue: Venue) -> None:
        await venue.broker.place(order(1, "0.5"), deadline_s=ENOUGH_S)
        await venue.broker.place(order(2, "0.2", Side.SELL), deadline_s=ENOUGH_S)
        held = await venue.broker.positions(deadline_s=ENOUGH_S)
        assert held is None or held == {"BTC": Decimal("0.3")}

    at_venue(scenario)
