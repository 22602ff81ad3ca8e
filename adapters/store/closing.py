"""The orders that close what an agent holds, made durable in the transaction that stops it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.facts import halt_now, read_positions, read_working
from adapters.store.order_rows import enter_order
from adapters.store.versions import next_version
from trading.agents import Agent, ExecutionMode
from trading.boot import Clock
from trading.closing import Closing, Held, close_flat
from trading.ledger import FLAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """How a stop closes positions.

    `close` is pure, may be asked twice and raises none of our errors: they would undo nothing. `take_call` is asked for
    a place in the rate limit of the venue of a mode, where it has one, and only where an order would go. `owner` is the
    worker that is told of the orders.
    """

    close: Callable[[Held], Closing]
    take_call: Mapping[ExecutionMode, Work[bool]]
    owner: str
    now: Clock


async def close_positions_of(connection: StoreConnection, agent: Agent, stopping: Stopping) -> Sequence[Closing]:
    """What becomes of each position that a stopped agent has in its mode, and of each that what has left may yet open,
    by symbol. Before it the transaction has its turn."""
    mode = agent.config.execution
    found = await read_positions(connection, agent.user_id, mode)
    working = await read_working(connection, agent.user_id, mode)
    halt, now, closings = await halt_now(connection), stopping.now(), []
    version = await next_version(connection)
    for symbol in sorted(found.keys() | {order.request.symbol for order in working}):
        position, its_orders = found.get(symbol, FLAT), [order for order in working if order.request.symbol == symbol]
        if position.quantity == 0 or position.arm is None:
            closing = close_flat(agent, symbol, its_orders)
        else:
            held = Held(
                now=now,
                agent=agent,
                symbol=symbol,
                quantity=position.quantity,
                arm=position.arm,
                working=its_orders,
                halt=halt,
                version=version,
                venue_limited=False,
            )
            closing = await _close(connection, held, stopping)
        if closing is not None:
            closings.append(closing)
    return closings


async def _close(connection: StoreConnection, held: Held, stopping: Stopping) -> Closing:
    closing, take_call = stopping.close(held), stopping.take_call.get(held.agent.config.execution)
    if closing.order is not None and take_call is not None and not await take_call(connection):
        closing = stopping.close(replace(held, venue_limited=True))
    if closing.order is not None:
        await enter_order(connection, closing.order, owner=stopping.owner, now=held.now)
    return closing
