"""Which decisions the journal holds: one by its id, or a page of them, newest first."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, select, tuple_

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store
from adapters.store.tables import decisions
from adapters.store.trading_tables import orders
from trading.vocabulary import Wanted

MOST_ROWS = 200
# Entries of an index that one page may look through: some 50 ms, however rare what is looked for.
LOOKED_THROUGH = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One decision as it was journalled; `seq` is its place in pages, `document` the JSON of records.py.

    `order_state` is that of its order as it is now; None when no order of it is kept.
    """

    seq: int
    id: str
    user_id: str
    decided_at_s: float
    terms: str
    document: str
    order_state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some decisions; `before` asks for those that come after them, None when there are none.

    A page may hold fewer than were asked for, even none, and still have a `before`: it looked through as many as one
    page may.
    """

    records: tuple[Record, ...]
    before: int | None


async def find(
    store: Store, wanted: Wanted, *, before: int | None, limit: int, looked_through: int = LOOKED_THROUGH
) -> Page:
    """At most `limit` (1..200) decisions by the time they were made, newest first. Raises StoreUnavailable.

    `before` is that of the page before: what is journalled meanwhile moves nothing. None begins with the newest.
    `looked_through` is how many entries of an index one page may look through.
    """

    async def work(connection: StoreConnection) -> Page:
        return await _find(connection, wanted, before, min(limit, MOST_ROWS), looked_through)

    return await store.read(work)


async def by_id(store: Store, request_id: str) -> Record | None:
    """The decision with this id, None when there is none. Raises StoreUnavailable."""

    async def work(connection: StoreConnection) -> Record | None:
        row = (await connection.execute(_RECORDS.where(decisions.c.id == request_id))).first()
        return None if row is None else Record(**row._mapping)

    return await store.read(work)


_RECORDS = select(
    decisions.c.seq,
    decisions.c.id,
    decisions.c.user_id,
    decisions.c.decided_at.label("decided_at_s"),
    decisions.c.terms,
    decisions.c.document,
    orders.c.state.label("order_state"),
).select_from(decisions.outerjoin(orders, orders.c.decision_id == decisions.c.id))
_NEWEST_FIRST = (decisions.c.decided_at.desc(), decisions.c.seq.desc())


async def _find(
    connection: StoreConnection, wanted: Wanted, before: int | None, limit: int, looked_through: int
) -> Page:
    conditions = _range(wanted)
    if before is not None:
        position = (
            await connection.execute(select(decisions.c.decided_at, decisions.c.seq).where(decisions.c.seq == before))
        ).first()
        if position is None:
            return Page(records=(), before=None)  # too old to be kept, and so is what came before it
        conditions.append(tuple_(decisions.c.decided_at, decisions.c.seq) < tuple_(*position))
    entries = (
        select(decisions.c.seq, decisions.c.symbol, decisions.c.served_arm)
        .where(*conditions)
        .order_by(*_NEWEST_FIRST)
        .limit(looked_through)
    )
    rows = (await connection.execute(_matching(entries, wanted, limit + 1))).all()
    records = tuple(Record(**row._mapping) for row in rows[:limit])
    if len(rows) > limit:
        return Page(records=records, before=records[-1].seq)
    last = entries.with_only_columns(decisions.c.seq).offset(looked_through - 1).limit(1)
    return Page(records=records, before=(await connection.execute(last)).scalar())


def _range(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.user_id is not None:
        conditions.append(decisions.c.user_id == wanted.user_id)
    if wanted.since_s is not None:
        conditions.append(decisions.c.decided_at >= wanted.since_s)
    if wanted.until_s is not None:
        conditions.append(decisions.c.decided_at < wanted.until_s)
    return conditions


def _matching(entries: Select[tuple[int, str, str]], wanted: Wanted, limit: int) -> Select[tuple[object, ...]]:
    looked = entries.subquery()
    chosen = select(looked.c.seq)
    if wanted.symbol is not None:
        chosen = chosen.where(looked.c.symbol == wanted.symbol)
    if wanted.arm is not None:
        chosen = chosen.where(looked.c.served_arm == wanted.arm)
    return _RECORDS.where(decisions.c.seq.in_(chosen.limit(limit))).order_by(*_NEWEST_FIRST)
