"""Idempotency keys: the first request with a key is done, all others get its answer."""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from adapters.store import answers
from adapters.store.answers import LEASE_S, Answered, Busy, Claimed, Keyed, Lost
from adapters.store.engine import WITHIN_S, Store, Work
from trading.boot import Clock, Moment
from trading.errors import KeyInProgress, StoreUnavailable
from trading.ports import Bus
from wiring.news import News

RENEW_S = LEASE_S / 3
# Somebody else tries the same key in this very moment: it is over after a transaction.
RETRY_S = 0.01
# The store may take this long to confirm even where the caller waits for less.
LEAST_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """A request with an idempotency key. `content` is the request without its key: the same bytes, the same request."""

    user_id: str
    operation: str
    key: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An answer that was made (JSON), and what is to be written in the transaction that stores it.

    `kept` is called once that is durable, and not where another's answer is; it must not raise.
    """

    answer: bytes
    along: Work[object]
    kept: Callable[[], None] = lambda: None


# Both get an id of 32 hex digits that nobody can guess: the first that of its key, the same in every process, and how
# many seconds it has; the second a new one, as what it writes is there with its answer or not at all.
Making: TypeAlias = Callable[[str, float], Awaitable[Made]]
MakingInTransaction: TypeAlias = Callable[[str], Work[bytes]]


class Once:
    """Does keyed requests once over all processes of the store. `secret` makes the decision ids."""

    def __init__(self, store: Store, bus: Bus, *, secret: bytes, now: Clock, renew_s: float = RENEW_S) -> None:
        self.replayed = 0
        self._renew_s = renew_s
        self._store = store
        self._bus = bus
        self._secret = secret
        self._now = now
        self._tasks: set[asyncio.Task[bytes]] = set()

    async def run(self, request: KeyedRequest, making: Making, *, within_s: float) -> bytes:
        """The answer to a request: the one that `making` makes, or the one that was made before.

        Goes on when the caller is cancelled. An error of `making` frees the key and is raised. Raises KeyReused for
        other content, KeyInProgress when nobody has answered after `within_s` seconds, StoreUnavailable.
        """
        keyed = _keyed(request)
        task = asyncio.create_task(self._run(keyed, making, self._now().after(within_s)))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def run_in_transaction(self, request: KeyedRequest, making: MakingInTransaction, *, within_s: float) -> bytes:
        """The same for what a transaction does itself: all that `making` gives happens together, or nothing."""
        keyed = _keyed(request)
        work, deadline = making(secrets.token_hex(16)), self._now().after(within_s)
        while True:
            found: Answered | Claimed | Busy = await self._store.write(
                answers.answer_once(keyed, self._now, work), within_s=self._within_s(deadline)
            )
            if isinstance(found, Busy):
                found = await self._settled(keyed, deadline)
            if isinstance(found, Answered):
                return self._answer_of(found)

    async def replay(self, request: KeyedRequest) -> bytes | None:
        """The answer that was made before; None without one. Raises KeyReused, StoreUnavailable."""
        found = await self._store.read(answers.look(_keyed(request), self._now))
        return self._answer_of(found) if isinstance(found, Answered) else None

    def decision_id(self, keyed: Keyed) -> str:
        """The id of the decision that answers a key."""
        name = json.dumps([keyed.user_id, keyed.operation, keyed.key]).encode()
        return hmac.new(self._secret, name, hashlib.sha256).hexdigest()[:32]

    async def drain(self) -> None:
        """Until everything begun has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, keyed: Keyed, making: Making, deadline: Moment) -> bytes:
        while True:
            found: Answered | Claimed | Busy | Lost = await self._store.write(
                answers.claim(keyed, self._now), within_s=self._within_s(deadline)
            )
            if isinstance(found, Claimed):
                found = await self._make(keyed, found.epoch, making, deadline)
            if not isinstance(found, Answered):
                # Not the first, or held up past the lease: the answer is somebody else's.
                found = await self._settled(keyed, deadline)
            if isinstance(found, Answered):
                return self._answer_of(found)

    async def _make(self, keyed: Keyed, epoch: int, making: Making, deadline: Moment) -> Answered | Lost:
        try:
            left_s = max(deadline.left_s(self._now()), 0.0)
            made = await self._holding(keyed, epoch, making(self.decision_id(keyed), left_s))
            kept = await self._keep(keyed, epoch, made, deadline)
            self._bus.publish(_topic(keyed), b"")
            if isinstance(kept, Answered):
                made.kept()
            return kept
        except StoreUnavailable:
            # It may have been stored, or may yet be. Where it was not, the lease ends the claim.
            raise
        except Exception:
            with suppress(StoreUnavailable):
                await self._store.write(answers.release(keyed, epoch))
            self._bus.publish(_topic(keyed), b"")
            raise

    async def _keep(self, keyed: Keyed, epoch: int, made: Made, deadline: Moment) -> Answered | Lost:
        work = answers.keep(keyed, epoch, made.answer.decode(), made.along)
        while True:
            kept = await self._store.write(work, within_s=self._within_s(deadline))
            if not isinstance(kept, Busy):
                return kept
            await asyncio.sleep(RETRY_S)

    def _within_s(self, deadline: Moment) -> float:
        return min(max(deadline.left_s(self._now()), LEAST_S), WITHIN_S)

    async def _holding(self, keyed: Keyed, epoch: int, making: Awaitable[Made]) -> Made:
        task = asyncio.ensure_future(making)
        try:
            while not (await asyncio.wait({task}, timeout=self._renew_s))[0]:
                with suppress(StoreUnavailable):
                    await self._store.write(answers.renew(keyed, epoch, self._now))
            return task.result()
        finally:
            task.cancel()

    async def _settled(self, keyed: Keyed, deadline: Moment) -> Answered | Claimed:
        with News(self._bus, _topic(keyed)) as news:
            while True:
                left_s = deadline.left_s(self._now())
                found = await self._store.read(answers.look(keyed, self._now), within_s=self._within_s(deadline))
                if isinstance(found, Answered):
                    return found
                if left_s <= 0.0:
                    raise KeyInProgress("the first request is still running")
                if isinstance(found, Claimed):
                    # Anybody's now; but who holds the lock of the key may not have written yet.
                    await asyncio.sleep(RETRY_S)
                    return found
                await news.wait(left_s)

    def _answer_of(self, found: Answered) -> bytes:
        if not found.fresh:
            self.replayed += 1
        return found.answer.encode()

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # The caller may be gone: an error that nobody sees is no fault of the program.
            task.exception()


def _keyed(request: KeyedRequest) -> Keyed:
    return Keyed(
        user_id=request.user_id,
        operation=request.operation,
        key=request.key,
        fingerprint=hashlib.sha256(request.content).hexdigest(),
    )


def _topic(keyed: Keyed) -> str:
    name = json.dumps([keyed.user_id, keyed.operation, keyed.key]).encode()
    return f"key:{hashlib.sha256(name).hexdigest()[:32]}"
