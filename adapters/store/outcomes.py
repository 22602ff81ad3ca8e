"""What the market days of an experiment's users earned, as rows: marked again, the latest marking stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from math import isfinite
from typing import Any

from sqlalchemy import Double, Executable, Integer, Row, Text, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.experiment_tables import outcomes
from adapters.store.rows import ROWS, row_table, rows_text
from adapters.store.versions import wait_for_turn
from trading.vocabulary import Arm

# The words of `state`.
KNOWN = "known"
STATES = frozenset({KNOWN, "missing", "late"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One user's market day (2026-01-31, UTC) in a run of an experiment.

    `arm` is the one assigned at the first exposure. `net_bps` is after costs and `fees_bps` these, in basis points of
    `capital_usd`; `turnover` is traded value over it. `state` is one of STATES: all four are None unless it is known,
    and then `net_bps` is not. `marked_at_s` is a wall time (Unix seconds).
    """

    experiment: str
    run: int
    user_id: str
    day: str
    arm: Arm
    source: str
    state: str
    net_bps: float | None
    fees_bps: float | None
    turnover: float | None
    capital_usd: float | None
    marked_at_s: float


def save_outcomes(marked: Sequence[Outcome]) -> Work[None]:
    """Write: keep these; one that was marked later already stays. Raises ValueError for what is no outcome.

    A number that is not finite is none, and neither is the same day of a user twice.
    """
    for outcome in marked:
        _check(outcome)
    rows = [_row(outcome) for outcome in marked]
    if len({tuple(row[name] for name in _KEY) for row in rows}) < len(rows):
        raise ValueError("the same day of a user twice")
    text = rows_text(rows)

    async def work(connection: StoreConnection) -> None:
        if rows:
            await wait_for_turn(connection)  # it may have to wait for another that marks the same days
            await connection.execute(_SAVE[connection.dialect.name], {ROWS: text})

    return work


def read_outcomes(experiment: str, run: int) -> Work[Sequence[Outcome]]:
    """Read: all outcomes of a run, by user and day."""

    async def work(connection: StoreConnection) -> Sequence[Outcome]:
        rows = await connection.execute(_OF_RUN, {"of_experiment": experiment, "of_run": run})
        return [_outcome(row) for row in rows]

    return work


def find_outcome(experiment: str, run: int, user_id: str, day: str) -> Work[Outcome | None]:
    """Read: what one user's market day earned; None while it was not marked."""

    async def work(connection: StoreConnection) -> Outcome | None:
        table = outcomes.c
        mine = (table.experiment == experiment, table.run == run, table.user_id == user_id, table.day == day)
        row = (await connection.execute(select(outcomes).where(*mine))).first()
        return None if row is None else _outcome(row)

    return work


def check_finite(numbers: Mapping[str, float | None]) -> None:
    """Raises ValueError naming the first of these numbers that is not finite; None is no number."""
    for name, number in numbers.items():
        if number is not None and not isfinite(number):
            raise ValueError(f"{name}: {number} is not a finite number")


def _check(outcome: Outcome) -> None:
    told = {name: getattr(outcome, name) for name in _AMOUNTS}
    check_finite(told | {"marked_at_s": outcome.marked_at_s})
    if outcome.state not in STATES:
        raise ValueError(f"state: {outcome.state!r} is none of {', '.join(sorted(STATES))}")
    if outcome.state == KNOWN and outcome.net_bps is None:
        raise ValueError("net_bps: a known outcome has one")
    if outcome.state != KNOWN and any(number is not None for number in told.values()):
        raise ValueError(f"state: an outcome that is {outcome.state} has no numbers")
    if date.fromisoformat(outcome.day).isoformat() != outcome.day:
        raise ValueError(f"day: {outcome.day!r} is not written like 2026-01-31")


_AMOUNTS = ("net_bps", "fees_bps", "turnover", "capital_usd")
_KEY = ("experiment", "run", "user_id", "day")
_COLUMNS: Mapping[str, TypeEngine[Any]] = {
    "experiment": Text(),
    "run": Integer(),
    "user_id": Text(),
    "day": Text(),
    "arm": Text(),
    "source": Text(),
    "state": Text(),
    **{name: Double() for name in _AMOUNTS},
    "marked_at": Double(),
}


def _row(outcome: Outcome) -> dict[str, object]:
    row = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    return row | {"arm": outcome.arm.value, "marked_at": row.pop("marked_at_s")}


def _outcome(row: Row[Any]) -> Outcome:
    values = {name: row._mapping[name] for name in _COLUMNS if name != "marked_at"}
    return Outcome(**values | {"arm": Arm(row.arm), "marked_at_s": row.marked_at})


def _save(dialect: str) -> Executable:
    given = row_table(dialect, _COLUMNS)
    # SQLite takes ON CONFLICT after a SELECT only if that has a WHERE.
    chosen = select(*(given.c[name] for name in _COLUMNS)).where(given.c.run.is_not(None))
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(outcomes).from_select(list(_COLUMNS), chosen)
    new = {name: statement.excluded[name] for name in _COLUMNS if name not in _KEY}
    later = statement.excluded.marked_at >= outcomes.c.marked_at
    return statement.on_conflict_do_update(index_elements=_KEY, set_=new, where=later)


_SAVE = {dialect: _save(dialect) for dialect in ("sqlite", "postgresql")}
_OF_RUN = (
    select(outcomes)
    .where(outcomes.c.experiment == bindparam("of_experiment"), outcomes.c.run == bindparam("of_run"))
    .order_by(outcomes.c.user_id, outcomes.c.day)
)
