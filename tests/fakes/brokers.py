"""A venue inside the test: it books what arrives, and answers, or not, as it is told. Keeps trading.ports.Broker."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import Enum, auto

from trading.errors import CannotAsk, NotSent, OutcomeUnknown, UpstreamUnavailable
from trading.orders import ZERO, LotRules, OrderRequest, OrderState, Receipt

RULES = LotRules(lot=Decimal("0.001"), tick=Decimal("0.01"), min_notional=Decimal(10))
PRICE = Decimal(100)


class Reply(Enum):
    """What becomes of one order on its way to the venue."""

    FILL = auto()
    OPEN = auto()
    REJECT = auto()
    NOT_SENT = auto()
    LOST_AFTER = auto()  # booked and filled, and the answer is lost
    LOST_BEFORE = auto()  # lost on the way there
    FAULT = auto()  # booked, and then our own code breaks
    HANG = auto()  # arrives, and is answered once `release` is set


class FakeBroker:
    """`arrived` is every order that reached it, in turn; `book` what it says of each id; `asked` the ids it was asked.

    `replies` are used up one an order, then everything is filled at PRICE. While `away` it answers no question.
    `before_place` is called as a call begins.
    """

    def __init__(self, name: str = "paper", *, tells_absence: bool = True, asks: bool = True) -> None:
        self.name = name
        self.tells_absence = tells_absence
        self.asks = asks
        self.away = False
        self.price, self.fee = PRICE, ZERO
        self.replies: deque[Reply] = deque()
        self.began: list[str] = []
        self.arrived: list[OrderRequest] = []
        self.asked: list[str] = []
        self.book: dict[str, Receipt] = {}
        self.release = asyncio.Event()
        self.before_place: Callable[[OrderRequest], object] = lambda _: None

    def rules(self, symbol: str) -> LotRules | None:
        return RULES if symbol in ("BTC", "ETH") else None

    async def place(self, order: OrderRequest, *, deadline_s: float) -> Receipt:
        assert deadline_s > 0
        self.began.append(order.client_order_id)
        reply = self.replies.popleft() if self.replies else Reply.FILL
        found = self.before_place(order)
        if asyncio.iscoroutine(found):
            await found
        if reply is Reply.NOT_SENT:
            raise NotSent("nobody listens")
        if reply is Reply.LOST_BEFORE:
            raise OutcomeUnknown("reset")
        self.arrive(order, reply)
        if reply is Reply.HANG:
            await self.release.wait()
        if reply is Reply.LOST_AFTER:
            raise OutcomeUnknown("no answer in time")
        if reply is Reply.FAULT:
            raise KeyError("status")
        return self.book[order.client_order_id]

    def arrive(self, order: OrderRequest, reply: Reply) -> None:
        """The venue gets an order; it books one id once, like every venue that knows client order ids."""
        self.arrived.append(order)
        name = order.client_order_id
        if name in self.book:
            return
        self.book[name] = Receipt(state=OrderState.OPEN, venue_order_id=f"v-{name}")
        if reply is Reply.REJECT:
            self.book[name] = Receipt(state=OrderState.REJECTED, reason="no funds")
        elif reply is not Reply.OPEN:
            self.fill(name, order.quantity, state=OrderState.FILLED)

    def fill(self, name: str, quantity: Decimal, *, state: OrderState = OrderState.OPEN) -> None:
        """So much of an order is filled at `price` from now on, the whole of it."""
        fee = self.fee * quantity
        self.book[name] = replace(
            self.book[name], state=state, filled_quantity=quantity, average_price=self.price, fee=fee
        )

    def end(self, name: str, state: OrderState) -> None:
        """An order ends as it is."""
        self.book[name] = replace(self.book[name], state=state)

    async def find(self, order: OrderRequest, venue_order_id: str | None, *, deadline_s: float) -> Receipt | None:
        self.asked.append(order.client_order_id)
        if self.away:
            raise UpstreamUnavailable("no answer")
        if not self.asks:
            raise CannotAsk("it lists nothing")
        return self.book.get(order.client_order_id)

    async def positions(self, *, deadline_s: float) -> Mapping[str, Decimal] | None:
        if self.away:
            raise UpstreamUnavailable("no answer")
        return None
