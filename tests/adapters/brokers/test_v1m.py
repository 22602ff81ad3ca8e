"""TradingService V1m as a venue: what it is sent, and which of its answers prove something."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.adapters.brokers.venues import ACCOUNT, Venue, trading_service
from tests.fakes.stack.faults import FaultKind
from tests.fakes.stack.remote import Control
from tests.fakes.waiting import T, run
from trading.errors import CannotAsk, OutcomeUnknown
from trading.orders import OrderRequest, OrderState, Receipt, Side

ENOUGH_S = 5.0


def order(symbol: str = "BTC") -> OrderRequest:
    return OrderRequest(client_order_id="rl-1", user_id=ACCOUNT, symbol=symbol, side=Side.BUY, quantity=Decimal("0.5"))


def at_v1m(folder: Path, scenario: Callable[[Venue, Control], Awaitable[T]]) -> T:
    async def main() -> T:
        async with trading_service(folder, "v1m") as venue:
            assert venue.service is not None
            return await scenario(venue, venue.service.control)

    return run(main())


def test_an_order_is_sent_as_binance_takes_it_and_without_a_token(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> None:
        await venue.broker.place(order(), deadline_s=ENOUGH_S)
        body = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.5", "orderType": "MARKET"}
        assert control.ledger().transmissions[0]["body"] == body  # where numbers are told digit by digit
        assert control.authorized() == 0

    at_v1m(tmp_path, scenario)


def test_a_refusal_of_binance_is_rejected_with_its_code(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> Receipt:
        control.set(refusal={"message": "Account has insufficient balance.", "code": -2010})
        return await venue.broker.place(order(), deadline_s=ENOUGH_S)

    refused = Receipt(state=OrderState.REJECTED, reason="-2010: Account has insufficient balance.")
    assert at_v1m(tmp_path, scenario) == refused


# What Binance itself calls unknown, and what never came from Binance at all.
@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, "ECONNRESET", None, 0, 418])
def test_a_failure_that_may_be_after_the_order_leaves_the_outcome_unknown(tmp_path: Path, code: object) -> None:
    async def scenario(venue: Venue, control: Control) -> None:
        control.set(refusal={"message": "timeout", "code": code})
        with pytest.raises(OutcomeUnknown):
            await venue.broker.place(order(), deadline_s=ENOUGH_S)

    at_v1m(tmp_path, scenario)


def test_an_order_while_its_session_is_stopped_is_rejected(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> Receipt:
        control.set(needs_session=True)
        return await venue.broker.place(order(), deadline_s=ENOUGH_S)

    refused = at_v1m(tmp_path, scenario)
    assert refused.state is OrderState.REJECTED
    assert refused.reason is not None
    assert "Trading session is not active" in refused.reason


def test_a_fill_whose_price_is_zero_is_told_by_the_listing(tmp_path: Path) -> None:
    async def scenario(venue: Venue, control: Control) -> tuple[Receipt, Receipt | None]:
        control.set(market_price_zero=True)
        placed = await venue.broker.place(order(), deadline_s=ENOUGH_S)
        return placed, await venue.broker.find(order(), placed.venue_order_id, deadline_s=ENOUGH_S)

    placed, found = at_v1m(tmp_path, scenario)
    assert (placed.state, placed.filled_quantity) == (OrderState.OPEN, 0)
    assert found is not None
    assert (found.state, found.filled_quantity) == (OrderState.FILLED, Decimal("0.5"))


@pytest.mark.parametrize(("symbol", "known"), [("ETH", "10000001"), ("BTC", None), ("BTC", "7")])
def test_it_can_be_asked_of_its_own_orders_in_bitcoin_only(tmp_path: Path, symbol: str, known: str | None) -> None:
    async def scenario(venue: Venue, _: Control) -> None:
        await venue.broker.place(order(symbol), deadline_s=ENOUGH_S)
        with pytest.raises(CannotAsk):
            await venue.broker.find(order(symbol), known, deadline_s=ENOUGH_S)

    at_v1m(tmp_path, scenario)


@pytest.mark.parametrize("kind", [FaultKind.ACCEPT_THEN_500, FaultKind.ACCEPT_THEN_RESET, FaultKind.HTML_502])
def test_a_broken_answer_leaves_the_outcome_unknown_and_is_sent_once(tmp_path: Path, kind: FaultKind) -> None:
    async def scenario(venue: Venue, control: Control) -> int:
        control.fault(kind)
        with pytest.raises(OutcomeUnknown):
            await venue.broker.place(order(), deadline_s=ENOUGH_S)
        return len(control.ledger().transmissions)

    assert at_v1m(tmp_path, scenario) == 1
