"""Values that the service made up for itself once: every worker, restart and replica has the same."""

import secrets as chance

from sqlalchemy import select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.tables import secrets
from adapters.store.upsert import insert_new

BYTES = 32


def secret(name: str) -> Work[bytes]:
    """Write: the 32 secret bytes of this name; whoever asks first makes them up."""

    async def work(connection: StoreConnection) -> bytes:
        await insert_new(connection, secrets, {"name": name, "value": chance.token_hex(BYTES)})
        kept = await connection.execute(select(secrets.c.value).where(secrets.c.name == name))
        return bytes.fromhex(kept.scalar_one())

    return work
