"""Closed bars of the live market: written once, only ever added to at the end, read by every worker."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

from sqlalchemy import BigInteger, Double, Integer, Row, Text, and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.rows import ROWS, row_table, rows_text
from adapters.store.trading_tables import bars
from adapters.store.versions import wait_for_turn
from trading.vocabulary import Bar

# Two ways to write one number as text may differ in the last of its digits.
SAME = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of bars that were to be kept: how many are `new`, and the open times of those that are `disputed`.

    A disputed bar has other numbers than the one kept before, or was missing then: what is kept stays as it is.
    """

    new: int
    disputed: tuple[int, ...]


def keep_bars(symbol: str, timeframe_s: int, given: Sequence[Bar], *, written_at_s: float) -> Work[Kept]:
    """Write: keep those of the bars, closed and oldest first, that are newer than all that are kept already.

    Nothing is ever put before a kept bar: workers that have gone past it would not look there again, others would.
    """

    async def work(connection: StoreConnection) -> Kept:
        if not given:
            return Kept(new=0, disputed=())
        await wait_for_turn(connection)
        newest = await last_bars(symbol, timeframe_s, 1)(connection)
        after_s = newest[0].open_time_s if newest else -1
        fresh = [bar for bar in given if bar.open_time_s > after_s]
        again = [bar for bar in given if bar.open_time_s <= after_s]
        disputed: tuple[int, ...] = ()
        if again:
            kept = await _bars_from(connection, symbol, timeframe_s, again[0].open_time_s)
            disputed = tuple(bar.open_time_s for bar in again if not _same(bar, kept.get(bar.open_time_s)))
        if fresh:
            await _insert(connection, symbol, timeframe_s, fresh, written_at_s)
        return Kept(new=len(fresh), disputed=disputed)

    return work


def last_bars(symbol: str, timeframe_s: int, limit: int) -> Work[list[Bar]]:
    """Read: the last `limit` bars of a symbol, oldest first."""

    async def work(connection: StoreConnection) -> list[Bar]:
        of_symbol = and_(bars.c.symbol == symbol, bars.c.timeframe == timeframe_s)
        statement = select(bars).where(of_symbol).order_by(bars.c.open_time.desc()).limit(limit)
        return [_bar(row) for row in reversed((await connection.execute(statement)).all())]

    return work


def newer_bars(timeframe_s: int, after_s: Mapping[str, int]) -> Work[dict[str, list[Bar]]]:
    """Read: of each symbol the bars opened after its `after_s` (Unix seconds), oldest first; no entry without any."""

    async def work(connection: StoreConnection) -> dict[str, list[Bar]]:
        given = row_table(connection.dialect.name, {"symbol": Text(), "after": BigInteger()})
        newer = and_(bars.c.symbol == given.c.symbol, bars.c.timeframe == timeframe_s, bars.c.open_time > given.c.after)
        statement = select(bars).join_from(given, bars, newer).order_by(bars.c.symbol, bars.c.open_time)
        rows = rows_text([{"symbol": symbol, "after": after} for symbol, after in after_s.items()])
        found: dict[str, list[Bar]] = {}
        for row in (await connection.execute(statement, {ROWS: rows})).all():
            found.setdefault(row.symbol, []).append(_bar(row))
        return found

    return work


def end_old_bars(symbol: str, timeframe_s: int, *, keep: int) -> Work[int]:
    """Write: all but the last `keep` bars of a symbol end; how many did."""

    async def work(connection: StoreConnection) -> int:
        of_symbol = and_(bars.c.symbol == symbol, bars.c.timeframe == timeframe_s)
        newest_ended = select(bars.c.open_time).where(of_symbol).order_by(bars.c.open_time.desc()).limit(1).offset(keep)
        statement = delete(bars).where(of_symbol, bars.c.open_time <= newest_ended.scalar_subquery())
        return (await connection.execute(statement)).rowcount

    return work


_COLUMNS: Mapping[str, TypeEngine[Any]] = {
    "symbol": Text(),
    "timeframe": Integer(),
    "open_time": BigInteger(),
    "open": Double(),
    "high": Double(),
    "low": Double(),
    "close": Double(),
    "volume_base": Double(),
    "volume_quote": Double(),
    "written_at": Double(),
}


async def _insert(
    connection: StoreConnection, symbol: str, timeframe_s: int, fresh: Iterable[Bar], written_at_s: float
) -> None:
    same = {"symbol": symbol, "timeframe": timeframe_s, "written_at": written_at_s}
    rows = [asdict(bar) | {"open_time": bar.open_time_s} | same for bar in fresh]
    dialect = connection.dialect.name
    given = row_table(dialect, _COLUMNS)
    # SQLite takes ON CONFLICT after a SELECT only if that has a WHERE.
    chosen = select(*(given.c[name] for name in _COLUMNS)).where(given.c.timeframe == timeframe_s)
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(bars).from_select(list(_COLUMNS), chosen).on_conflict_do_nothing()
    await connection.execute(statement, {ROWS: rows_text(rows)})


async def _bars_from(connection: StoreConnection, symbol: str, timeframe_s: int, from_s: int) -> dict[int, Bar]:
    found = await newer_bars(timeframe_s, {symbol: from_s - 1})(connection)
    return {bar.open_time_s: bar for bar in found.get(symbol, [])}


def _same(bar: Bar, kept: Bar | None) -> bool:
    if kept is None:
        return False
    pairs = zip(astuple(bar), astuple(kept), strict=True)
    return all(math.isclose(one, other, rel_tol=SAME) for one, other in pairs)


def _bar(row: Row[*tuple[Any, ...]]) -> Bar:
    return Bar(
        open_time_s=row.open_time,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume_base=row.volume_base,
        volume_quote=row.volume_quote,
    )
