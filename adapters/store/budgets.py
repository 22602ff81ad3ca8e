"""Whether one more call may go to a service that takes only so many from all workers together."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, insert, or_, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.trading_tables import calls
from adapters.store.versions import wait_for_turn
from trading.boot import Clock

_OF_NAME = calls.c.name == bindparam("of_name")
_FORGET = delete(calls).where(_OF_NAME, or_(calls.c.at <= bindparam("over"), calls.c.at > bindparam("ahead")))
_COUNT = select(func.count()).select_from(calls).where(_OF_NAME, calls.c.at > bindparam("since"))
_TAKE = insert(calls)


def take_call(name: str, *, windows: Sequence[tuple[int, float]], now: Clock) -> Work[bool]:
    """Write: count one call, by the wall time at which it gets its turn, if no window is full; False, uncounted, else.

    A window is how many calls it takes, and its length in seconds; a call leaves it exactly that long after it came.
    Give a name the same windows always. Exact over all workers: of two that take the last place one does not get it.
    """
    longest_s = max(within_s for _, within_s in windows)

    async def work(connection: StoreConnection) -> bool:
        await wait_for_turn(connection)
        # Not before: who waits for the lock calls later, and the service counts from then on.
        wall_s = now().wall_s
        # A call from beyond the longest window ahead was counted by a clock that has been set back since.
        limits = {"of_name": name, "over": wall_s - longest_s, "ahead": wall_s + longest_s}
        await connection.execute(_FORGET, limits)
        for most, within_s in windows:
            counted = await connection.execute(_COUNT, {"of_name": name, "since": wall_s - within_s})
            if counted.scalar_one() >= most:
                return False
        await connection.execute(_TAKE, {"name": name, "at": wall_s})
        return True

    return work
