"""What is true of a user's trading at the moment an order is intended, read inside that transaction."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

from sqlalchemy import and_, func, or_, select

from adapters.store.agents import agent_of
from adapters.store.connections import StoreConnection
from adapters.store.ledger import day_of, position_of
from adapters.store.order_rows import order_of
from adapters.store.tables import agents, choices
from adapters.store.trading_tables import orders, positions, profits
from trading.agents import ExecutionMode
from trading.boot import Moment
from trading.intents import MINUTE_S, Facts
from trading.ledger import FLAT, Position
from trading.orders import SENDER_LEASE_S, Order, OrderState
from trading.vocabulary import Decision, Halt

# The choice that says what trading as a whole may do.
TRADING = "trading"
# An order leaves this long after it was intended at most, and the wall clock may jump ahead by the rest: what was made
# longer ago by it was not sent in the last minute.
_LONGEST_S = 300.0


def halt_from(value_json: str | None) -> Halt:
    """What trading as a whole may do, from the value of TRADING. A value that cannot be read halts."""
    if value_json is None:
        return Halt.OPEN
    try:
        return Halt(json.loads(value_json)["state"])
    except (ValueError, KeyError, TypeError):
        return Halt.HALTED


async def halt_now(connection: StoreConnection) -> Halt:
    """What trading as a whole may do now."""
    statement = select(choices.c.value).where(choices.c.name == TRADING)
    return halt_from((await connection.execute(statement)).scalar_one_or_none())


async def read_facts(connection: StoreConnection, decision: Decision, now: Moment) -> Facts:
    """The facts for the user, symbol and mode of a decision. Before it the transaction has its turn."""
    user_id, symbol = decision.signal.user_id, decision.signal.symbol
    row = (await connection.execute(select(agents).where(agents.c.user_id == user_id))).first()
    agent = None if row is None else agent_of(row)
    mode = ExecutionMode.OFF if agent is None else agent.config.execution
    held = await read_positions(connection, user_id, mode)
    realized, untold = await _today(connection, user_id, mode, now)
    return Facts(
        now=now,
        agent=agent,
        halt=await halt_now(connection),
        position=held.get(symbol, FLAT),
        positions=held,
        working=await read_working(connection, user_id, mode),
        orders_last_minute=await _last_minute(connection, user_id, mode, now),
        realized_today=realized,
        untold_today=untold,
        venue_limited=False,
        experiment_stopped=False,
    )


async def read_positions(connection: StoreConnection, user_id: str, mode: ExecutionMode) -> Mapping[str, Position]:
    """What a user holds or held in a mode, by symbol."""
    statement = select(positions).where(positions.c.user_id == user_id, positions.c.mode == mode.value)
    return {row.symbol: position_of(row) for row in await connection.execute(statement)}


async def read_working(connection: StoreConnection, user_id: str, mode: ExecutionMode) -> Sequence[Order]:
    """The orders of a user in a mode that may still be filled."""
    mine = and_(orders.c.working, orders.c.user_id == user_id, orders.c.mode == mode.value)
    return [order_of(row) for row in await connection.execute(select(orders).where(mine))]


async def _last_minute(connection: StoreConnection, user_id: str, mode: ExecutionMode, now: Moment) -> int:
    # Those that will still be sent, and those that were: by when they left, or a minute would see more of them. That is
    # when the lease of their sender began, by the clock that nobody sets.
    lasts_s = SENDER_LEASE_S - MINUTE_S
    same_boot = and_(orders.c.lease_boot == now.boot, orders.c.lease_monotonic > now.monotonic_s + lasts_s)
    other_boot = and_(orders.c.lease_boot != now.boot, orders.c.lease_at > now.wall_s + lasts_s)
    sent = select(func.count()).where(
        orders.c.user_id == user_id,
        orders.c.mode == mode.value,
        orders.c.created_at > now.wall_s - _LONGEST_S,
        or_(
            orders.c.state == OrderState.NEW.value,
            and_(orders.c.sent_at.is_not(None), or_(same_boot, other_boot)),
        ),
    )
    return int((await connection.execute(sent)).scalar_one())


async def _today(
    connection: StoreConnection, user_id: str, mode: ExecutionMode, now: Moment
) -> tuple[Decimal, Decimal]:
    today = select(profits.c.realized, profits.c.fees, profits.c.untold_value).where(
        profits.c.user_id == user_id, profits.c.mode == mode.value, profits.c.day == day_of(now.wall_s)
    )
    rows = (await connection.execute(today)).all()
    realized = sum((Decimal(row.realized) - Decimal(row.fees) for row in rows), Decimal(0))
    return realized, sum((Decimal(row.untold_value) for row in rows), Decimal(0))
