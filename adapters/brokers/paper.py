"""The embedded venue: orders filled from the market's closed bars, kept in the store. Keeps trading.ports.Broker."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, Decimal

from adapters.store.engine import Store
from adapters.store.paper import PaperOrder, change_order, find_order
from trading.errors import NotSent, OutcomeUnknown, StoreUnavailable, UnknownSymbol
from trading.orders import ZERO, LotRules, OrderRequest, OrderState, Receipt
from trading.ports import Market
from trading.vocabulary import Bar

NAME = "paper"
DEFAULT_RULES = LotRules(lot=Decimal("1e-8"), tick=Decimal("0.01"), min_notional=Decimal(10))
# Prices and fees are told to this many quote units, whatever the tick: a coin may cost less than one.
SMALLEST = Decimal("1e-10")
BPS = Decimal(10_000)
# An order that nobody asked after for longer missed the bars before these.
MOST_BARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTerms:
    """What the paper venue costs and takes.

    Fee and spread in basis points (of the traded amount; of the close, bid to ask). `participation` (0..1] is the share
    of a bar's quote volume that one order may be. `rules` by symbol, where they are not the `default_rules`.
    """

    fee_bps: Decimal
    spread_bps: Decimal
    participation: Decimal
    default_rules: LotRules = DEFAULT_RULES
    rules: Mapping[str, LotRules] = field(default_factory=dict)


class PaperBroker:
    """One process's door to the book that all processes share.

    `goes_on` says of an open order whether more of it may be filled; the rest of one that does not is canceled when it
    is asked about next.
    """

    def __init__(
        self,
        store: Store,
        market: Market,
        terms: PaperTerms,
        *,
        goes_on: Callable[[OrderRequest], bool] = lambda _: True,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._market = market
        self._terms = terms
        self._goes_on = goes_on
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s

    @property
    def name(self) -> str:
        return NAME

    @property
    def tells_absence(self) -> bool:
        return True

    def rules(self, symbol: str) -> LotRules | None:
        if symbol not in self._market.symbols():
            return None
        return self._terms.rules.get(symbol, self._terms.default_rules)

    async def place(self, order: OrderRequest, *, deadline_s: float) -> Receipt:
        """See Broker. An id that was placed before is answered as the book has it; nothing is placed again."""
        if deadline_s <= 0:
            raise NotSent("no time left")
        bars = self._bars(order.symbol, after_s=None, limit=1)
        refusal = self._refusal(order, bars)

        def enter(known: PaperOrder | None) -> PaperOrder | None:
            if known is not None or refusal is not None:
                return known
            return self._offer(self._new(order), bars)

        with _translated():
            entered = await self._store.write(change_order(order.client_order_id, enter), within_s=deadline_s)
        if entered is None:
            return Receipt(state=OrderState.REJECTED, reason=refusal)
        return _receipt(entered)

    async def find(self, order: OrderRequest, venue_order_id: str | None, *, deadline_s: float) -> Receipt | None:
        """See Broker. An id it has none of is closed: an order that comes later under it is refused."""
        until_s = self._monotonic_s() + deadline_s
        with _translated():
            seen = await self._store.read(find_order(order.client_order_id), within_s=deadline_s)
        if seen is not None and seen.state is OrderState.FILLED:
            return _receipt(seen)
        bars = () if seen is None else self._bars_since(seen)
        goes_on = self._goes_on(order)

        def advance(known: PaperOrder | None) -> PaperOrder:
            if known is None:
                return replace(self._new(order), state=OrderState.REJECTED)
            if known.state is OrderState.OPEN and not goes_on:
                return replace(known, state=OrderState.CANCELED)
            return self._offer(known, bars)

        left_s = until_s - self._monotonic_s()
        with _translated():
            found = await self._store.write(change_order(order.client_order_id, advance), within_s=left_s)
        return None if found is None or found.state is OrderState.REJECTED else _receipt(found)

    async def positions(self, *, deadline_s: float) -> Mapping[str, Decimal] | None:
        """See Broker. None: the ledger is the only record of what paper orders add up to."""
        return None

    def _bars(self, symbol: str, *, after_s: int | None, limit: int) -> Sequence[Bar]:
        try:
            return self._market.closed_bars(symbol, after_s=after_s, limit=limit)
        except UnknownSymbol:
            return ()

    def _bars_since(self, order: PaperOrder) -> Sequence[Bar]:
        after_s = None if order.bar_close_s is None else order.bar_close_s - self._market.timeframe_s
        return self._bars(order.symbol, after_s=after_s, limit=MOST_BARS)

    def _refusal(self, order: OrderRequest, bars: Sequence[Bar]) -> str | None:
        rules = self.rules(order.symbol)
        if rules is None or not bars or self._market.ended():
            return "no_price"
        # Compare MarketView.stale: the same bar is too old for both.
        if self._market.now_s() - self._close_s(bars[-1]) > 1.5 * self._market.timeframe_s:
            return "no_price"
        if order.quantity <= 0 or order.quantity % rules.lot:
            return "quantity"
        if order.quantity * _decimal(bars[-1].close) < rules.min_notional:
            return "min_notional"
        return None

    def _new(self, order: OrderRequest) -> PaperOrder:
        return PaperOrder(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=order.quantity,
            filled_quantity=ZERO,
            average_price=None,
            fee=ZERO,
            state=OrderState.OPEN,
            bar_close_s=None,
            placed_at_s=self._wall_s(),
        )

    def _offer(self, order: PaperOrder, bars: Sequence[Bar]) -> PaperOrder:
        lot = self._terms.rules.get(order.symbol, self._terms.default_rules).lot
        for bar in bars:
            close_s = self._close_s(bar)
            if order.state is OrderState.OPEN and (order.bar_close_s is None or close_s > order.bar_close_s):
                order = replace(_filled(order, bar, self._terms, lot), bar_close_s=close_s)
        return order

    def _close_s(self, bar: Bar) -> int:
        return bar.open_time_s + self._market.timeframe_s


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise OutcomeUnknown(f"the paper venue's book: {error}") from None


def _filled(order: PaperOrder, bar: Bar, terms: PaperTerms, lot: Decimal) -> PaperOrder:
    half_spread = order.side.sign * terms.spread_bps / BPS / 2
    price = (_decimal(bar.close) * (1 + half_spread)).quantize(SMALLEST)
    affordable = terms.participation * _decimal(bar.volume_quote) / price
    quantity = min(order.quantity - order.filled_quantity, (affordable / lot).to_integral_value(ROUND_DOWN) * lot)
    if not quantity:
        return order
    filled = order.filled_quantity + quantity
    before = order.filled_quantity * (order.average_price or ZERO)
    return replace(
        order,
        filled_quantity=filled,
        average_price=(before + quantity * price) / filled,
        fee=order.fee + (quantity * price * terms.fee_bps / BPS).quantize(SMALLEST),
        state=OrderState.FILLED if filled == order.quantity else OrderState.OPEN,
    )


def _receipt(order: PaperOrder) -> Receipt:
    return Receipt(
        state=order.state,
        venue_order_id=order.client_order_id,
        filled_quantity=order.filled_quantity,
        average_price=order.average_price,
        fee=order.fee,
        reason="asked_for_before" if order.state is OrderState.REJECTED else None,
    )


def _decimal(number: float) -> Decimal:
    return Decimal(repr(float(number)))
