"""TradingService V1 as a venue: nothing is ever placed there, and that is said."""

from decimal import Decimal

from adapters.brokers.v1 import TradingServiceV1
from tests.fakes.waiting import run
from trading.orders import OrderRequest, OrderState, Receipt, Side

ORDER = OrderRequest(client_order_id="rl-1", user_id="u", symbol="BTC", side=Side.BUY, quantity=Decimal(1))


def test_every_order_is_refused_because_the_venue_is_read_only() -> None:
    refused = Receipt(state=OrderState.REJECTED, reason="venue_is_read_only")
    assert run(TradingServiceV1().place(ORDER, deadline_s=1.0)) == refused


def test_no_order_is_there_and_no_position_is_told() -> None:
    venue = TradingServiceV1()
    assert venue.tells_absence
    assert run(venue.find(ORDER, "order_1", deadline_s=1.0)) is None
    assert run(venue.positions(deadline_s=1.0)) is None
    assert venue.rules("BTC") is None
