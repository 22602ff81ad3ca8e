"""TradingService V2 as a venue: what it is sent, in whose name, and which of its answers prove something."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.adapters.brokers.venues import ACCOUNT, PRICE, Venue, trading_service
from tests.fakes.stack.faults import FaultKind
from tests.fakes.stack.remote import Control
from tests.fakes.waiting import T, run
from trading.errors import CannotAsk, NotSent, OutcomeUnknown, UpstreamUnavailable
from trading.orders import OrderRequest, OrderState, Receipt, Side

ENOUGH_S = 5.0
LISTING = "GET /api/v1/brokers/orders"
ORDER = OrderRequest(client_order_id="rl-1", user_id=ACCOUNT, symbol="BTC", side=Side.SELL, quantity=Decimal("0.00001"))


def at_v2(folder: Path, scenario: Callable[[Venue, Control], Awaitable[T]], *, lists_client_ids: bool = True) -> T:
    async def main() -> T:
        async with trading_service(folder, "v2", lists_client_ids=lists_client_ids) as venue:
            assert venue.service is not None
            return await scenario(venue, venue.service.control)

    return run(main())


def test_an_order_goes_in_the_name_of_its_user_under_its_client_id(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> None:
        await venue.broker.place(ORDER, deadline_s=ENOUGH_S)
        ledger = control.ledger()
        assert ledger.transmissions[0]["body"] == {
            "symbol": "BTCUSDT",
            "qty": "0.00001",  # it came as a number: the ledger tells numbers digit by digit
            "side": "sell",
            "order_type": "market",
            "time_in_force": "ioc",
            "client_order_id": "rl-1",
        }
        booking = ledger.bookings[0]
        assert (booking.user, booking.symbol, booking.quantity) == (ACCOUNT, "BTC", ORDER.quantity)

    at_v2(tmp_path, scenario)


# The text of the venue's own refusal and of a fault after the order come in the same 500.
@pytest.mark.parametrize(
    "kind", [FaultKind.ACCEPT_THEN_500, FaultKind.ACCEPT_THEN_HTML_502, FaultKind.ACCEPT_THEN_RESET]
)
def test_a_broken_answer_proves_nothing_and_the_listing_tells(tmp_path: Path, kind: FaultKind) -> None:
    async def scenario(venue: Venue, control: Control) -> Receipt | None:
        control.fault(kind, times=1)
        with pytest.raises(OutcomeUnknown):
            await venue.broker.place(ORDER, deadline_s=ENOUGH_S)
        return await venue.broker.find(ORDER, None, deadline_s=ENOUGH_S)

    found = at_v2(tmp_path, scenario)
    assert found is not None
    assert (found.state, found.filled_quantity, found.average_price) == (OrderState.FILLED, ORDER.quantity, PRICE)


def test_the_venues_own_refusal_in_a_500_proves_nothing(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> None:
        control.set(refusal={"message": "insufficient buying power"})
        with pytest.raises(OutcomeUnknown):
            await venue.broker.place(ORDER, deadline_s=ENOUGH_S)

    at_v2(tmp_path, scenario)


def test_its_validation_is_proof_of_a_refusal(tmp_path: Path) -> None:
    long = OrderRequest(client_order_id="r" * 101, user_id=ACCOUNT, symbol="BTC", side=Side.BUY, quantity=Decimal(1))

    async def scenario(venue: Venue, _: Control) -> Receipt:
        return await venue.broker.place(long, deadline_s=ENOUGH_S)

    refused = at_v2(tmp_path, scenario)
    assert refused.state is OrderState.REJECTED
    assert refused.reason is not None
    assert "Validation failed" in refused.reason


def test_an_order_over_its_limit_was_not_sent(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> int:
        control.set(limits={"orders": [1, 60.0]})
        await venue.broker.place(ORDER, deadline_s=ENOUGH_S)
        for _ in range(2):
            with pytest.raises(NotSent):
                await venue.broker.place(ORDER, deadline_s=ENOUGH_S)
        return venue.booked()

    assert at_v2(tmp_path, scenario) == 1


def test_two_orders_under_one_client_id_are_for_a_person_to_look_at(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> None:
        control.fault(FaultKind.DUPLICATE, times=1)
        await venue.broker.place(ORDER, deadline_s=ENOUGH_S)
        with pytest.raises(CannotAsk, match="2 such orders"):
            await venue.broker.find(ORDER, None, deadline_s=ENOUGH_S)

    at_v2(tmp_path, scenario)


def test_an_acknowledged_order_that_is_not_listed_is_not_said_to_be_absent(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> None:
        control.set(lookup_lag_s=60.0)
        placed = await venue.broker.place(ORDER, deadline_s=ENOUGH_S)
        with pytest.raises(CannotAsk):
            await venue.broker.find(ORDER, placed.venue_order_id, deadline_s=ENOUGH_S)

    at_v2(tmp_path, scenario)


def test_a_listing_without_client_ids_says_nothing_whatever_was_set(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> None:
        control.set(lists_client_ids=False)
        await venue.broker.place(ORDER, deadline_s=ENOUGH_S)
        with pytest.raises(CannotAsk):
            await venue.broker.find(ORDER, None, deadline_s=ENOUGH_S)

    at_v2(tmp_path, scenario)


def test_of_many_orders_of_a_user_one_asks_also_where_there_is_no_answer(tmp_path: Path) -> None:
    orders = [replace(ORDER, client_order_id=f"rl-{number}") for number in range(8)]

    async def scenario(venue: Venue, control: Control) -> int:
        control.fault(FaultKind.HTML_502, route=LISTING)
        asked = await asyncio.gather(
            *(venue.broker.find(order, None, deadline_s=ENOUGH_S) for order in orders), return_exceptions=True
        )
        assert all(isinstance(error, UpstreamUnavailable) for error in asked)
        return control.counts()[LISTING]

    assert at_v2(tmp_path, scenario) <= 2  # one, and one more where a read is tried again


def test_another_users_orders_are_not_looked_at(tmp_path: Path) -> None:
    other = OrderRequest(client_order_id="rl-1", user_id="other", symbol="BTC", side=Side.SELL, quantity=ORDER.quantity)

    async def scenario(venue: Venue, _: Control) -> Receipt | None:
        await venue.broker.place(ORDER, deadline_s=ENOUGH_S)
        return await venue.broker.find(other, None, deadline_s=ENOUGH_S)

    assert at_v2(tmp_path, scenario) is None


def test_a_venue_that_does_not_answer_a_question_says_so(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> None:
        control.fault(FaultKind.HTML_502)
        with pytest.raises(UpstreamUnavailable):
            await venue.broker.find(ORDER, None, deadline_s=ENOUGH_S)
        with pytest.raises(UpstreamUnavailable):
            await venue.broker.positions(deadline_s=ENOUGH_S)

    at_v2(tmp_path, scenario)
