"""The trading floor of one worker: where orders go, and who makes them, sends them and follows them up."""

import asyncio
import secrets
from collections.abc import Collection
from contextlib import suppress
from decimal import Decimal
from typing import Protocol

from adapters.brokers.paper import PaperBroker, PaperTerms
from adapters.store.engine import Store
from adapters.store.journal import Journal
from adapters.store.snapshot import SnapshotReader
from settings import Settings
from trading.agents import AgentState, ExecutionMode
from trading.boot import Clock
from trading.errors import NoMarketData, UnknownSymbol
from trading.intents import Terms
from trading.orders import MadeBy, Order, OrderRequest, Side
from trading.ports import Features, Market
from trading.sizing import decimal_of
from trading.vocabulary import Decision, Halt
from wiring.closer import Closer
from wiring.loops import begin
from wiring.order_desk import OrderDesk
from wiring.order_pages import OrderPages
from wiring.order_sender import Sender
from wiring.position_check import PositionCheck
from wiring.reconciler import Reconciler
from wiring.trading_switch import TradingSwitch
from wiring.venues import Place, Venues

# How long orders on their way have to be settled when the worker ends.
DRAIN_S = 1.0


class Recorder(Protocol):
    """Counts what becomes of decisions and orders; never waits or fails. See adapters.metrics.Metrics."""

    def refused(self, decision: Decision) -> None:
        """A decision is kept; what its `refused_by` says counts."""

    def sent(self, order: Order) -> None:
        """What came of sending an order."""

    def settled(self, order: Order) -> None:
        """What an order has come to later."""


class Floor:
    """Everything that orders need."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        journal: Journal,
        known: SnapshotReader,
        features: Features,
        market: Market,
        *,
        recorder: Recorder,
        now: Clock,
    ) -> None:
        self._features = features
        self._known = known
        self._live = settings.execution_mode is ExecutionMode.LIVE
        owner = secrets.token_hex(8)
        paper = Place(broker=PaperBroker(store, market, paper_terms(settings), goes_on=self._goes_on))
        self.venues = Venues({ExecutionMode.PAPER: paper}, self._reconciled, self._mismatched)
        self.check = PositionCheck(store, self.venues, known.choice, owner=owner, now=now)
        self.switch = TradingSwitch(store, known, now=now)
        self.sender = Sender(store, self.venues, owner=owner, now=now, halt=known.halt, settled=recorder.sent)
        self.reconciler = Reconciler(store, self.venues, owner=owner, now=now, settled=recorder.settled)
        self.desk = OrderDesk(
            store,
            journal,
            self.venues,
            self.sender,
            price_of=self.price_of,
            terms=Terms(
                dead_band=decimal_of(settings.order_dead_band),
                ttl_s=settings.order_ttl_seconds,
                symbols=len(market.symbols()),
                assumed_fee_bps=decimal_of(settings.assumed_fee_bps),
            ),
            now=now,
            decided=recorder.refused,
        )
        self.closer = Closer(
            self.venues,
            self.sender,
            price_of=self.price_of,
            market_s=market.now_s,
            ttl_s=settings.order_ttl_seconds,
            now=now,
        )
        self.pages = OrderPages(store, self.venues, price_of=self.price_of, now=now, settled=recorder.settled)

    def _reconciled(self, venue: str) -> bool:
        return self.reconciler.reconciled(venue)

    def _goes_on(self, order: OrderRequest) -> bool:
        agent, halt = self._known.of(order.user_id), self._known.halt()
        if order.made_by is MadeBy.STOP:
            # Its agent is stopped, whether this process knows that yet or not.
            return halt is not Halt.HALTED
        if agent is None or agent.state is not AgentState.RUNNING:
            return False
        return halt is Halt.OPEN or (halt is Halt.REDUCING and order.side is Side.SELL)

    def _mismatched(self) -> Collection[str]:
        return self.check.mismatched()

    def price_of(self, symbol: str) -> Decimal | None:
        """The last close of a symbol in quote currency; None when it is not known now."""
        try:
            view = self._features.view(symbol)
        except (NoMarketData, UnknownSymbol):
            return None
        return None if view.stale or view.ended else decimal_of(view.close)

    def loops(self) -> list[asyncio.Task[None]]:
        """Begin what runs for as long as the worker does."""
        loops = [begin(self.sender.run(), "orders"), begin(self.reconciler.run(), "reconciler")]
        return [*loops, begin(self.check.run(), "position_check")] if self._live else loops

    def waiting_for(self) -> list[str]:
        """What orders still wait for, as words of the wire."""
        modes = (ExecutionMode.PAPER, ExecutionMode.LIVE) if self._live else (ExecutionMode.PAPER,)
        places = [self.venues.place(mode) for mode in modes]
        known = all(place is not None and self._reconciled(place.broker.name) for place in places)
        return [] if known else ["reconciling"]

    async def stop(self) -> None:
        """Settle what is on its way, as far as a moment allows."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.sender.drain()
        await self.sender.stop()


def paper_terms(settings: Settings) -> PaperTerms:
    """What the paper venue costs and takes."""
    return PaperTerms(
        fee_bps=decimal_of(settings.paper_fee_bps),
        spread_bps=decimal_of(settings.paper_spread_bps),
        participation=decimal_of(settings.paper_participation),
    )
