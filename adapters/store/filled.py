"""What the fills of a run's users were: every one with its market time, and what may yet become one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, case, func, select, tuple_

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.experiment_tables import exposures
from adapters.store.exposure_marks import PAGE, WITHIN_S
from adapters.store.trading_tables import fills, orders
from trading.agents import ExecutionMode
from trading.orders import Side

# Users whose fills are looked for at once: of more of them each page would be sorted out of ever more fills.
USERS_AT_ONCE = 50
# An asynchronous decision is noted when its job ends, which is so many wall seconds after it at most: those earlier
# fills do no harm, as their market time says that they came before the entry.
NOTED_WITHIN_S = 30.0


class Filled(NamedTuple):
    """One fill: `bought` base units, < 0 sold, and `held` after it; `price` and `fee` in quote currency.

    `market_s` is the market time (Unix seconds) at which its order was decided. It and `held` are None for fills older
    than they were kept, `fee` until the venue has told it.
    """

    user_id: str
    symbol: str
    mode: str
    market_s: float | None
    bought: Decimal
    held: Decimal | None
    price: float
    fee: float | None


class WorkingOrder(NamedTuple):
    """An order that may still be filled, decided at `market_s` (market time, Unix seconds)."""

    user_id: str
    symbol: str
    market_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TradedWith:
    """With what a user's agent first traded from the entry on: its mode, and its capital, None when that is not known.

    `changed_s` is the close of the first bar (market time, Unix seconds) with another mode or capital; None for none.
    """

    mode: str
    capital_usd: float | None
    changed_s: int | None


async def stream_fills(
    store: Store, experiment: str, run: int, *, speed: float, until_wall_s: float | None, page: int = PAGE
) -> AsyncIterator[Sequence[Filled]]:
    """The fills of a run's compared users by user, symbol, mode and time, in pages of at most `page`, of which none is
    empty. Raises StoreUnavailable.

    From just before the wall time at which the bar of the entry of a user closed: what a market that began anew brought
    before that was another life. Up to `until_wall_s` (Unix seconds, None: all there are). `speed` is the market's: its
    seconds per wall second.
    """
    key = {"of_experiment": experiment, "of_run": run, "speed": speed}
    since = await store.read(_wall_entries(key), within_s=WITHIN_S)
    left = iter(since.items())
    while entered := dict(islice(left, USERS_AT_ONCE)):
        after = None
        while True:
            found = await store.read(_fills_after(entered, after, until_wall_s, limit=page), within_s=WITHIN_S)
            mine = [_filled(row) for row in found if row.at >= entered[row.user_id]]
            if mine:
                yield mine
            if len(found) < page:
                break
            after = found[-1]


def _wall_entries(key: Mapping[str, object]) -> Work[Mapping[str, float]]:
    async def work(connection: StoreConnection) -> Mapping[str, float]:
        return {row.user_id: row.since for row in await connection.execute(_WALL_ENTRIES, key)}

    return work


def _fills_after(
    entered: Mapping[str, float], after: Row[Any] | None, until_wall_s: float | None, *, limit: int
) -> Work[Sequence[Row[Any]]]:
    statement = _FILLS if after is None else _FILLS.where(tuple_(*_PLACE) > tuple_(*after[: len(_PLACE)]))
    if until_wall_s is not None:
        statement = statement.where(fills.c.at <= until_wall_s)
    values = {"users": list(entered), "least": min(entered.values()), "most": limit}

    async def work(connection: StoreConnection) -> Sequence[Row[Any]]:
        return list(await connection.execute(statement, values))

    return work


def _filled(row: Row[Any]) -> Filled:
    quantity = Decimal(row.quantity)
    return Filled(
        user_id=row.user_id,
        symbol=row.symbol,
        mode=row.mode,
        market_s=row.market_at,
        bought=quantity if row.side == Side.BUY.value else quantity.copy_negate(),
        held=None if row.held is None else Decimal(row.held),
        price=float(row.price),
        fee=None if row.fee is None else float(row.fee),
    )


def working_orders(experiment: str, run: int) -> Work[Sequence[WorkingOrder]]:
    """Read: the orders of a run's compared users that may still be filled, but for those without a market time."""

    async def work(connection: StoreConnection) -> Sequence[WorkingOrder]:
        rows = await connection.execute(_WORKING, {"of_experiment": experiment, "of_run": run})
        return [WorkingOrder(user_id=row.user_id, symbol=row.symbol, market_s=row.market_at) for row in rows]

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
_WALL_ENTRIES = (
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
    select(orders.c.user_id, orders.c.symbol, orders.c.market_at)
    .where(orders.c.working, orders.c.market_at.is_not(None), orders.c.user_id.in_(_COMPARED))
    .order_by(orders.c.user_id, orders.c.symbol, orders.c.market_at)
)
_PLACE = (fills.c.user_id, fills.c.symbol, fills.c.mode, fills.c.seq)
_OF_FILL = (fills.c.side, fills.c.quantity, fills.c.price, fills.c.fee, fills.c.at, fills.c.market_at, fills.c.held)
_FILLS = (
    select(*_PLACE, *_OF_FILL)
    .where(fills.c.user_id.in_(bindparam("users", expanding=True)), fills.c.at >= bindparam("least"))
    .order_by(*_PLACE)
    .limit(bindparam("most"))
)
