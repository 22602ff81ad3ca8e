"""The number that grows by one with every change of what workers hold in memory; changes commit in its order.

Its row is also the one lock for which a transaction may wait in its midst: writes share transactions in any order, and
with a second such lock two of them could wait for each other in a circle. All else is passed over when it is locked
(jobs, answers) or is written last (exposure_rows.py, then exposure_shadows.py, then activity.py).
"""

from sqlalchemy import select, update

from adapters.store.connections import StoreConnection
from adapters.store.tables import snapshot_version

# The only row, made with the table.
_ROW = snapshot_version.c.name == "snapshot"
_READ = select(snapshot_version.c.version).where(_ROW)
_LOCK = _READ.with_for_update()
_RAISE = update(snapshot_version).where(_ROW).values(version=snapshot_version.c.version + 1)
_RAISE_AND_READ = _RAISE.returning(snapshot_version.c.version)


async def version_now(connection: StoreConnection) -> int:
    """The version of the last change."""
    return int((await connection.execute(_READ)).scalar_one())


async def wait_for_turn(connection: StoreConnection) -> None:
    """Until this transaction ends no other has the turn: read what you change after this, and wait for nothing else."""
    if connection.dialect.name == "postgresql":  # SQLite's transaction has the only lock there is
        await connection.execute(_LOCK)


async def next_version(connection: StoreConnection) -> int:
    """The version of the change that this transaction makes."""
    return int((await connection.execute(_RAISE_AND_READ)).scalar_one())
