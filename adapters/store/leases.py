"""Who does what only one of all workers may do: a named lease, taken for seconds, each taking under a higher epoch."""

from sqlalchemy import bindparam, select, update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.trading_tables import leases
from adapters.store.upsert import insert_or_replace
from adapters.store.versions import wait_for_turn
from trading.boot import Clock, Moment

_FIND = select(leases).where(leases.c.name == bindparam("wanted"))
# No clock of any boot is before 0.
_END = (
    update(leases)
    .where(leases.c.name == bindparam("wanted"), leases.c.owner == bindparam("holder"))
    .values(until_monotonic=0.0, until_at=0.0)
)


def hold(name: str, owner: str, now: Clock, *, for_s: float) -> Work[int | None]:
    """Write: take a lease that nobody holds, or renew one's own; its epoch (from 1), None while another owner holds it.

    It lasts `for_s` seconds from when the store writes it: count them from before the call, then it never ends sooner
    than its owner thinks. Renewing keeps the epoch; whoever takes it, also its last owner, has a higher one.
    """

    async def work(connection: StoreConnection) -> int | None:
        await wait_for_turn(connection)
        found = (await connection.execute(_FIND, {"wanted": name})).first()
        moment = now()
        lapsed = (
            found is None
            or Moment(boot=found.boot, monotonic_s=found.until_monotonic, wall_s=found.until_at).left_s(moment) <= 0
        )
        if found is not None and not lapsed and found.owner != owner:
            return None
        epoch = (0 if found is None else int(found.epoch)) + lapsed
        end = moment.after(for_s)
        values = {
            "name": name,
            "owner": owner,
            "epoch": epoch,
            "boot": end.boot,
            "until_monotonic": end.monotonic_s,
            "until_at": end.wall_s,
        }
        await insert_or_replace(connection, leases, values, key="name")
        return epoch

    return work


def release(name: str, owner: str) -> Work[None]:
    """Write: from now on anybody may take a lease that `owner` holds; another owner's stays as it is."""

    async def work(connection: StoreConnection) -> None:
        await wait_for_turn(connection)
        # The row stays: the epochs of a lease never begin anew.
        await connection.execute(_END, {"wanted": name, "holder": owner})

    return work
