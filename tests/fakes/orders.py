"""One worker's part in orders: decisions, a desk, a sender, a reconciler on a store, and what came of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from sqlalchemy import select

from adapters.store.agents import change_agent
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work
from adapters.store.intending import Intending, intend
from adapters.store.journal import Journal
from adapters.store.ledger import holdings
from adapters.store.order_rows import order_of
from adapters.store.spool import Spool
from adapters.store.trading_tables import orders
from tests.fakes.advisers import agent
from tests.fakes.brokers import PRICE, RULES, FakeBroker
from tests.fakes.decisions import DECISION
from tests.fakes.experiment_rows import unless_there_is_one
from tests.fakes.jobs import HandClock
from tests.fakes.journals import row
from tests.fakes.stores import running
from trading.agents import Agent, AgentLimits, ExecutionMode
from trading.boot import Clock
from trading.intents import Facts, Planned, Terms, Venue, plan
from trading.orders import Order
from trading.vocabulary import Action, Arm, Decision, Halt
from wiring.order_desk import OrderDesk
from wiring.order_sender import Sender
from wiring.reconciler import Reconciler
from wiring.venues import Place, Venues

TERMS = Terms(dead_band=Decimal("0.02"), ttl_s=5.0, symbols=2, assumed_fee_bps=Decimal(10))
# An agent in BTC alone with 300 USD: at PRICE a full position is 3 BTC.
AGENT = agent(symbols=("BTC",), capital_usd=300.0)


def price_of(symbol: str) -> Decimal | None:
    """PRICE for all symbols the venue trades."""
    return PRICE if symbol in ("BTC", "ETH") else None


def limited(**limits: object) -> Agent:
    """AGENT with limits."""
    return replace(AGENT, config=replace(AGENT.config, limits=AgentLimits(**limits)))  # type: ignore[arg-type]


def decided(number: int, *, target: float = 1.0, symbol: str = "BTC", by: Agent = AGENT, arm: Arm = Arm.RL) -> Decision:
    """The decision with this number, which may be traded, to hold `target` of the agent's capital."""
    return replace(
        DECISION,
        request_id=f"{number:032x}",
        signal=replace(DECISION.signal, user_id=by.user_id, symbol=symbol),
        action=Action.SELL if target == 0.0 else Action.BUY,
        target_exposure=target,
        served_arm=arm,
        agent=by,
        halt=Halt.OPEN,
        refused_by=(),
        client_order_id=None,
    )


def order_id(number: int) -> str:
    """The client order id of the decision with this number."""
    return f"rl-{number:032x}"


async def put_agent(store: Store, made: Agent = AGENT) -> None:
    """Have this agent in the store, whatever it was, and the experiment of `decided` unless there is one."""
    await store.write(change_agent(made.user_id, lambda _: (made, None)))
    await store.write(unless_there_is_one(DECISION.assignment))


def intending(decision: Decision, *, venue: str = "paper", **todo: object) -> Intending:
    """What the desk has the store do for a decision, on a venue that takes RULES at PRICE."""

    def planned(facts: Facts) -> Planned:
        return plan(
            decision,
            facts,
            Venue(name=venue, rules=lambda _: RULES),
            TERMS,
            deadline=facts.now.after(5.0),
            price_of=price_of,
        )

    fields: dict[str, object] = {"plan": planned, "journal": journal_of(None).insert}
    return Intending(**(fields | todo))  # type: ignore[arg-type]


def intended(decision: Decision, clock: Clock, *, owner: str = "one", **todo: object) -> Work[Decision]:
    """The work that makes the order of a decision durable."""
    return intend(decision, intending(decision, **todo), owner=owner, now=clock)


def journal_of(store: Store | None) -> Journal:
    """A journal that only ever writes inside others' transactions."""
    return Journal(store, Spool(Path("/nowhere")), to_row=row)  # type: ignore[arg-type]


async def order_named(store: Store, name: str) -> Order:
    """An order that is there."""
    return next(order for order in await all_orders(store) if order.request.client_order_id == name)


def every_order() -> Work[Sequence[Order]]:
    """Read: all orders, the first one first."""

    async def work(connection: StoreConnection) -> Sequence[Order]:
        statement = select(orders).order_by(orders.c.created_at, orders.c.client_order_id)
        return [order_of(found) for found in await connection.execute(statement)]

    return work


async def all_orders(store: Store) -> Sequence[Order]:
    """The same, read."""
    return await store.read(every_order())


async def states(store: Store) -> list[str]:
    """The states of all orders, the first one first."""
    return [order.state.value for order in await all_orders(store)]


async def reasons(store: Store) -> list[str | None]:
    """Why all orders are where they are, the first one first."""
    return [order.reason for order in await all_orders(store)]


async def held(store: Store, symbol: str = "BTC") -> Decimal:
    """The ledger's position of user123."""
    found = [each for each in await store.read(holdings("user123")) if each.symbol == symbol]
    return found[0].position.quantity if found else Decimal(0)


class Steps:
    """A sleep that ends when told: a loop goes on by one turn a `step`."""

    def __init__(self) -> None:
        self._turns = 0
        self._slept = 0
        self._changed = asyncio.Condition()

    async def sleep(self, _: float) -> None:
        async with self._changed:
            self._slept += 1
            self._changed.notify_all()
            mine = self._slept
            await self._changed.wait_for(lambda: self._turns >= mine)

    async def asleep(self) -> None:
        """Once the loop sleeps."""
        async with asyncio.timeout(20.0), self._changed:
            await self._changed.wait_for(lambda: self._slept > self._turns)

    async def step(self) -> None:
        """The loop ends its sleep, does what it does, and sleeps again."""
        async with asyncio.timeout(20.0), self._changed:
            await self._changed.wait_for(lambda: self._slept > self._turns)
            self._turns += 1
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._slept > self._turns)


@dataclass(slots=True)
class Worker:
    """The parts of one worker. `halt` is what its process knows."""

    store: Store
    clock: HandClock
    broker: FakeBroker
    venues: Venues
    sender: Sender
    reconciler: Reconciler
    desk: OrderDesk
    steps: Steps
    halt: Halt = Halt.OPEN
    loop: asyncio.Task[None] | None = None

    async def act(self, decision: Decision, *, budget_s: float = 5.0) -> Decision:
        """Decide on an order, and have it sent if it may be."""
        return await self.desk.act(decision, budget_s=budget_s)

    async def send(self) -> None:
        """Claim what waits, send it, and have all of it settled."""
        await self.sender._send_claimed()
        await self.sender.drain()

    async def reconcile(self) -> None:
        """One turn of the reconciler's loop."""
        if self.loop is None:
            self.loop = asyncio.create_task(self.reconciler.run())
            await self.steps.asleep()
        else:
            await self.steps.step()


@asynccontextmanager
async def worker(
    location: Location,
    broker: FakeBroker,
    clock: HandClock,
    *,
    windows: Sequence[tuple[int, float]] = (),
    questions: Sequence[tuple[int, float]] = (),
    reconciled: Callable[[str], bool] | None = lambda _: True,
    owner: str = "one",
) -> AsyncIterator[Worker]:
    """A worker whose sender and reconciler go on when told; with `reconciled` None the reconciler says what is."""
    async with running(location) as store:
        steps = Steps()

        async def soon(_: float) -> None:
            await asyncio.sleep(0.005)

        place = Place(broker=broker, windows=windows, questions=questions)

        def by_itself(name: str) -> bool:
            return made.reconciler.reconciled(name)

        venues = Venues({ExecutionMode.PAPER: place}, reconciled or by_itself)
        sender = Sender(store, venues, owner=owner, now=clock, halt=lambda: made.halt, sleep=soon)
        reconciler = Reconciler(store, venues, owner=owner, now=clock, wall_s=lambda: clock().wall_s, sleep=steps.sleep)
        desk = OrderDesk(store, journal_of(store), venues, sender, price_of=price_of, terms=TERMS, now=clock)
        made = Worker(store, clock, broker, venues, sender, reconciler, desk, steps)
        try:
            yield made
        finally:
            if made.loop is not None:
                made.loop.cancel()
                await asyncio.gather(made.loop, return_exceptions=True)
            await sender.stop()
