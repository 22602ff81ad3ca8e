"""Which bars acting agents have decided on: over all workers each is taken by one at a time, and ended once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Double,
    Executable,
    Integer,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.rows import ROWS, row_table, rows_text
from adapters.store.trading_tables import agent_bars
from adapters.store.versions import wait_for_turn
from trading.acting import AgentBar
from trading.boot import Clock, Moment
from trading.errors import IllegalChange

# Who takes a bar decides on it at once; after this it may be taken again, under a higher epoch.
LEASE_S = 5.0

_TAKEN, _DONE, _MISSED = "taken", "done", "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A bar that somebody decides on; only who has its latest epoch may end it."""

    bar: AgentBar
    decision_id: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Takings:
    """Of the bars that were asked for: those taken, and those that another worker holds. The rest has ended."""

    taken: Sequence[Taken]
    held: frozenset[AgentBar]


def take(ids: Mapping[AgentBar, str], owner: str, now: Clock) -> Work[Takings]:
    """Write: take bars, each with the id of its decision, for LEASE_S seconds.

    Nobody gets one that has ended, or that another owner holds; one's own is taken anew, under a higher epoch.
    """

    async def work(connection: StoreConnection) -> Takings:
        rows = await _enter(connection, _TAKEN, ids, owner, now())
        taken = [
            Taken(
                bar=AgentBar(user_id=row.user_id, symbol=row.symbol, bar_close_s=row.bar_close),
                decision_id=row.decision_id,
                epoch=row.epoch,
            )
            for row in rows
        ]
        others = set(ids) - {each.bar for each in taken}
        return Takings(taken=taken, held=await _held(connection, others) if others else frozenset())

    return work


def finish(taken: Taken, *, deadline: Moment, now: Clock) -> Work[None]:
    """Write: end a bar, as the first step of the transaction that keeps its decision.

    Raises IllegalChange, and nothing is written, when the deadline has passed (`late`), and when another worker has
    taken the bar since or an earlier try of this has ended it (`lost`).
    """
    bar = taken.bar
    values = {"user": bar.user_id, "in_symbol": bar.symbol, "closed": bar.bar_close_s, "of_epoch": taken.epoch}

    async def work(connection: StoreConnection) -> None:
        await wait_for_turn(connection)
        if deadline.left_s(now()) <= 0.0:
            raise IllegalChange("late")
        if (await connection.execute(_FINISH, values)).rowcount != 1:
            raise IllegalChange("lost")

    return work


def miss(ids: Mapping[AgentBar, str], owner: str, now: Clock) -> Work[int]:
    """Write: bars are too late to be decided on; how many of them nobody had ended. What another holds stays his."""

    async def work(connection: StoreConnection) -> int:
        return len(await _enter(connection, _MISSED, ids, owner, now()))

    return work


async def end_old(connection: StoreConnection, *, before_s: float, most: int) -> int:
    """Delete up to `most` rows taken before a wall time (Unix seconds); how many."""
    old = select(*_KEY).where(agent_bars.c.taken_at < before_s).order_by(agent_bars.c.taken_at)
    chunk = old.limit(most).with_for_update(skip_locked=True)
    return (await connection.execute(delete(agent_bars).where(tuple_(*_KEY).in_(chunk)))).rowcount


_KEY = (agent_bars.c.user_id, agent_bars.c.symbol, agent_bars.c.bar_close)
_KEY_COLUMNS: dict[str, TypeEngine[Any]] = {"user_id": Text(), "symbol": Text(), "bar_close": BigInteger()}
_FINISH = (
    update(agent_bars)
    .where(
        agent_bars.c.user_id == bindparam("user"),
        agent_bars.c.symbol == bindparam("in_symbol"),
        agent_bars.c.bar_close == bindparam("closed"),
        agent_bars.c.epoch == bindparam("of_epoch"),
        agent_bars.c.state == _TAKEN,
    )
    .values(state=_DONE)
)
_HERE = bindparam("now_boot", type_=Text())
_LAPSED = or_(
    and_(agent_bars.c.lease_boot == _HERE, agent_bars.c.lease_monotonic <= bindparam("now_monotonic", type_=Double())),
    and_(agent_bars.c.lease_boot != _HERE, agent_bars.c.lease_at <= bindparam("now_wall", type_=Double())),
)


def _enter_statement(dialect: str, insert: Callable[[Table], sqlite.Insert | postgresql.Insert]) -> Executable:
    given = row_table(dialect, _KEY_COLUMNS | {"decision_id": Text()})
    columns = {
        "user_id": given.c.user_id,
        "symbol": given.c.symbol,
        "bar_close": given.c.bar_close,
        "decision_id": given.c.decision_id,
        "state": bindparam("becomes", type_=Text()),
        "epoch": bindparam("first_epoch", type_=Integer()),
        "owner": bindparam("by", type_=Text()),
        "lease_boot": bindparam("until_boot", type_=Text()),
        "lease_monotonic": bindparam("until_monotonic", type_=Double()),
        "lease_at": bindparam("until_wall", type_=Double()),
        "taken_at": bindparam("now_wall", type_=Double()),
    }
    statement = insert(agent_bars).from_select(list(columns), select(*columns.values()).where(true()))
    renewed = ("state", "owner", "lease_boot", "lease_monotonic", "lease_at", "taken_at")
    mine = agent_bars.c.owner == statement.excluded.owner
    return statement.on_conflict_do_update(
        index_elements=list(_KEY),
        set_={name: statement.excluded[name] for name in renewed} | {"epoch": agent_bars.c.epoch + 1},
        where=and_(agent_bars.c.state == _TAKEN, or_(mine, _LAPSED)),
    ).returning(*_KEY, agent_bars.c.decision_id, agent_bars.c.epoch)


def _held_statement(dialect: str) -> Executable:
    given = row_table(dialect, _KEY_COLUMNS)
    same = and_(*(column == given.c[column.name] for column in _KEY))
    return select(*_KEY).join_from(agent_bars, given, same).where(agent_bars.c.state == _TAKEN)


_HELD = {dialect: _held_statement(dialect) for dialect in ("sqlite", "postgresql")}
_ENTER = {
    "sqlite": _enter_statement("sqlite", sqlite.insert),
    "postgresql": _enter_statement("postgresql", postgresql.insert),
}


async def _enter(
    connection: StoreConnection, state: str, ids: Mapping[AgentBar, str], owner: str, now: Moment
) -> Sequence[Any]:
    # Two that insert the same rows in another order would wait for each other.
    await wait_for_turn(connection)
    end = now.after(LEASE_S)
    values: dict[str, object] = {
        ROWS: rows_text([_row(bar) | {"decision_id": decision_id} for bar, decision_id in ids.items()]),
        "becomes": state,
        "first_epoch": 1,
        "by": owner,
        "until_boot": end.boot,
        "until_monotonic": end.monotonic_s,
        "until_wall": end.wall_s,
        "now_boot": now.boot,
        "now_monotonic": now.monotonic_s,
        "now_wall": now.wall_s,
    }
    return (await connection.execute(_ENTER[connection.dialect.name], values)).all()


async def _held(connection: StoreConnection, bars: set[AgentBar]) -> frozenset[AgentBar]:
    values = {ROWS: rows_text([_row(bar) for bar in bars])}
    rows = await connection.execute(_HELD[connection.dialect.name], values)
    return frozenset(AgentBar(user_id=row.user_id, symbol=row.symbol, bar_close_s=row.bar_close) for row in rows)


def _row(bar: AgentBar) -> dict[str, object]:
    return {"user_id": bar.user_id, "symbol": bar.symbol, "bar_close": bar.bar_close_s}
