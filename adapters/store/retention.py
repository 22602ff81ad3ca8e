"""Ends what the store has kept long enough, a chunk at a time; decisions leave their daily sums behind.

SQLite's file stays as large as it was at most: deleted pages are used again, so nothing ever needs a VACUUM.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sqlalchemy import ColumnElement, delete, select, text, tuple_

from adapters.store.agent_bars import end_old
from adapters.store.answers import PREDICT_ASYNC
from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.experiment_retention import KEPT_S, end_exposures, end_outcomes, end_reported
from adapters.store.tables import answers, jobs
from adapters.store.trading_retention import end_calls, end_orders
from adapters.store.versions import wait_for_turn
from trading.errors import StoreUnavailable

# Rows of one transaction, and the time others have the store to themselves between two.
CHUNK_ROWS = 2000
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """For how long: decisions, results of asynchronous predictions, answers to keyed requests.

    Orders that have ended, and which bars agents have decided on, are kept as long as decisions; answers that accepted
    an asynchronous prediction as long as its result. What belongs to experiments is kept for KEPT_S.
    """

    decisions_s: float
    results_s: float
    answers_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """How many rows one sweep ended."""

    decisions: int
    results: int
    answers: int
    orders: int
    agent_bars: int
    calls: int
    exposures: int
    outcomes: int


class _End(Protocol):
    async def __call__(self, connection: StoreConnection, *, before_s: float, most: int) -> int: ...


async def sweep(
    store: Store,
    keep: Keep,
    *,
    now_s: float,
    chunk_rows: int = CHUNK_ROWS,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Swept:
    """End what is too old at `now_s` (wall time, Unix seconds). Raises StoreUnavailable; the next sweep goes on.

    What fails for one kind keeps no other from its end. Any number of processes may sweep at once: each row is ended,
    and each decision added to its day, once.
    """
    ended: list[int] = []
    failures: list[StoreUnavailable] = []
    for end, kept_s in _kinds(keep):
        try:
            chunk = partial(end, before_s=now_s - kept_s, most=chunk_rows)
            ended.append(await _end_all(store, chunk, chunk_rows, sleep))
        except StoreUnavailable as error:
            failures.append(error)
    if failures:
        raise failures[0]
    decisions, results, accepted, answered, orders, agent_bars, calls, exposures, marked, told = ended
    return Swept(
        decisions=decisions,
        results=results,
        answers=accepted + answered,
        orders=orders,
        agent_bars=agent_bars,
        calls=calls,
        exposures=exposures,
        outcomes=marked + told,
    )


def _kinds(keep: Keep) -> tuple[tuple[_End, float], ...]:
    return (
        (_end_decisions, keep.decisions_s),
        (_end_results, keep.results_s),
        (_end_accepted, keep.results_s),
        (_end_answers, keep.answers_s),
        (end_orders, keep.decisions_s),
        (end_old, keep.decisions_s),
        (end_calls, keep.decisions_s),
        (end_exposures, KEPT_S),
        (end_outcomes, KEPT_S),
        (end_reported, KEPT_S),
    )


async def _end_all(store: Store, chunk: Work[int], chunk_rows: int, sleep: Callable[[float], Awaitable[None]]) -> int:
    ended = 0
    while True:
        rows = await store.write(chunk)
        ended += rows
        if rows < chunk_rows:
            return ended
        await sleep(PAUSE_S)


async def _end_decisions(connection: StoreConnection, *, before_s: float, most: int) -> int:
    await wait_for_turn(connection)  # for the sums: see versions.py
    parameters = {"before_s": before_s, "most": most}
    if connection.dialect.name == "postgresql":
        return int((await connection.execute(_END_AND_SUM, parameters)).scalar_one())
    await connection.execute(_SUM, parameters)
    return (await connection.execute(_END, parameters)).rowcount


async def _end_results(connection: StoreConnection, *, before_s: float, most: int) -> int:
    old = select(jobs.c.id).where(jobs.c.finished_at < before_s).order_by(jobs.c.finished_at)
    chunk = old.limit(most).with_for_update(skip_locked=True)
    return (await connection.execute(delete(jobs).where(jobs.c.id.in_(chunk)))).rowcount


async def _end_answers(connection: StoreConnection, *, before_s: float, most: int) -> int:
    return await _end_where(connection, most, answers.c.created_at < before_s)


async def _end_accepted(connection: StoreConnection, *, before_s: float, most: int) -> int:
    # They name a result: without it they would promise what nobody can have.
    return await _end_where(connection, most, answers.c.created_at < before_s, answers.c.operation == PREDICT_ASYNC)


async def _end_where(connection: StoreConnection, most: int, *conditions: ColumnElement[bool]) -> int:
    key = (answers.c.user_id, answers.c.operation, answers.c.key)
    old = select(*key).where(*conditions).order_by(answers.c.created_at)
    chunk = old.limit(most).with_for_update(skip_locked=True)
    return (await connection.execute(delete(answers).where(tuple_(*key).in_(chunk)))).rowcount


_KINDS = "symbol, model, model_version, assigned_arm, served_arm, action, should_trade"
_OLD = "SELECT seq FROM decisions WHERE decided_at < :before_s ORDER BY decided_at, seq LIMIT :most"


def _sum(day: str, source: str) -> str:
    return f"""
        INSERT INTO decision_days (day, {_KINDS}, decisions)
        SELECT {day}, {_KINDS}, count(*) FROM {source}
        GROUP BY {day}, {_KINDS}
        ON CONFLICT (day, {_KINDS}) DO UPDATE SET decisions = decision_days.decisions + excluded.decisions"""  # noqa: S608 - words of ours only


# SQLite's transaction holds the write lock: both statements mean the same rows.
_SUM = text(_sum("strftime('%Y-%m-%d', decided_at, 'unixepoch')", f"decisions WHERE seq IN ({_OLD})"))
_END = text(f"DELETE FROM decisions WHERE seq IN ({_OLD})")  # noqa: S608 - words of ours only

_END_AND_SUM = text(
    f"""
    WITH gone AS (
        DELETE FROM decisions WHERE seq IN ({_OLD} FOR UPDATE SKIP LOCKED) RETURNING decided_at, {_KINDS}
    ), days AS ({_sum("to_char(to_timestamp(decided_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD')", "gone")})
    SELECT count(*) FROM gone"""  # noqa: S608 - words of ours only
)
