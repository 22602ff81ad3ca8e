"""Ends what the store keeps of users in experiments; experiments and their logs are never ended."""

from sqlalchemy import Column, Table, delete, select, tuple_

from adapters.store.connections import StoreConnection
from adapters.store.experiment_tables import exposures, outcomes, reported_outcomes

# A year of an experiment, and a month to read its results: exposures and outcomes stay as long as each other.
KEPT_S = 400 * 86_400.0


async def end_exposures(connection: StoreConnection, *, before_s: float, most: int) -> int:
    """Delete up to `most` exposures decided before a wall time (Unix seconds); how many."""
    return await _end(connection, exposures, exposures.c.decided_at, before_s=before_s, most=most)


async def end_outcomes(connection: StoreConnection, *, before_s: float, most: int) -> int:
    """Delete up to `most` outcomes last marked before a wall time; how many."""
    return await _end(connection, outcomes, outcomes.c.marked_at, before_s=before_s, most=most)


async def end_reported(connection: StoreConnection, *, before_s: float, most: int) -> int:
    """Delete up to `most` outcomes that callers told before a wall time; how many."""
    return await _end(connection, reported_outcomes, reported_outcomes.c.at, before_s=before_s, most=most)


async def _end(connection: StoreConnection, table: Table, since: Column[float], *, before_s: float, most: int) -> int:
    key = tuple(table.primary_key.columns)
    chunk = select(*key).where(since < before_s).order_by(since).limit(most).with_for_update(skip_locked=True)
    return (await connection.execute(delete(table).where(tuple_(*key).in_(chunk)))).rowcount
