"""What the order routes show, and what a person may say of an order."""

from collections.abc import Callable
from decimal import Decimal

from adapters.store.engine import Store
from adapters.store.ledger import ArmProfit, Holding, arm_profits, holdings
from adapters.store.order_lists import find_order, list_orders
from adapters.store.orders import Outcome, resolve
from schemas.orders import OrderEventView, OrderHistory, OrdersPage, OrderView, ResolveRequest, to_order_view
from schemas.positions import PositionsView, PositionView, ProfitView
from schemas.words import iso_time, spell_amount
from trading.boot import Clock
from trading.errors import InvalidField, NotFound, OutcomeUnknown
from trading.ledger import EXACT, unrealized
from trading.orders import Order, OrderState, Receipt, WantedOrders
from wiring.reconciler import LONG_OPEN_S
from wiring.venues import Venues


class OrderPages:
    """Orders and positions as the wire shows them. `price_of` gives the last close of a symbol, None when unknown."""

    def __init__(
        self,
        store: Store,
        venues: Venues,
        *,
        price_of: Callable[[str], Decimal | None],
        now: Clock,
        settled: Callable[[Order], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._venues = venues
        self._settled = settled
        self._price_of = price_of
        self._now = now

    async def order(self, name: str) -> OrderHistory:
        """An order by its client order id or its decision's id. Raises NotFound, StoreUnavailable."""
        found = await self._store.read(find_order(name))
        if found is None:
            raise NotFound("order")
        order, events = found
        history: list[OrderEventView] = [
            {"at": iso_time(event.at_s), "state": event.state, "detail": dict(event.detail)} for event in events
        ]
        return {**to_order_view(order), "events": history}

    async def orders(self, wanted: WantedOrders, *, before: str | None, limit: int) -> OrdersPage:
        """A page of orders, newest first. Raises StoreUnavailable."""
        found = await self._store.read(list_orders(wanted, before=before, limit=limit + 1))
        page = found[:limit]
        return {
            "orders": [to_order_view(order) for order in page],
            "next": page[-1].request.client_order_id if len(found) > limit else None,
        }

    async def resolve(self, name: str, said: ResolveRequest) -> OrderView:
        """End an order as a person says: one that is UNKNOWN, or OPEN for so long that a person is needed.

        Raises NotFound, IllegalChange, InvalidField.
        """
        found = await self._store.read(find_order(name))
        if found is None:
            raise NotFound("order")
        order = found[0]
        outcome = _outcome(order, said)
        name = order.request.client_order_id
        try:
            after = await self._store.write(
                resolve(name, outcome, by=f"operator {said.by}", now=self._now, ends_open=self._needs_person(order))
            )
        except OutcomeUnknown as error:
            raise InvalidField("filled_quantity", str(error)) from None
        self._settled(after)
        return to_order_view(after)

    async def positions(self, user_id: str) -> PositionsView:
        """What a user holds and earned. Raises StoreUnavailable."""
        held = await self._store.read(holdings(user_id))
        earned = await self._store.read(arm_profits(user_id))
        return {
            "user_id": user_id,
            "positions": [self._position(holding) for holding in held if holding.position.quantity],
            "profits": [_profit(profit) for profit in earned],
        }

    def _needs_person(self, order: Order) -> bool:
        # As the reconciler counts them. It settles any other, and what a person ended would be filled all the same.
        long_open = order.created_at_s < self._now().wall_s - LONG_OPEN_S
        return long_open and not self._venues.follows(order.venue)

    def _position(self, holding: Holding) -> PositionView:
        position, price = holding.position, self._price_of(holding.symbol)
        opened_s = position.opened_at_s
        return {
            "symbol": holding.symbol,
            "mode": holding.mode,
            "quantity": spell_amount(position.quantity),
            "average_cost": spell_amount(position.average_cost),
            "opened_by": position.arm,
            "opened_at": None if opened_s is None else iso_time(opened_s),
            "price": None if price is None else spell_amount(price),
            "unrealized": None if price is None else spell_amount(unrealized(position, price)),
        }


def _profit(profit: ArmProfit) -> ProfitView:
    told = profit.untold_value == 0
    return {
        "symbol": profit.symbol,
        "mode": profit.mode,
        "arm": profit.arm,
        "realized": spell_amount(profit.realized),
        "fees": spell_amount(profit.fees) if told else None,
        "net": spell_amount(EXACT.subtract(profit.realized, profit.fees)) if told else None,
        "fills": profit.fills,
    }


def _outcome(order: Order, said: ResolveRequest) -> Outcome:
    state = OrderState(said.outcome)
    reason = f"resolved by {said.by}" + (f": {said.note}" if said.note else "")
    if said.filled_quantity is None or said.average_price is None:
        return Outcome(state=state, reason=reason)
    filled = Decimal(said.filled_quantity)
    if state is OrderState.FILLED and filled != order.request.quantity:
        raise InvalidField("filled_quantity", "filled means all of it: say canceled for a part")
    receipt = Receipt(
        state=state,
        venue_order_id=said.venue_order_id,
        filled_quantity=filled,
        average_price=Decimal(said.average_price),
        fee=None if said.fee is None else Decimal(said.fee),
    )
    return Outcome(state=state, reason=reason, receipt=receipt)
