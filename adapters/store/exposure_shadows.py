"""What the other arm would have done, added to the exposures that are in the store.

On PostgreSQL it is written at the end of a transaction, after exposures (exposure_rows.py), and passes over those that
somebody else holds: it waits for nobody (see versions.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, Executable, FromClause, Integer, Text, select, update
from sqlalchemy.types import TypeEngine

from adapters.store.connections import StoreConnection
from adapters.store.experiment_tables import exposures
from adapters.store.rows import ROWS, row_table, rows_text
from trading.vocabulary import Action, Arm, Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What `arm` advised where another one answered: its target exposure within the venue's range, and the action.

    `target` is None where it would have kept what is held.
    The rest names the exposure and the decision it has to be of: `bar_close_s` is market time (Unix seconds).
    """

    experiment: str
    run: int
    user_id: str
    symbol: str
    bar_close_s: int
    decision_id: str
    arm: Arm
    target: float | None
    action: Action


async def find_exposed(connection: StoreConnection, shadows: Sequence[Shadow]) -> frozenset[str]:
    """Read: the ids of the decisions of these that are the last ones on their bar, as far as the store knows."""
    found = await connection.execute(_FIND[connection.dialect.name], {ROWS: _text(shadows)})
    return frozenset(decision_id for (decision_id,) in found)


async def find_shadow(connection: StoreConnection, decision: Decision) -> Shadow | None:
    """Read: that of a decision; None while there is none, and once a later decision on the same bar has its place."""
    given, market, signal = decision.assignment, decision.market, decision.signal
    if market is None:
        return None
    table, bar_close_s = exposures.c, int(market.as_of_s)
    place = (given.experiment, given.run, signal.user_id, signal.symbol, bar_close_s, decision.request_id)
    mine = [table[name] == value for name, value in zip(_KEY, place, strict=True)]
    row = (await connection.execute(select(*(table[name] for name in _SHADOW)).where(*mine))).first()
    if row is None or row.shadow_arm is None:
        return None
    return Shadow(
        experiment=given.experiment,
        run=given.run,
        user_id=signal.user_id,
        symbol=signal.symbol,
        bar_close_s=bar_close_s,
        decision_id=decision.request_id,
        arm=Arm(row.shadow_arm),
        target=row.shadow_target,
        action=Action(row.shadow_action),
    )


async def save_shadows(connection: StoreConnection, shadows: Sequence[Shadow]) -> None:
    """Write: add these to their exposures when the transaction ends, where they still are of the same decisions."""
    if shadows:
        connection.info.setdefault(_NOTED, []).append(_text(shadows))


def begin(connection: StoreConnection) -> None:
    """Nothing is noted yet, whatever became of the transaction before."""
    connection.info.pop(_NOTED, None)


async def write_noted(connection: StoreConnection) -> None:
    """Write what was noted, after the exposures of the transaction."""
    for rows in connection.info.pop(_NOTED, ()):
        await connection.execute(_SAVE[connection.dialect.name], {ROWS: rows})


_NOTED = "shadows"
_KEY = ("experiment", "run", "user_id", "symbol", "bar_close", "decision_id")
_SHADOW = ("shadow_arm", "shadow_target", "shadow_action")
_COLUMNS: Mapping[str, TypeEngine[Any]] = {
    "experiment": Text(),
    "run": Integer(),
    "user_id": Text(),
    "symbol": Text(),
    "bar_close": BigInteger(),
    "decision_id": Text(),
    "shadow_arm": Text(),
    "shadow_target": Double(),
    "shadow_action": Text(),
}


def _text(shadows: Sequence[Shadow]) -> str:
    return rows_text(
        [
            {
                "experiment": shadow.experiment,
                "run": shadow.run,
                "user_id": shadow.user_id,
                "symbol": shadow.symbol,
                "bar_close": shadow.bar_close_s,
                "decision_id": shadow.decision_id,
                "shadow_arm": shadow.arm.value,
                "shadow_target": shadow.target,
                "shadow_action": shadow.action.value,
            }
            for shadow in shadows
        ]
    )


def _same(given: FromClause) -> list[ColumnElement[bool]]:
    return [exposures.c[name] == given.c[name] for name in _KEY]


def _find(dialect: str) -> Executable:
    given = row_table(dialect, _COLUMNS)
    return select(exposures.c.decision_id).where(*_same(given))


def _save(dialect: str) -> Executable:
    given = row_table(dialect, _COLUMNS)
    if dialect == "postgresql":
        chosen = select(*(given.c[name] for name in (*_KEY, *_SHADOW))).where(*_same(given))
        given = chosen.with_for_update(of=exposures, skip_locked=True).cte("free")
    return update(exposures).where(*_same(given)).values({name: given.c[name] for name in _SHADOW})


_FIND = {dialect: _find(dialect) for dialect in ("sqlite", "postgresql")}
_SAVE = {dialect: _save(dialect) for dialect in ("sqlite", "postgresql")}
