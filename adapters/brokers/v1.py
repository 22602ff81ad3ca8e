"""TradingService V1 as a venue: its order routes place nothing, so nothing is sent. Keeps trading.ports.Broker."""

from collections.abc import Mapping
from decimal import Decimal

from adapters.brokers.receipts import rejected
from trading.orders import LotRules, OrderRequest, Receipt

NAME = "trading_service_v1"


class TradingServiceV1:
    """Read-only: it answers every order `pending` and lists none."""

    tells_absence = True

    @property
    def name(self) -> str:
        return NAME

    def rules(self, symbol: str) -> LotRules | None:
        """See Broker. None: it trades nothing."""
        return None

    async def place(self, order: OrderRequest, *, deadline_s: float) -> Receipt:
        """See Broker. Always REJECTED, without a call."""
        return rejected("venue_is_read_only")

    async def find(self, order: OrderRequest, venue_order_id: str | None, *, deadline_s: float) -> Receipt | None:
        """See Broker. None: nothing was ever placed."""
        return None

    async def positions(self, *, deadline_s: float) -> Mapping[str, Decimal] | None:
        """See Broker. None: its list is always empty, whatever is held."""
        return None
