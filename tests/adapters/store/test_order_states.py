"""Whatever happens in whatever order, a venue gets each order once at most, and the ledger is what the venue did."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import create_engine, insert, select

from adapters.store.agents import change_agent
from adapters.store.choices import choose
from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.facts import TRADING
from adapters.store.ledger import holdings
from adapters.store.orders import Claim, Outcome, claim, settle
from adapters.store.sqlite import begin_reading, transact
from adapters.store.tables import METADATA, snapshot_version
from adapters.store.trading_tables import fills
from adapters.store.unsettled import unsettled
from tests.fakes.brokers import FakeBroker, Reply
from tests.fakes.jobs import HandClock
from tests.fakes.orders import AGENT, decided, every_order, intended
from trading.errors import NotSent, OutcomeUnknown
from trading.orders import Order, OrderState, Side
from trading.vocabulary import Decision
from wiring.reconciler import ABSENT_AFTER_S

Result = TypeVar("Result")
USERS = ("user123", "ann", "bob")
LEFT = [Reply.FILL, Reply.OPEN, Reply.REJECT, Reply.LOST_AFTER, Reply.LOST_BEFORE, Reply.NOT_SENT]
NEVER_THERE = (OrderState.EXPIRED, OrderState.BLOCKED, OrderState.NOT_PLACED)
# What an agent holds at most.
FULL = 3
EXPOSURES = st.sampled_from([0.0, 0.5, 1.0])
ANY = st.integers(min_value=0, max_value=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody will write down of an order, some time."""

    by: str
    order: Order
    outcome: Outcome


def _booked(user_id: str) -> Work[list[Decimal]]:
    async def work(connection: StoreConnection) -> list[Decimal]:
        found = await connection.execute(select(fills.c.side, fills.c.quantity).where(fills.c.user_id == user_id))
        return [Decimal(row.quantity) * Side(row.side).sign for row in found]

    return work


class Orders(RuleBasedStateMachine):
    """Two workers, a reconciler and a venue; each of them may die, dawdle or be told something late."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = create_engine("sqlite://").connect()
        METADATA.create_all(self.connection)
        self.connection.execute(insert(snapshot_version).values(name="snapshot", version=0))
        self.connection.commit()
        self.clock = HandClock()
        self.venue = FakeBroker()
        self.halted = False
        self.lives = Counter[int]()
        self.made: list[Decision] = []
        self.begun: set[tuple[str, str, int]] = set()
        self.hands: list[tuple[str, Order]] = []
        self.said: list[Said] = []
        self.late: list[Order] = []
        self.left: Counter[str] = Counter()

        for user_id in USERS:
            made = replace(AGENT, user_id=user_id)
            self.do(change_agent(user_id, lambda _, made=made: (made, None)))

    def do(self, work: Work[Result]) -> Result:
        return transact(self.connection, begin_reading, work, lambda: None)

    def owner(self, number: int) -> str:
        return f"{number}:{self.lives[number]}"

    @rule(number=st.integers(0, 1), user=st.sampled_from(USERS), exposure=EXPOSURES)
    def intend(self, number: int, user: str, exposure: float) -> None:
        decision = decided(len(self.made), target=exposure, by=replace(AGENT, user_id=user))
        self.made.append(decision)
        self.do(intended(decision, self.clock, owner=self.owner(number)))

    @precondition(lambda self: self.made)
    @rule(number=st.integers(0, 1), which=ANY)
    def intend_again(self, number: int, which: int) -> None:
        decision = self.made[which % len(self.made)]
        self.do(intended(decision, self.clock, owner=self.owner(number)))

    @rule(number=st.integers(0, 1), confirmed=st.sampled_from([True, True, False]))
    def claim(self, number: int, confirmed: bool) -> None:
        owner = self.owner(number)
        begun = frozenset((name, epoch) for by, name, epoch in self.begun if by == owner)
        found = self.do(claim(Claim(owner=owner, begun=begun), self.clock)).to_send
        assert not (found and self.halted)
        if confirmed:
            self.begun |= {(owner, order.request.client_order_id, order.epoch) for order in found}
            self.hands += [(owner, order) for order in found]

    @precondition(lambda self: self.hands)
    @rule(which=ANY, reply=st.sampled_from(LEFT), late=st.booleans())
    def send(self, which: int, reply: Reply, late: bool) -> None:
        owner, order = self.hands.pop(which % len(self.hands))
        self.said.append(Said(by=owner, order=order, outcome=self.outcome(order, reply, late)))

    def outcome(self, order: Order, reply: Reply, late: bool) -> Outcome:
        left_s = order.deadline.left_s(self.clock())
        if left_s <= 0:
            return Outcome(state=OrderState.EXPIRED, reason="too_late")
        self.left[order.request.client_order_id] += reply is not Reply.NOT_SENT
        self.venue.replies.append(reply)
        try:
            receipt = asyncio.run(self.venue.place(order.request, deadline_s=left_s))
        except NotSent:
            return Outcome(state=OrderState.NEW, reason="nobody listens")
        except OutcomeUnknown:
            if late and reply is Reply.LOST_BEFORE:
                self.late.append(order)
            return Outcome(state=OrderState.UNKNOWN, reason="reset")
        return Outcome(state=receipt.state, reason=receipt.reason, receipt=receipt)

    @rule(number=st.integers(0, 1), user=st.sampled_from(USERS), exposure=EXPOSURES, reply=st.sampled_from(LEFT))
    def deal(self, number: int, user: str, exposure: float, reply: Reply) -> None:
        # The usual way, up to where what became of it is to be written down.
        self.intend(number, user, exposure)
        self.claim(number, confirmed=True)
        if self.hands:
            self.send(len(self.hands) - 1, reply, late=False)

    @precondition(lambda self: self.late)
    @rule(which=ANY, reply=st.sampled_from([Reply.FILL, Reply.OPEN, Reply.REJECT]))
    def arrive_late(self, which: int, reply: Reply) -> None:
        order = self.late.pop(which % len(self.late))
        if order.deadline.after(ABSENT_AFTER_S).left_s(self.clock()) >= 0:
            self.venue.arrive(order.request, reply)

    @precondition(lambda self: self.said)
    @rule(which=ANY, again=st.booleans())
    def write_down(self, which: int, again: bool) -> None:
        said = self.said[which % len(self.said)]
        with suppress(OutcomeUnknown):
            self.do(settle(said.order, said.outcome, owner=said.by, now=self.clock))
        if not again:
            self.said.remove(said)
            self.begun.discard((said.by, said.order.request.client_order_id, said.order.epoch))

    @rule(number=st.integers(0, 1))
    def kill(self, number: int) -> None:
        owner = self.owner(number)
        self.hands = [hand for hand in self.hands if hand[0] != owner]
        self.said = [said for said in self.said if said.by != owner]
        self.lives[number] += 1

    @rule(seconds=st.sampled_from([0.2, 1.0, 3.0, 5.0, 16.0]))
    def go(self, seconds: float) -> None:
        self.clock.go(seconds)

    @rule(seconds=st.sampled_from([-3600.0, 3600.0]))
    def set_the_wall_clock(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule(halted=st.booleans())
    def halt(self, halted: bool) -> None:
        self.do(choose(TRADING, '{"state": "halted"}' if halted else '{"state": "open"}'))
        self.halted = halted

    @rule()
    def ask(self) -> None:
        # What the venue said is written down at once or long after.
        for order, _ in self.do(unsettled(each=100)):
            receipt = self.venue.book.get(order.request.client_order_id)
            if receipt is not None:
                outcome = Outcome(state=receipt.state, reason=receipt.reason, receipt=receipt)
                self.said.append(Said(by="reconciler", order=order, outcome=outcome))
            elif order.state is OrderState.UNKNOWN and order.deadline.after(ABSENT_AFTER_S).left_s(self.clock()) < 0:
                absent = Outcome(state=OrderState.NOT_PLACED, reason="not_at_the_venue")
                self.said.append(Said(by="reconciler", order=order, outcome=absent))

    @rule(which=ANY, share=st.sampled_from([Decimal("0.5"), Decimal(1)]), ends=st.booleans())
    def trade(self, which: int, share: Decimal, ends: bool) -> None:
        # The venue fills more of an order that is open there, or ends it.
        names = sorted(name for name, receipt in self.venue.book.items() if receipt.state is OrderState.OPEN)
        if not names:
            return
        name = names[which % len(names)]
        ordered = next(order.quantity for order in self.venue.arrived if order.client_order_id == name)
        filled = max(self.venue.book[name].filled_quantity, ordered * share)
        self.venue.fill(name, filled, state=OrderState.FILLED if filled == ordered else OrderState.OPEN)
        if ends and filled < ordered:
            self.venue.end(name, OrderState.CANCELED)

    @invariant()
    def each_order_left_once_at_most(self) -> None:
        assert all(count <= 1 for count in self.left.values())

    @invariant()
    def what_has_ended_is_what_the_venue_says(self) -> None:
        for order in self.do(every_order()):
            receipt = self.venue.book.get(order.request.client_order_id)
            if order.state in NEVER_THERE:
                assert receipt is None, order
            if order.state in (OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED):
                assert receipt is not None
                assert (receipt.state, receipt.filled_quantity) == (order.state, order.filled_quantity)

    @invariant()
    def the_ledger_adds_up(self) -> None:
        every = self.do(every_order())
        assert len({order.decision_id for order in every}) == len(every)
        for user_id in USERS:
            filled = [
                order.filled_quantity * order.request.side.sign for order in every if order.request.user_id == user_id
            ]
            booked = self.do(_booked(user_id))
            held = [each.position.quantity for each in self.do(holdings(user_id))]
            assert sum(held) == sum(booked) == sum(filled)
            assert 0 <= sum(held) <= FULL

    def teardown(self) -> None:
        self.heal()
        for order in self.do(every_order()):
            assert order.state.final, order
            receipt = self.venue.book.get(order.request.client_order_id)
            assert order.filled_quantity == (0 if receipt is None else receipt.filled_quantity)
        assert set(self.venue.book) <= {f"rl-{decision.request_id}" for decision in self.made}
        self.connection.close()

    def heal(self) -> None:
        # Everybody comes back, and the venue ends what it has.
        self.hands.clear()
        self.late.clear()
        for name, receipt in self.venue.book.items():
            if receipt.state is OrderState.OPEN:
                self.venue.end(name, OrderState.CANCELED)
        for _ in range(3):
            self.clock.go(16.0)
            self.claim(0, confirmed=True)
            self.hands.clear()
            self.ask()
            while self.said:
                self.write_down(0, again=False)


Orders.TestCase.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
test_orders_under_everything = Orders.TestCase
