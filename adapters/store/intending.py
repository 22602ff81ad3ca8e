"""An order made durable with its decision: once, if all its rules still let it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.facts import read_facts
from adapters.store.journal_rows import Entry
from adapters.store.order_rows import enter_order
from adapters.store.policy_served import PolicyServed, TakesRisk, takes_none
from adapters.store.records import find_decision
from adapters.store.versions import wait_for_turn
from trading.boot import Clock, Moment
from trading.intents import Facts, Planned
from trading.vocabulary import Decision


class Insert(Protocol):
    """Puts decisions into the journal inside a transaction; see adapters.store.journal.Journal.insert."""

    async def __call__(self, connection: StoreConnection, entries: Sequence[Entry]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Intending:
    """What else happens in the transaction that makes an order durable.

    `plan` is pure and may be asked more than once; `take_call` is asked for a place in the venue's rate limit, and only
    where an order would go; `along` ends what the decision was made for, or raises and leaves all as it was.
    `takes_risk` judges again what the policy decided before its experiment was changed.
    """

    plan: Callable[[Facts], Planned]
    journal: Insert
    take_call: Work[bool] | None = None
    along: Work[None] | None = None
    takes_risk: TakesRisk = takes_none


def intend(decision: Decision, todo: Intending, *, owner: str, now: Clock) -> Work[Decision]:
    """Write: the decision, and the order that follows if all its rules still let it; the decision as it is kept.

    A decision that is in the journal already stays as it is there: so it has one order at most, whoever tries again.
    """

    async def work(connection: StoreConnection) -> Decision:
        await wait_for_turn(connection)
        if todo.along is not None:
            await todo.along(connection)
        kept = await find_decision(connection, decision.request_id)
        return kept or await _intend(connection, decision, todo, owner, now())

    return work


async def _intend(
    connection: StoreConnection, decision: Decision, todo: Intending, owner: str, now: Moment
) -> Decision:
    facts = await read_facts(connection, decision, now)
    planned = todo.plan(facts)
    if planned.order is not None and await PolicyServed(connection, todo.takes_risk).stops(planned.order):
        planned = todo.plan(replace(facts, experiment_stopped=True))
    if planned.order is not None and todo.take_call is not None and not await todo.take_call(connection):
        planned = todo.plan(replace(facts, venue_limited=True))
    order = planned.order
    if order is not None:
        await enter_order(connection, order, owner=owner, now=now)
    entry = Entry(decision=planned.decision, decided_at_s=planned.decision.judged_at_s)
    await todo.journal(connection, [entry])
    return planned.decision
