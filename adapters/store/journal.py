"""Takes note of decisions without ever waiting, and brings them into the store in batches.

Keeps the port trading.ports.Journal.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store
from adapters.store.failures import RefusedStatement
from adapters.store.journal_rows import Batch, Entry, InsertBatch, ToRow, encode, joined
from adapters.store.spool import Spool
from trading.errors import StoreUnavailable
from trading.vocabulary import Decision

log = logging.getLogger("rl_service.journal")

# A plain prediction is in memory only for this long, and for as long as a transaction takes: kill -9 loses that much.
FLUSH_S = 0.08
# Decisions that do not wait for the interval to end, the most in one transaction, and the most that wait in memory.
ENOUGH = 500
MOST_TOGETHER = 500
MOST_QUEUED = 10_000
# Rows that are made in one go on the event loop: a tenth of a millisecond.
MADE_AT_ONCE = 10
# How long the store is left alone when it was away, and how often files of dead processes are looked for.
PAUSE_S = 0.5
ADOPT_S = 5.0
# A batch that is not confirmed by then goes to the spool; should it be in the store after all, its ids say so.
WITHIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """Where decisions are that are not in the store yet.

    `queued` decisions are in memory only, the oldest for `oldest_age_s`; `spooled_bytes` wait on this machine's disk
    while the store is `away`. Since this process started `dropped` decisions found no room anywhere or could not be
    written down, `refused` ones are in files of their own beside the spool because the database would not take them,
    and `torn` files of the spool ended in the middle of a write or were damaged.
    """

    queued: int
    oldest_age_s: float
    spooled_bytes: int
    away: bool
    dropped: int
    refused: int
    torn: int


class Journal:
    """One process's journal. For one event loop, which alone may call `add`."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        *,
        to_row: ToRow,
        flush_s: float = FLUSH_S,
        pause_s: float = PAUSE_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._spool = spool
        self._to_row = to_row
        self._flush_s = flush_s
        self._pause_s = pause_s
        self._sleep = sleep
        self._queue: deque[Entry] = deque()
        self._in_hand: list[Entry] = []
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._spooled = asyncio.Event()
        self._away = False
        self._stopping = False
        self._room = MOST_QUEUED
        self._dropped = 0
        self._refused = 0

    def add(self, decision: Decision, *, decided_at_s: float) -> None:
        """Take note of a decision made at `decided_at_s` (wall time, Unix seconds); without room it is only counted."""
        queue = self._queue
        if len(queue) >= self._room:
            self._dropped += 1
            return
        queue.append(Entry(decision=decision, decided_at_s=decided_at_s))
        if len(queue) == 1:
            self._some.set()
        elif len(queue) == ENOUGH:
            self._enough.set()

    async def insert(self, connection: StoreConnection, entries: Sequence[Entry]) -> None:
        """Put decisions into the journal inside a transaction of the caller's, each once whoever else puts it there."""
        await InsertBatch(batch=encode(entries, self._to_row))(connection)

    def state(self, *, now_s: float) -> JournalState:
        """What is where at `now_s` (wall time, Unix seconds)."""
        oldest = next(iter(self._in_hand), None) or next(iter(self._queue), None)
        return JournalState(
            queued=len(self._in_hand) + len(self._queue),
            oldest_age_s=0.0 if oldest is None else max(0.0, now_s - oldest.decided_at_s),
            spooled_bytes=self._spool.waiting_bytes,
            away=self._away,
            dropped=self._dropped,
            refused=self._refused,
            torn=self._spool.torn,
        )

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """What runs until the journal stops, once it was started."""
        return self._flusher, self._drainer

    async def start(self) -> None:
        """Begin to write; what processes that died left behind is brought into the store too."""
        self._flusher = asyncio.create_task(self._flush_for_ever(), name="journal")
        self._drainer = asyncio.create_task(self._drain_for_ever(), name="journal-spool")

    async def stop(self) -> None:
        """Bring everything into the store, or else to the disk; decisions added afterwards are dropped."""
        self._stopping = True
        self._some.set()
        self._enough.set()
        await asyncio.wait({self._flusher})
        self._drainer.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.to_thread(self._spool.close)

    async def _flush_for_ever(self) -> None:
        while not self._stopping or self._queue:
            if not self._queue:
                self._some.clear()
                await self._some.wait()
            if len(self._queue) < ENOUGH and not self._stopping:
                await _wait(self._enough, self._flush_s)
            self._enough.clear()
            await self._flush()
        self._room = 0

    async def _flush(self) -> None:
        queue = self._queue
        self._in_hand = [queue.popleft() for _ in range(min(len(queue), MOST_TOGETHER))]
        if self._in_hand and not await self._keep(await self._made()):
            self._dropped += len(self._in_hand)
            log.error("%d decisions are lost: neither the store nor the spool took them", len(self._in_hand))
        self._in_hand = []

    async def _made(self) -> Batch:
        parts: list[Batch] = []
        after_bytes = 0
        for first in range(0, len(self._in_hand), MADE_AT_ONCE):
            for part in self._encoded(self._in_hand[first : first + MADE_AT_ONCE], after_bytes):
                parts.append(part)
                after_bytes += len(part.documents)
            await asyncio.sleep(0)  # requests that came in go first
        return joined(parts)

    def _encoded(self, entries: Sequence[Entry], after_bytes: int) -> Iterator[Batch]:
        try:
            yield encode(entries, self._to_row, after_bytes=after_bytes)
        except Exception as error:  # noqa: BLE001 - whatever one decision is, the others are written down
            if len(entries) > 1:
                # One of them cannot be written down: alone, the others can.
                for entry in entries:
                    for part in self._encoded([entry], after_bytes):
                        yield part
                        after_bytes += len(part.documents)
                return
            self._dropped += 1
            log.error("decision %s is lost: %r", entries[0].decision.request_id, error)

    async def _keep(self, batch: Batch) -> bool:
        while True:
            if not self._away:
                try:
                    await self._insert(batch)
                    return True
                except StoreUnavailable as error:
                    log.warning("decisions go to the spool: %s", error)
                    self._away = True
            try:
                await asyncio.to_thread(self._spool.append, batch.to_bytes())
                self._spooled.set()
                return True
            except StoreUnavailable as error:
                log.error("decisions stay in memory: %s", error)
            self._away = False  # nothing else would find out that the store is back
            if self._stopping:
                return False
            await self._sleep(self._pause_s)

    async def _insert(self, batch: Batch) -> None:
        """Raises StoreUnavailable while the store, or the disk for what it refuses, is away."""
        try:
            await self._store.write(InsertBatch(batch=batch), within_s=WITHIN_S)
        except RefusedStatement as error:
            halves = batch.split()
            if halves is None:
                path = await asyncio.to_thread(self._spool.set_aside, batch.to_bytes())
                self._refused += 1
                log.error("a decision is in %s, for the database refuses it: %s", path, error)
                return
            for half in halves:
                await self._insert(half)

    async def _drain_for_ever(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._spool.adopt)
                await self._drain()
            except StoreUnavailable as error:
                log.debug("the spool waits: %s", error)
                await self._sleep(self._pause_s)
                continue
            await _wait(self._spooled, ADOPT_S)

    async def _drain(self) -> None:
        """Raises StoreUnavailable with what is left waiting in the spool."""
        self._spooled.clear()
        while (kept := await asyncio.to_thread(self._spool.first)) is not None:
            await self._insert(Batch.from_bytes(kept))
            self._away = False
            await asyncio.to_thread(self._spool.take)
        if self._away:
            self._away = False
            log.info("the spool is empty: decisions go to the store again")


async def _wait(event: asyncio.Event, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return
