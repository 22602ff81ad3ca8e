"""One process's way to the database: grouped durable writes, reads, and one translation of everything that fails."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from adapters.store import activity, exposure_rows, exposure_shadows, postgresql, sqlite_threads
from adapters.store.channel import Channel, Connections
from adapters.store.connections import StoreConnection
from adapters.store.failures import DATABASE_ERRORS, describe, is_away, unavailable
from trading.errors import InvalidSetting, ServiceError, StoreUnavailable

log = logging.getLogger("rl_service.store")

Result = TypeVar("Result")
Work = Callable[[StoreConnection], Awaitable[Result]]

SQLITE_FILE = "store.sqlite"
# Connecting, one statement, or waiting for another process's lock; a black hole costs this much once.
PATIENCE_S = 1.0
# One transaction, and what waits for it, as a whole.
WITHIN_S = 2.0
# Writes that share one transaction, at first and at most, and writes that may wait for one.
FIRST_TOGETHER = 25
MOST_TOGETHER = 200
MOST_WAITING = 10_000
# How long what waits may still be written while the store stops.
STOP_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the database is; `file` is None for PostgreSQL. Its text has no password."""

    url: URL
    file: Path | None

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)


def locate(database_url: str | None, data_dir: Path) -> Location:
    """The SQLite file in `data_dir`, or the PostgreSQL database of a postgresql:// URL. Raises InvalidSetting."""
    if database_url is None:
        file = data_dir / SQLITE_FILE
        return Location(url=URL.create("sqlite+pysqlite", database=str(file)), file=file)
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        raise InvalidSetting("DATABASE_URL: must look like postgresql://user:password@host:5432/database") from None
    if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise InvalidSetting("DATABASE_URL: must look like postgresql://user:password@host:5432/database")
    return Location(url=url.set(drivername="postgresql+asyncpg"), file=None)


def _writer(location: Location, patience_s: float) -> Connections:
    if location.file is not None:
        return sqlite_threads.writer(location.url, patience_s=patience_s)
    return postgresql.PostgresqlConnections(postgresql.writer_engine(location.url, patience_s=patience_s))


def _reader(location: Location, patience_s: float) -> Connections:
    if location.file is not None:
        return sqlite_threads.reader(location.url, patience_s=patience_s)
    return postgresql.PostgresqlConnections(postgresql.reader_engine(location.url, patience_s=patience_s))


class _Waiting(Generic[Result]):
    def __init__(self, work: Work[Result], future: asyncio.Future[Result]) -> None:
        self.work = work
        self.future = future

    def settle(self, outcome: Result | Exception) -> None:
        if self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Store:
    """Reads and grouped writes. For one event loop; `start` opens nothing yet: connections open when needed."""

    def __init__(
        self,
        location: Location,
        *,
        patience_s: float = PATIENCE_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.location = location
        self._patience_s = patience_s
        self._monotonic_s = monotonic_s
        self._waiting: deque[_Waiting[Any]] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._together = FIRST_TOGETHER

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self.location.url.get_backend_name()

    @property
    def waiting(self) -> int:
        """Writes that wait for their transaction."""
        return len(self._waiting)

    @property
    def failure(self) -> str | None:
        """What is wrong with the store, in one line; None when nothing is known to be."""
        return self._writing.failure or self._reading.failure

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """What runs for as long as the store does, once it was started."""
        return (self._task,)

    async def start(self) -> None:
        """Begin to write."""
        self._writing = Channel("writing to", _writer(self.location, self._patience_s), self._monotonic_s)
        self._reading = Channel("reading from", _reader(self.location, self._patience_s), self._monotonic_s)
        self._task = asyncio.create_task(self._write_groups(), name="store")

    async def stop(self) -> None:
        """Write what waits, then close: within 3 s, whatever the database does. Later calls raise StoreUnavailable."""
        self._stopping = True
        self._wake.set()
        await asyncio.wait({self._task}, timeout=STOP_S)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        _settle(self._waiting, "stopped")
        await asyncio.gather(self._writing.close(), self._reading.close())

    async def write(self, work: Work[Result], *, within_s: float = WITHIN_S) -> Result:
        """Do `work` in a transaction that others may share; its result once that is durable.

        `work` awaits only the connection: on SQLite it is run in another thread. It may be run more than once and
        may raise our errors, if it does so before its first write. Raises StoreUnavailable when it was not confirmed
        within `within_s` seconds: it may have happened, or may yet happen.
        """
        self._require(self._writing)
        if len(self._waiting) >= MOST_WAITING:
            raise StoreUnavailable("too many writes wait")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, future))
        self._wake.set()
        try:
            async with asyncio.timeout(within_s):
                return await future
        except TimeoutError:
            raise StoreUnavailable(f"not confirmed within {within_s:g} s") from None

    async def read(self, work: Work[Result], *, within_s: float = WITHIN_S) -> Result:
        """Do `work` in a transaction that sees one state. Raises StoreUnavailable."""
        self._require(self._reading)
        try:
            return await self._reading.transact(work, within_s=within_s)
        except DATABASE_ERRORS as error:
            raise _unavailable(error) from None

    def _require(self, channel: Channel) -> None:
        if self._stopping:
            raise StoreUnavailable("stopped")
        channel.require()

    async def _write_groups(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._together))]
                await self._write_group([waiting for waiting in group if not waiting.future.done()])

    async def _write_group(self, group: Sequence[_Waiting[Any]]) -> None:
        if not group:
            return
        started_s = self._monotonic_s()
        try:
            self._writing.require()
            await self._writing.transact(partial(_run, group), within_s=WITHIN_S, then=partial(_settle_each, group))
        except Exception as error:  # noqa: BLE001 - a fault in one caller's work is that caller's, not this loop's
            if len(group) > 1 and not isinstance(error, StoreUnavailable) and not is_away(error):
                # One of them cannot be written: alone, the others can.
                for waiting in group:
                    await self._write_group([waiting])
                return
            if isinstance(error, TimeoutError):
                self._together = max(1, len(group) // 2)
            for waiting in group:
                waiting.settle(_unavailable(error))
        except BaseException:
            _settle(group, "stopped")
            raise
        else:
            self._fit(len(group), self._monotonic_s() - started_s)

    def _fit(self, together: int, took_s: float) -> None:
        # Over a slow network a transaction of many round trips would never end in time: fewer then share one.
        if took_s > WITHIN_S / 2:
            self._together = max(1, together // 2)
        elif together >= self._together and took_s < WITHIN_S / 4:
            self._together = min(2 * together, MOST_TOGETHER)


async def _run(group: Sequence[_Waiting[Any]], connection: StoreConnection) -> list[Any]:
    exposure_rows.begin(connection)
    exposure_shadows.begin(connection)
    activity.begin(connection)
    outcomes: list[Any] = []
    for waiting in group:
        try:
            outcomes.append(await waiting.work(connection))
        except ServiceError as error:
            outcomes.append(error)
    await exposure_rows.write_noted(connection)
    await exposure_shadows.write_noted(connection)
    await activity.write_noted(connection)
    return outcomes


def _settle_each(group: Sequence[_Waiting[Any]], outcomes: Sequence[Any]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        waiting.settle(outcome)


def _settle(group: Iterable[_Waiting[Any]], reason: str) -> None:
    for waiting in group:
        waiting.settle(StoreUnavailable(reason))


def _unavailable(error: Exception) -> Exception:
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(*error.args)  # one each: an error that many raise collects all their tracebacks
    if not isinstance(error, DATABASE_ERRORS):
        return error
    if not is_away(error):
        log.error("the store refused a statement: %s", describe(error))
    return unavailable(error)
