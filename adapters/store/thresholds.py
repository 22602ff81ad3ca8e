"""What the AdaptiveThreshold service said last: written by one worker, held in memory by all, by version."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import bindparam, delete, insert, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.reading import read_value
from adapters.store.trading_tables import thresholds
from adapters.store.versions import next_version, version_now, wait_for_turn
from trading.thresholds import KnownThresholds, Thresholds

# Rows read at once: between two readings other requests have their turn.
CHUNK = 500

_FORGET = delete(thresholds).where(
    thresholds.c.user_id == bindparam("of_user"), thresholds.c.symbol == bindparam("of_symbol")
)
_KEEP = insert(thresholds)
_NEWER = select(thresholds).where(thresholds.c.version > bindparam("known")).order_by(thresholds.c.version).limit(CHUNK)

log = logging.getLogger("rl_service.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    user_id: str
    symbol: str
    document: str
    as_of_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    version: int
    rows: Sequence[_Row]


def keep_thresholds(user_id: str, symbol: str, known: KnownThresholds) -> Work[None]:
    """Write: from now on all workers know these of a user and symbol."""

    async def work(connection: StoreConnection) -> None:
        await wait_for_turn(connection)
        values = {
            "user_id": user_id,
            "symbol": symbol,
            "document": json.dumps(asdict(known.values)),
            "as_of": known.as_of_s,
            "version": await next_version(connection),
        }
        await connection.execute(_FORGET, {"of_user": user_id, "of_symbol": symbol})
        await connection.execute(_KEEP, values)

    return work


class ThresholdReader:
    """Keeps trading.thresholds.ThresholdSource; as fresh as the last `refresh`. For one event loop.

    Holds those of users for whom `has_agent` is true as they are read, and no others.
    """

    def __init__(self, store: Store, has_agent: Callable[[str], bool]) -> None:
        self._store = store
        self._has_agent = has_agent
        self._known: dict[tuple[str, str], KnownThresholds] = {}
        self._refreshing = asyncio.Lock()
        self._version = -1

    def of(self, user_id: str, symbol: str) -> KnownThresholds | None:
        """See ThresholdSource."""
        return self._known.get((user_id, symbol))

    async def refresh(self) -> None:
        """Take in what was written since the last time. Raises StoreUnavailable."""
        async with self._refreshing:
            while True:
                changes = await self._store.read(self._newer)
                for row in changes.rows:
                    self._take_in(row)
                self._version = changes.version
                if len(changes.rows) < CHUNK:
                    return
                await asyncio.sleep(0)

    async def _newer(self, connection: StoreConnection) -> _Changes:
        version = await version_now(connection)
        if version == self._version:
            return _Changes(version=version, rows=())
        found = (await connection.execute(_NEWER, {"known": self._version})).all()
        rows = [_Row(user_id=row.user_id, symbol=row.symbol, document=row.document, as_of_s=row.as_of) for row in found]
        return _Changes(version=version if len(found) < CHUNK else found[-1].version, rows=rows)

    def _take_in(self, row: _Row) -> None:
        if not self._has_agent(row.user_id):
            return
        try:
            values = read_value(Thresholds, json.loads(row.document))
        except ValueError as error:
            # Another version of this service wrote it: what was known before stays, as when nobody had.
            log.warning("thresholds of a user and %s cannot be read: %s", row.symbol, error)
            return
        self._known[row.user_id, row.symbol] = KnownThresholds(values=values, as_of_s=row.as_of_s)
