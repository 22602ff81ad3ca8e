"""What agents did, counted in the transaction that journals their decisions.

A count is the one row of the store, besides the version, that transactions of several processes wait for. On PostgreSQL
it is written as the last thing of a transaction, in the order of users: nobody who has one waits for anything else.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from adapters.store.connections import StoreConnection

_COLUMNS = "user_id, since, predictions, errors, last_activity"
_NOTED = "agent activity"


def note(connection: StoreConnection, counted: Sequence[Row[Any]]) -> None:
    """Count this (rows of the columns of `agent_activity`) when the transaction of this connection ends."""
    connection.info.setdefault(_NOTED, []).extend(dict(row._mapping) for row in counted)


def begin(connection: StoreConnection) -> None:
    """Nothing is noted yet, whatever became of the transaction before."""
    connection.info.pop(_NOTED, None)


async def write_noted(connection: StoreConnection) -> None:
    """Write what was noted. Nothing may come after it but the end of the transaction."""
    noted = connection.info.pop(_NOTED, None)
    if noted:
        await connection.execute(_WRITE, {"noted": json.dumps(noted)})


def count(source: str) -> str:
    """The SELECT that counts the new decisions of `source` (FROM ... WHERE ...) joined with the agents of their users.

    What was decided before the agent was created is that of the one before it.
    """
    return f"""
        SELECT agents.user_id AS user_id, created_at AS since, count(*) AS predictions,
            sum(CASE WHEN failed THEN 1 ELSE 0 END) AS errors, max(decided_at) AS last_activity
        {source} AND decided_at >= created_at GROUP BY agents.user_id, created_at"""


def add(counted: str) -> str:
    """The INSERT of what such a SELECT counted."""
    return f"""
        INSERT INTO agent_activity ({_COLUMNS}) {counted}
        ON CONFLICT (user_id) DO UPDATE SET
            since = excluded.since,
            predictions = excluded.predictions
                + CASE WHEN agent_activity.since = excluded.since THEN agent_activity.predictions ELSE 0 END,
            errors = excluded.errors
                + CASE WHEN agent_activity.since = excluded.since THEN agent_activity.errors ELSE 0 END,
            last_activity = CASE
                WHEN agent_activity.since = excluded.since AND agent_activity.last_activity > excluded.last_activity
                THEN agent_activity.last_activity ELSE excluded.last_activity END
        WHERE excluded.since >= agent_activity.since"""


# Of a user whose agent was created anew in this very transaction, the counts of the newest.
_WRITE = text(
    add("""
        SELECT DISTINCT ON (user_id) user_id, since, sum(predictions), sum(errors), max(last_activity)
        FROM json_to_recordset(CAST(:noted AS json)) AS noted(
            user_id text, since double precision, predictions bigint, errors bigint, last_activity double precision
        ) GROUP BY user_id, since ORDER BY user_id, since DESC""")
)
