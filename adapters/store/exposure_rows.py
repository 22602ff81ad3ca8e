"""How exposures enter the store with the decisions they are of: one for each user, symbol and bar, the last one wins.

On PostgreSQL they are written at the end of a transaction, in the order of their keys, before what agents did: nobody
who has one waits for anything else (see versions.py).
"""

from collections.abc import Sequence
from math import isfinite

from sqlalchemy import text

from adapters.store.connections import StoreConnection
from adapters.store.decision_columns import COLUMNS, EXPOSURE
from trading.agents import AgentConfig
from trading.sizing import allotted_usd
from trading.vocabulary import AssignmentReason, Decision

# Market times outside would fit into no column. 2**53: whole seconds as a float has them.
_LAST_S = 2.0**53
_NOTED = "exposures"

_KEY = ("experiment", "run", "user_id", "symbol", "bar_close")
# Those that are in the row of the decision anyway, by their names there.
_OF_DECISION = {
    "user_id": "user_id",
    "symbol": "symbol",
    "decision_id": "id",
    "decided_at": "decided_at",
    "assigned_arm": "assigned_arm",
    "served_arm": "served_arm",
    "executes": "should_trade",
}
# The others, in the order of `exposed`, by their types in PostgreSQL.
_COLUMNS = {
    "experiment": "text",
    "run": "integer",
    "bar_close": "bigint",
    "market_at": "double precision",
    "reason": "text",
    "propensity": "double precision",
    "stage": "text",
    "price": "double precision",
    "position_exposure": "double precision",
    "target_exposure": "double precision",
    "mode": "text",
    "capital_usd": "double precision",
    "symbols": "integer",
}

# What is decided after a run is over takes the place of nothing in it: a market that began anew has all its bars again.
AFTER_THE_RUN = frozenset({AssignmentReason.ROLLED_BACK.value, AssignmentReason.KILLED.value})
_REASON = list(_COLUMNS).index("reason")


def in_the_run(exposure: Sequence[object]) -> bool:
    """False for what was decided after the run was over; `exposure` is what `exposed` made."""
    return exposure[_REASON] not in AFTER_THE_RUN


def exposed(decision: Decision) -> list[object] | None:
    """What the row of a decision says of its exposure, ready for JSON; None when it is none.

    It is none outside a started experiment, without a bar that was decided on, or with a number that is none; while its
    experiment is off it is one, for what was earned under it goes on with what is served. Takes a microsecond: it is
    made for every decision.
    """
    assignment, market, agent = decision.assignment, decision.market, decision.agent
    if assignment.run < 1:
        return None
    if market is None or not 0.0 <= market.as_of_s < _LAST_S:
        return None
    position, target = decision.position_exposure, decision.target_exposure
    if not isfinite(market.now_s + market.close + position + target):
        return None
    return [
        assignment.experiment,
        assignment.run,
        int(market.as_of_s),
        market.now_s,
        decision.serving_reason._value_,
        assignment.propensity,
        assignment.stage,
        market.close,
        position,
        None if decision.advice.keeps else target,
        *((None, None, None) if agent is None else _traded_with(agent.config)),
    ]


def _traded_with(config: AgentConfig) -> tuple[str, float | None, int]:
    return config.execution._value_, allotted_usd(config), len(config.symbols)


def note(connection: StoreConnection, rows: str) -> None:
    """Write the exposures of these rows of a journal_rows.Batch when the transaction of this connection ends.

    Rows that an earlier version spooled have none.
    """
    if rows != "[]":
        connection.info.setdefault(_NOTED, []).append(rows)


def begin(connection: StoreConnection) -> None:
    """Nothing is noted yet, whatever became of the transaction before."""
    connection.info.pop(_NOTED, None)


async def write_noted(connection: StoreConnection) -> None:
    """Write what was noted. After it may come what agents did, and the end of the transaction."""
    noted = connection.info.pop(_NOTED, None)
    if noted:
        rows = ",".join(str(rows)[1:-1] for rows in noted)
        statement = _IN_ORDER if connection.dialect.name == "postgresql" else _ONE_BY_ONE
        await connection.execute(statement, {"rows": f"[{rows}]"})


_NAMES = ", ".join((*_COLUMNS, *_OF_DECISION))
_OVER = ", ".join(f"'{reason}'" for reason in sorted(AFTER_THE_RUN))
_LATEST = f"""
    ON CONFLICT ({", ".join(_KEY)}) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in (*_COLUMNS, *_OF_DECISION) if name not in _KEY)},
        shadow_arm = NULL, shadow_target = NULL, shadow_action = NULL
    WHERE (excluded.reason NOT IN ({_OVER}), excluded.decided_at, excluded.decision_id)
        > (exposures.reason NOT IN ({_OVER}), exposures.decided_at, exposures.decision_id)"""  # noqa: S608 - words of ours only


def _from_sqlite() -> str:
    own = [f"json_extract(one, '$[{EXPOSURE}][{place}]')" for place in range(len(_COLUMNS))]
    names = list(COLUMNS)
    return ", ".join([*own, *(f"json_extract(one, '$[{names.index(name)}]')" for name in _OF_DECISION.values())])


def _from_postgresql() -> str:
    own = [f"CAST(exposure ->> {place} AS {kind}) AS {name}" for place, (name, kind) in enumerate(_COLUMNS.items())]
    names = list(COLUMNS)
    other = [
        f"CAST(one ->> {names.index(there)} AS {COLUMNS[there]}) AS {here}" for here, there in _OF_DECISION.items()
    ]
    return ", ".join([*own, *other])


# As the decisions: one step, each element kept as it was cut out, INSERT first.
_ONE_BY_ONE = text(
    f"""
    INSERT INTO exposures ({_NAMES})
    WITH given(one) AS MATERIALIZED (SELECT value FROM json_each(:rows))
    SELECT {_from_sqlite()} FROM given WHERE json_extract(one, '$[{EXPOSURE}]') IS NOT NULL {_LATEST}"""  # noqa: S608 - words of ours only
)

# One statement may not meet the same row twice.
_IN_ORDER = text(
    f"""
    WITH given(one, exposure) AS MATERIALIZED (
        SELECT value, value -> {EXPOSURE} FROM jsonb_array_elements(CAST(:rows AS jsonb))
    ), found AS (SELECT {_from_postgresql()} FROM given WHERE exposure ->> 0 IS NOT NULL)
    INSERT INTO exposures ({_NAMES})
    SELECT DISTINCT ON ({", ".join(_KEY)}) {_NAMES} FROM found
    ORDER BY {", ".join(_KEY)}, reason IN ({_OVER}), decided_at DESC, decision_id DESC {_LATEST}"""  # noqa: S608 - words of ours only
)
