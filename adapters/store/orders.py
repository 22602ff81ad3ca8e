"""Orders on their way: claimed by one sender, settled in its epoch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, Select, and_, case, select, update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.facts import halt_now
from adapters.store.ledger import book
from adapters.store.order_rows import held, lease_values, note_event, order_of, progress_values
from adapters.store.policy_served import PolicyServed, TakesRisk, takes_none
from adapters.store.tables import agents
from adapters.store.trading_tables import orders
from adapters.store.versions import wait_for_turn
from trading.agents import AgentState
from trading.boot import Clock, Moment
from trading.errors import IllegalChange, NotFound
from trading.ledger import fee_after, new_fill
from trading.orders import MOVES, SENDER_LEASE_S, MadeBy, Order, OrderState, Receipt
from trading.vocabulary import BlockReason, Halt

# Orders that one transaction claims at most.
MOST_CLAIMED = 50
_NEVER_LEFT = (OrderState.NEW, OrderState.EXPIRED, OrderState.BLOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an order that was sent, or was not: a receipt of the venue, or a state with its reason."""

    state: OrderState
    reason: str | None = None
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a sender claims: at most `most` orders (0 or more), none for a venue that is `shut` now, and of others' only
    those for a venue that it `reaches` (names).

    `refused` are those whose callers were told that there is no order. `begun` is what this owner was given, by id and
    epoch: a claim that it never heard of is made anew. `takes_risk` judges what the policy decided before its
    experiment was changed.
    """

    owner: str
    most: int = MOST_CLAIMED
    refused: Collection[str] = ()
    begun: Collection[tuple[str, int]] = ()
    shut: Collection[str] = ()
    reaches: Collection[str] = ()
    takes_risk: TakesRisk = takes_none


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a claim gives: orders `to_send` at once, each in an epoch of its own, and those that it `ended`."""

    to_send: Sequence[Order]
    ended: Sequence[Order]


def claim(wanted: Claim, now: Clock) -> Work[Claimed]:
    """Write: take what its owner is to send, and end what may not be sent any more.

    What is too late ends as EXPIRED; what may not be sent any more, or was `refused` to its caller as not confirmed by
    the store, as BLOCKED: nobody halts trading, pauses an agent or stops an experiment between this and the claim. What
    others began to send and did not settle in time is UNKNOWN. An order is sent by who intended it or not at all:
    others only end it. But one that a stop made is sent by whoever comes first and reaches its venue: nobody was told
    that there is none.
    """

    async def work(connection: StoreConnection) -> Claimed:
        await wait_for_turn(connection)
        moment, owner = now(), wanted.owner
        halt, served = await halt_now(connection), PolicyServed(connection, wanted.takes_risk)
        claimed: list[Order] = []
        ended: list[Order] = []
        for row in (await connection.execute(_waiting(owner))).all():
            order, mine = order_of(row), row.owner == owner
            name = order.request.client_order_id
            if order.state is OrderState.SENDING and (not mine or (name, order.epoch) in wanted.begun):
                if not held(row, moment):
                    ended.append(await _end(connection, order, _LOST, moment, owner))
            elif mine or order.request.made_by is MadeBy.STOP or order.deadline.left_s(moment) <= 0.0:
                stop = _stop(order, halt, row, moment)
                if stop is None and await served.stops(order):
                    stop = _EXPERIMENT_STOPPED
                if name in wanted.refused:
                    stop = Outcome(state=OrderState.BLOCKED, reason="not_confirmed_in_time")
                if stop is not None:
                    ended.append(await _end(connection, order, stop, moment, owner))
                elif _may_send(order, mine, wanted) and len(claimed) < wanted.most:
                    claimed.append(await _claim(connection, order, owner, moment))
        return Claimed(to_send=claimed, ended=ended)

    return work


_LOST = Outcome(state=OrderState.UNKNOWN, reason="sender_lost")
_EXPERIMENT_STOPPED = Outcome(state=OrderState.BLOCKED, reason=BlockReason.EXPERIMENT_STOPPED)


def _waiting(owner: str) -> Select[Any]:
    # One's own first: however many are on their way, they do not keep these from leaving in time.
    own_first = case((and_(orders.c.owner == owner, orders.c.state == OrderState.NEW.value), 0), else_=1)
    return (
        select(orders, agents.c.state.label("agent_state"), agents.c.changed_at.label("agent_changed_at"))
        .outerjoin(agents, agents.c.user_id == orders.c.user_id)
        .where(orders.c.working, orders.c.state.in_([OrderState.NEW.value, OrderState.SENDING.value]))
        .order_by(own_first, orders.c.created_at)
        .limit(10 * MOST_CLAIMED)
    )


def _may_send(order: Order, mine: bool, wanted: Claim) -> bool:
    # Of a venue that it has not found yet a worker can only say that there is none: that is not its to say of others'.
    return order.venue not in wanted.shut and (mine or order.venue in wanted.reaches)


def _stop(order: Order, halt: Halt, row: Row[Any], now: Moment) -> Outcome | None:
    if order.deadline.left_s(now) <= 0.0:
        return Outcome(state=OrderState.EXPIRED, reason="too_late")
    if halt is Halt.HALTED or (halt is Halt.REDUCING and not order.reduces):
        return Outcome(state=OrderState.BLOCKED, reason=halt)
    leaves_while = AgentState.STOPPED if order.request.made_by is MadeBy.STOP else AgentState.RUNNING
    if row.agent_state != leaves_while:
        return Outcome(state=OrderState.BLOCKED, reason=f"agent_{row.agent_state or 'gone'}")
    if order.created_at_s < row.agent_changed_at <= now.wall_s:
        # It runs, or is stopped, again: perhaps with another mode.
        return Outcome(state=OrderState.BLOCKED, reason="agent_changed")
    return None


async def _claim(connection: StoreConnection, order: Order, owner: str, now: Moment) -> Order:
    claimed = replace(order, state=OrderState.SENDING, epoch=order.epoch + 1, sent_at_s=now.wall_s)
    values = {
        "state": claimed.state.value,
        "epoch": claimed.epoch,
        "sent_at": claimed.sent_at_s,
        **lease_values(owner, now.after(SENDER_LEASE_S)),
    }
    await _update(connection, claimed, values)
    await note_event(connection, order.request.client_order_id, claimed.state, now.wall_s, owner=owner)
    return claimed


def settle(order: Order, outcome: Outcome, *, owner: str, now: Clock) -> Work[Order | None]:
    """Write: what became of an order in the epoch of `order`, and in the ledger what was filled; the order afterwards.

    None when it is no longer this sender's to say: it went on in another epoch. Saying the same twice changes nothing.
    Raises OutcomeUnknown for a receipt that cannot be right (see new_fill).
    """

    async def work(connection: StoreConnection) -> Order | None:
        await wait_for_turn(connection)
        known = await _find(connection, order.request.client_order_id)
        if known is None or known.epoch != order.epoch:
            return None
        if known.state.final or (outcome.state is known.state and outcome.receipt is None):
            return known
        meant = _meant(known, outcome)
        return known if meant is None else await _end(connection, known, meant, now(), owner)

    return work


def _meant(known: Order, outcome: Outcome) -> Outcome | None:
    # What is said of an order that went on meanwhile; None where it tells nothing new.
    if known.state is OrderState.UNKNOWN and outcome.state in _NEVER_LEFT:
        # Given up as lost, and then its sender comes back and knows.
        return Outcome(state=OrderState.NOT_PLACED, reason="never_left")
    if known.state is OrderState.OPEN and outcome.receipt is None:
        # Two asked, and the other one has seen it at the venue.
        return None
    if known.state is OrderState.OPEN and outcome.state is OrderState.REJECTED:
        # It was taken first: nothing more is filled, and what was filled stays.
        return replace(outcome, state=OrderState.CANCELED)
    return outcome


async def _end(connection: StoreConnection, order: Order, outcome: Outcome, now: Moment, by: str) -> Order:
    receipt = outcome.receipt
    if outcome.state not in MOVES[order.state]:
        raise IllegalChange(order.state)
    after = replace(order, state=outcome.state, reason=outcome.reason)
    fill = None if receipt is None else new_fill(order, receipt, at_s=now.wall_s)
    if receipt is not None:
        after = replace(
            after,
            venue_order_id=receipt.venue_order_id or order.venue_order_id,
            filled_quantity=receipt.filled_quantity,
            average_price=order.average_price if receipt.average_price is None else receipt.average_price,
            fee=fee_after(order, receipt),
            told_fee=order.told_fee if receipt.fee is None else receipt.fee,
        )
    if after.state.final:
        after = replace(after, ended_at_s=now.wall_s)
    back = {"sent_at": None} if after.state is OrderState.NEW else {}
    await _update(connection, order, progress_values(after) | back)
    if after.state is not order.state or fill is not None:
        name, filled = order.request.client_order_id, str(after.filled_quantity)
        await note_event(connection, name, after.state, now.wall_s, by=by, reason=after.reason, filled=filled)
    if fill is not None:
        await book(connection, order, fill)
    return after


def resolve(client_order_id: str, outcome: Outcome, *, by: str, now: Clock, ends_open: bool = False) -> Work[Order]:
    """Write: what a person found out about an order that is UNKNOWN, or with `ends_open` OPEN.

    Raises NotFound, IllegalChange, OutcomeUnknown.
    """

    async def work(connection: StoreConnection) -> Order:
        await wait_for_turn(connection)
        order = await _find(connection, client_order_id)
        if order is None:
            raise NotFound("order")
        if order.state is not OrderState.UNKNOWN and not (ends_open and order.state is OrderState.OPEN):
            raise IllegalChange(order.state)
        return await _end(connection, order, outcome, now(), by)

    return work


async def _find(connection: StoreConnection, client_order_id: str) -> Order | None:
    row = (await connection.execute(select(orders).where(orders.c.client_order_id == client_order_id))).first()
    return None if row is None else order_of(row)


async def _update(connection: StoreConnection, order: Order, values: Mapping[str, object]) -> None:
    name = order.request.client_order_id
    await connection.execute(update(orders).where(orders.c.client_order_id == name).values(values))
