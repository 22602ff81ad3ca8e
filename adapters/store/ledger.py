"""The ledger as rows: fills, the positions they add up to, and the profit of each arm by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, insert, select, update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.trading_tables import fills, orders, positions, profits
from adapters.store.upsert import insert_or_replace
from adapters.store.versions import next_version
from trading.agents import ExecutionMode
from trading.ledger import EXACT, FLAT, Booking, Fill, Position, apply_fill, share_fee, traded_value
from trading.orders import ZERO, Order
from trading.vocabulary import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The position of one user in one symbol; `version` is that of the snapshot that first had it so."""

    user_id: str
    symbol: str
    mode: ExecutionMode
    position: Position
    changed_at_s: float
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmProfit:
    """What one arm earned in one symbol: realised, before `fees`, with so many fills.

    `fees` are those that were told; `untold_value` was traded without the fee being told, 0 when all were. Amounts in
    quote currency.
    """

    symbol: str
    mode: ExecutionMode
    arm: Arm
    realized: Decimal
    fees: Decimal
    untold_value: Decimal
    fills: int


def day_of(wall_s: float) -> str:
    """The UTC day of a wall time: 2026-01-31."""
    return datetime.fromtimestamp(wall_s, UTC).date().isoformat()


def position_of(row: Row[Any]) -> Position:
    """The position of a row of the table."""
    return Position(
        quantity=Decimal(row.quantity),
        average_cost=Decimal(row.average_cost),
        arm=None if row.arm is None else Arm(row.arm),
        opened_at_s=row.opened_at,
    )


def holding_of(row: Row[Any]) -> Holding:
    """The holding of a row of the table."""
    return Holding(
        user_id=row.user_id,
        symbol=row.symbol,
        mode=ExecutionMode(row.mode),
        position=position_of(row),
        changed_at_s=row.changed_at,
        version=row.version,
    )


async def book(connection: StoreConnection, order: Order, fill: Fill) -> None:
    """Enter one fill of an order and what follows from it. Before it the transaction has its turn."""
    request = order.request
    key: dict[str, object] = {"user_id": request.user_id, "symbol": request.symbol, "mode": order.mode.value}
    if order.fee is None and fill.fee is not None:
        fill = replace(fill, fee=await _tell_earlier(connection, key, request.client_order_id, fill, fill.fee))
        if fill.quantity == 0:
            return
    mine = [positions.c[name] == value for name, value in key.items()]
    row = (await connection.execute(select(positions).where(*mine))).first()
    position = FLAT if row is None else position_of(row)
    for part in apply_fill(position, fill):
        await connection.execute(
            insert(fills).values(
                client_order_id=request.client_order_id,
                arm=part.arm.value,
                side=fill.side.value,
                quantity=str(part.quantity),
                price=str(fill.price),
                fee=None if part.fee is None else str(part.fee),
                realized=str(part.realized),
                at=fill.at_s,
                ordered_at=order.created_at_s,
                market_at=order.market_s,
                held=str(part.position.quantity),
                **key,
            )
        )
        amounts = {"realized": part.realized} | _fee_amounts(part, fill.price)
        await _add_profit(connection, key | {"arm": part.arm.value, "day": day_of(fill.at_s)}, amounts, fills=1)
        position = part.position
    values = {
        "quantity": str(position.quantity),
        "average_cost": str(position.average_cost),
        "arm": None if position.arm is None else position.arm.value,
        "opened_at": position.opened_at_s,
        "changed_at": fill.at_s,
        "version": await next_version(connection),
    }
    await insert_or_replace(connection, positions, key | values, key=list(key))


def _fee_amounts(part: Booking, price: Decimal) -> dict[str, Decimal]:
    if part.fee is None:
        return {"fees": ZERO, "untold_value": traded_value(part.quantity, price)}
    return {"fees": part.fee, "untold_value": ZERO}


async def _tell_earlier(
    connection: StoreConnection, key: Mapping[str, object], client_order_id: str, fill: Fill, fee: Decimal
) -> Decimal:
    # Give the earlier fills that had no fee their shares, in the arm and on the day they were booked; the fill's own.
    untold = select(fills).where(fills.c.client_order_id == client_order_id, fills.c.fee.is_(None))
    rows = (await connection.execute(untold.order_by(fills.c.seq))).all()
    values = [traded_value(Decimal(row.quantity), Decimal(row.price)) for row in rows]
    *shares, own = share_fee(fee, [*values, traded_value(fill.quantity, fill.price)])
    for row, value, share in zip(rows, values, shares, strict=True):
        await connection.execute(update(fills).where(fills.c.seq == row.seq).values(fee=str(share)))
        amounts = {"realized": ZERO, "fees": share, "untold_value": value.copy_negate()}
        await _add_profit(connection, {**key, "arm": row.arm, "day": day_of(row.at)}, amounts, fills=0)
    return own


async def _add_profit(
    connection: StoreConnection, key: Mapping[str, object], amounts: Mapping[str, Decimal], *, fills: int
) -> None:
    mine = [profits.c[name] == value for name, value in key.items()]
    row = (await connection.execute(select(profits).where(*mine))).first()
    before = {name: ZERO if row is None else Decimal(row._mapping[name]) for name in amounts}
    values: dict[str, object] = {name: str(EXACT.add(amount, before[name])) for name, amount in amounts.items()}
    values["fills"] = fills if row is None else row.fills + fills
    await insert_or_replace(connection, profits, {**key, **values}, key=list(key))


def holdings(user_id: str) -> Work[Sequence[Holding]]:
    """Read: every position a user has or had."""

    async def work(connection: StoreConnection) -> Sequence[Holding]:
        statement = select(positions).where(positions.c.user_id == user_id).order_by(positions.c.symbol)
        return [holding_of(row) for row in await connection.execute(statement)]

    return work


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What all users hold together in a mode, base units by symbol: `settled` of symbols in which nothing is working,
    `working` the others."""

    settled: Mapping[str, Decimal]
    working: frozenset[str]


def totals(mode: ExecutionMode) -> Work[Totals]:
    """Read: what all users hold together."""

    async def work(connection: StoreConnection) -> Totals:
        being_traded = select(orders.c.symbol).where(orders.c.working, orders.c.mode == mode.value).distinct()
        working = frozenset((await connection.execute(being_traded)).scalars())
        held: dict[str, Decimal] = {}
        statement = select(positions.c.symbol, positions.c.quantity).where(positions.c.mode == mode.value)
        for symbol, quantity in await connection.execute(statement):
            if symbol not in working:
                held[symbol] = EXACT.add(held.get(symbol, ZERO), Decimal(quantity))
        return Totals(settled=held, working=working)

    return work


def arm_profits(user_id: str) -> Work[Sequence[ArmProfit]]:
    """Read: what each arm earned a user, by symbol and mode, over all days."""

    async def work(connection: StoreConnection) -> Sequence[ArmProfit]:
        found: dict[tuple[str, str, str], ArmProfit] = {}
        statement = select(profits).where(profits.c.user_id == user_id).order_by(profits.c.symbol, profits.c.day)
        for row in await connection.execute(statement):
            key = (row.symbol, row.mode, row.arm)
            before = found.get(key)
            found[key] = ArmProfit(
                symbol=row.symbol,
                mode=ExecutionMode(row.mode),
                arm=Arm(row.arm),
                realized=EXACT.add(Decimal(row.realized), ZERO if before is None else before.realized),
                fees=EXACT.add(Decimal(row.fees), ZERO if before is None else before.fees),
                untold_value=EXACT.add(Decimal(row.untold_value), ZERO if before is None else before.untold_value),
                fills=row.fills + (0 if before is None else before.fills),
            )
        return list(found.values())

    return work
