"""What the fills of a run's users were: every one with its market time, and what may yet become one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import NamedTuple, TypeAlias

from sqlalchemy import bindparam, case, func, select, tuple_

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.experiment_tables import exposures
from adapters.store.exposure_marks import PAGE, WITHIN_S
from adapters.store.trading_tables import fills, orders, positions
from trading.agents import ExecutionMode
from trading.orders import Side

# Users whose fills are looked for at once: of more of them each page would be sorted out of ever more fills.
USERS_AT_ONCE = 50
# An asynchronous decision is noted when its job ends, which is so many wall seconds after it at most: those earlier
# fills do no harm, as their market time says that they came before the entry.
NOTED_WITHIN_S = 30.0
# The index knows when a fill was booked: after its order was made, unless the wall clock was set back in between.
SET_BACK_S = 3_600.0
_MODES = {mode.value: mode for mode in ExecutionMode}
_BUY = Side.BUY.value
# User, symbol, mode, number, side, quantity, price, fee, when booked and ordered (wall times), market time, held. A
# tuple as the driver gives it, see exposure_marks.py.
_Row: TypeAlias = tuple[str, str, str, int, str, str, str, str | None, float, float | None, float | None, str | None]


class Filled(NamedTuple):
    """One fill: `bought` base units, < 0 sold, and `held` after it; `price` and `fee` in quote currency.

    Its order was made at `ordered_s` (wall time, Unix seconds; of rows older than that was kept: when it was filled)
    and decided at `market_s` (market time, Unix seconds). That and `held` are None for fills older than they were kept,
    `fee` until the venue has told it.
    """

    user_id: str
    symbol: str
    mode: ExecutionMode
    ordered_s: float
    market_s: float | None
    bought: Decimal
    held: Decimal | None
    price: float
    fee: float | None


class WorkingOrder(NamedTuple):
    """An order that may still be filled, made at `ordered_s` (wall time), decided at `market_s` (market time, both Unix
    seconds)."""

    user_id: str
    symbol: str
    ordered_s: float
    market_s: float


class Held(NamedTuple):
    """What a user holds of a symbol now, base units, not 0."""

    user_id: str
    symbol: str
    mode: ExecutionMode
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradedWith:
    """With what a user's agent first traded from the entry on: its mode, and its capital, None when that is not known.

    `changed_s` is the close of the first bar (market time, Unix seconds) with another mode or capital; None for none.
    """

    mode: str
    capital_usd: float | None
    changed_s: int | None


def came_at(experiment: str, run: int, *, speed: float) -> Work[Mapping[str, float]]:
    """Read: by compared user of a run, the wall time (Unix seconds) just before the bar of the entry closed: what a
    market that began anew brought before it was another life. `speed` is the market's: its seconds per wall second."""

    async def work(connection: StoreConnection) -> Mapping[str, float]:
        values = {"of_experiment": experiment, "of_run": run, "speed": speed}
        return {row.user_id: row.since for row in await connection.execute(_CAME_AT, values)}

    return work


async def stream_fills(
    store: Store, came_s: Mapping[str, float], *, page: int = PAGE
) -> AsyncIterator[Sequence[Filled]]:
    """The fills of users by user, symbol, mode and time, in pages of at most `page`. Raises StoreUnavailable.

    Of each user at least all whose orders were made at the wall time `came_s` (Unix seconds) or later.
    """
    left = iter(sorted(came_s.items()))
    while entered := dict(islice(left, USERS_AT_ONCE)):
        after = None
        while True:
            found = await store.read(_fills_after(entered, after, limit=page), within_s=WITHIN_S)
            yield [_filled(row) for row in found]
            if len(found) < page:
                break
            after = found[-1]


def _fills_after(entered: Mapping[str, float], after: _Row | None, *, limit: int) -> Work[Sequence[_Row]]:
    statement = _FILLS if after is None else _FILLS.where(tuple_(*_PLACE) > tuple_(*after[: len(_PLACE)]))
    values = {"users": list(entered), "least": min(entered.values()) - SET_BACK_S, "most": limit}

    async def work(connection: StoreConnection) -> Sequence[_Row]:
        found = await connection.execute(statement, values)
        return list(map(tuple, found.cursor.fetchall()))

    return work


def _filled(row: _Row) -> Filled:
    user_id, symbol, mode, _, side, quantity, price, fee, at_s, ordered_s, market_s, held = row
    return Filled(
        user_id,
        symbol,
        _MODES[mode],
        at_s if ordered_s is None else ordered_s,
        market_s,
        Decimal(quantity if side == _BUY else f"-{quantity}"),
        None if held is None else Decimal(held),
        float(price),
        None if fee is None else float(fee),
    )


def working_orders(experiment: str, run: int) -> Work[Sequence[WorkingOrder]]:
    """Read: the orders of a run's compared users that may still be filled, but for those without a market time."""

    async def work(connection: StoreConnection) -> Sequence[WorkingOrder]:
        rows = await connection.execute(_WORKING, {"of_experiment": experiment, "of_run": run})
        return [WorkingOrder(row.user_id, row.symbol, row.created_at, row.market_at) for row in rows]

    return work


def held_now(experiment: str, run: int) -> Work[Sequence[Held]]:
    """Read: what a run's compared users hold."""

    async def work(connection: StoreConnection) -> Sequence[Held]:
        rows = await connection.execute(_HELD, {"of_experiment": experiment, "of_run": run})
        held = (Held(row.user_id, row.symbol, _MODES[row.mode], Decimal(row.quantity)) for row in rows)
        return [each for each in held if each.quantity != 0]

    return work


def traded_with(experiment: str, run: int) -> Work[Mapping[str, TradedWith]]:
    """Read: by compared user, with what the agent traded; nobody whose agent never did. May take seconds."""

    async def work(connection: StoreConnection) -> Mapping[str, TradedWith]:
        found: dict[str, TradedWith] = {}
        for row in await connection.execute(_TERMS, {"of_experiment": experiment, "of_run": run}):
            first = found.get(row.user_id)
            if first is None:
                found[row.user_id] = TradedWith(mode=row.mode, capital_usd=row.capital_usd, changed_s=None)
            elif first.changed_s is None:
                found[row.user_id] = TradedWith(mode=first.mode, capital_usd=first.capital_usd, changed_s=row.since)
        return found

    return work


# A window and no join: before it has counted a table PostgreSQL may join each of its rows with each user.
_ENTRY = func.min(case((exposures.c.propensity.is_not(None), exposures.c.bar_close)))
_EXPOSED = (
    select(
        exposures.c.user_id,
        exposures.c.bar_close,
        exposures.c.propensity,
        exposures.c.mode,
        exposures.c.capital_usd,
        exposures.c.decided_at,
        exposures.c.market_at,
        _ENTRY.over(partition_by=exposures.c.user_id).label("entry"),
    )
    .where(exposures.c.experiment == bindparam("of_experiment"), exposures.c.run == bindparam("of_run"))
    .subquery()
)
_OF = _EXPOSED.c
# The exposure of a bar is the last decision on it, and an earlier one may have been filled: so from the bar on.
_BAR_CLOSED_AT = _OF.decided_at - (_OF.market_at - _OF.bar_close) / bindparam("speed") - NOTED_WITHIN_S
_CAME_AT = (
    select(_OF.user_id, func.min(_BAR_CLOSED_AT).label("since"))
    .where(_OF.propensity.is_not(None), _OF.bar_close == _OF.entry)
    .group_by(_OF.user_id)
    .order_by(_OF.user_id)
)
_TERMS = (
    select(
        _OF.user_id,
        _OF.mode,
        _OF.capital_usd,
        func.min(_OF.bar_close).label("since"),
        func.min(_OF.decided_at).label("first_at"),
    )
    .where(_OF.bar_close >= _OF.entry, _OF.mode.in_([ExecutionMode.PAPER.value, ExecutionMode.LIVE.value]))
    .group_by(_OF.user_id, _OF.mode, _OF.capital_usd)
    .order_by(_OF.user_id, "since", "first_at")
)
_COMPARED = select(exposures.c.user_id).where(
    exposures.c.experiment == bindparam("of_experiment"),
    exposures.c.run == bindparam("of_run"),
    exposures.c.propensity.is_not(None),
)
_WORKING = (
    select(orders.c.user_id, orders.c.symbol, orders.c.created_at, orders.c.market_at)
    .where(orders.c.working, orders.c.market_at.is_not(None), orders.c.user_id.in_(_COMPARED))
    .order_by(orders.c.user_id, orders.c.symbol, orders.c.market_at)
)
_HELD = (
    select(positions.c.user_id, positions.c.symbol, positions.c.mode, positions.c.quantity)
    .where(positions.c.user_id.in_(_COMPARED))
    .order_by(positions.c.user_id, positions.c.symbol, positions.c.mode)
)
_PLACE = (fills.c.user_id, fills.c.symbol, fills.c.mode, fills.c.seq)
_AMOUNTS = (fills.c.side, fills.c.quantity, fills.c.price, fills.c.fee)
_OF_FILL = (*_AMOUNTS, fills.c.at, fills.c.ordered_at, fills.c.market_at, fills.c.held)
_FILLS = (
    select(*_PLACE, *_OF_FILL)
    .where(fills.c.user_id.in_(bindparam("users", expanding=True)), fills.c.at >= bindparam("least"))
    .order_by(*_PLACE)
    .limit(bindparam("most"))
)
