"""Answers to requests with an idempotency key as rows: who may answer, and what was answered.

On PostgreSQL a step first tries the lock of its key and never waits for it: steps that share a transaction in any order
cannot wait for each other in a circle. On SQLite there is one writer.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, select, update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.tables import answers
from trading.boot import Clock, Moment
from trading.errors import KeyReused

# Who answers a key holds it this long, and longer by saying so; then another may answer in its place.
LEASE_S = 3.0
# The operation whose answers only name a result, and are of no use without it.
PREDICT_ASYNC = "predict_async"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """One request with a key: `key` is the user's, for one operation; `fingerprint` stands for the rest of it."""

    user_id: str
    operation: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The key is ours to answer, in this epoch."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was answered; `fresh` when it was just now and by us."""

    answer: str
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Somebody else is answering, or is about to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The claim is no longer ours."""


# Written in the transaction that stores the answer. May raise our errors before its first write.
Along: TypeAlias = Work[object]


def claim(keyed: Keyed, now: Clock) -> Work[Claimed | Answered | Busy]:
    """Claim a key that nobody answers. Raises KeyReused."""

    async def work(connection: StoreConnection) -> Claimed | Answered | Busy:
        if not await _locked(connection, keyed):
            return Busy()
        row, moment = await _find(connection, keyed), now()
        if row is None:
            await connection.execute(insert(answers).values(_new(keyed, moment) | _lease(moment) | {"epoch": 1}))
            return Claimed(epoch=1)
        found = _read(row, keyed, moment)
        if not isinstance(found, Claimed):
            return found
        await connection.execute(update(answers).where(_is(keyed)).values(_lease(moment) | {"epoch": found.epoch}))
        return found

    return work


def look(keyed: Keyed, now: Clock) -> Work[Claimed | Answered | Busy]:
    """What a claim would find; for reading. Raises KeyReused."""

    async def work(connection: StoreConnection) -> Claimed | Answered | Busy:
        row = await _find(connection, keyed)
        return Claimed(epoch=1) if row is None else _read(row, keyed, now())

    return work


def renew(keyed: Keyed, epoch: int, now: Clock) -> Work[None]:
    """Hold a claim for another LEASE_S seconds, if it is still ours."""

    async def work(connection: StoreConnection) -> None:
        if await _locked(connection, keyed):
            await connection.execute(update(answers).where(_open(keyed, epoch)).values(_lease(now())))

    return work


def keep(keyed: Keyed, epoch: int, answer: str, along: Along) -> Work[Answered | Busy | Lost]:
    """Answer a key in the epoch of our claim, together with what `along` writes.

    Busy, with nothing written, while somebody else tries the key: ask again. Lost when somebody took it over.
    """

    async def work(connection: StoreConnection) -> Answered | Busy | Lost:
        if not await _locked(connection, keyed):
            return Busy()
        row = await _find(connection, keyed)
        if row is None or row.epoch != epoch:
            return Lost()
        if row.answer is None:
            await along(connection)
            values = _NO_LEASE | {"answer": answer}
            await connection.execute(update(answers).where(_open(keyed, epoch)).values(values))
        return Answered(answer=row.answer or answer, fresh=True)

    return work


def release(keyed: Keyed, epoch: int) -> Work[None]:
    """Forget a claim that led to no answer, if it is still ours."""

    async def work(connection: StoreConnection) -> None:
        if await _locked(connection, keyed):
            await connection.execute(delete(answers).where(_open(keyed, epoch)))

    return work


def answer_once(keyed: Keyed, now: Clock, answer: Work[bytes]) -> Work[Answered | Busy]:
    """Answer a key in one transaction: `answer` runs only where the key is new, and what it writes counts with it.

    Raises KeyReused, and what `answer` raises.
    """

    async def work(connection: StoreConnection) -> Answered | Busy:
        if not await _locked(connection, keyed):
            return Busy()
        row, moment = await _find(connection, keyed), now()
        if row is not None:
            found = _read(row, keyed, moment)
            return Busy() if isinstance(found, Claimed) else found
        text = (await answer(connection)).decode()
        await connection.execute(insert(answers).values(_new(keyed, moment) | {"epoch": 1, "answer": text}))
        return Answered(answer=text, fresh=True)

    return work


_Row: TypeAlias = Row[*tuple[Any, ...]]
_NO_LEASE: dict[str, object] = {"lease_boot": None, "lease_monotonic": None, "lease_at": None}


async def _locked(connection: StoreConnection, keyed: Keyed) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    name = "\0".join((keyed.user_id, keyed.operation, keyed.key)).encode()
    number = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
    return bool((await connection.execute(select(func.pg_try_advisory_xact_lock(number)))).scalar_one())


def _is(keyed: Keyed) -> ColumnElement[bool]:
    return and_(answers.c.user_id == keyed.user_id, answers.c.operation == keyed.operation, answers.c.key == keyed.key)


def _open(keyed: Keyed, epoch: int) -> ColumnElement[bool]:
    return and_(_is(keyed), answers.c.epoch == epoch, answers.c.answer.is_(None))


async def _find(connection: StoreConnection, keyed: Keyed) -> _Row | None:
    return (await connection.execute(select(answers).where(_is(keyed)))).first()


def _read(row: _Row, keyed: Keyed, now: Moment) -> Claimed | Answered | Busy:
    if row.fingerprint != keyed.fingerprint:
        raise KeyReused("used with another request")
    if row.answer is not None:
        return Answered(answer=row.answer, fresh=False)
    lease = Moment(boot=row.lease_boot, monotonic_s=row.lease_monotonic, wall_s=row.lease_at)
    return Busy() if lease.left_s(now) > 0 else Claimed(epoch=row.epoch + 1)


def _new(keyed: Keyed, now: Moment) -> dict[str, object]:
    return {
        "user_id": keyed.user_id,
        "operation": keyed.operation,
        "key": keyed.key,
        "fingerprint": keyed.fingerprint,
        "created_at": now.wall_s,
    }


def _lease(now: Moment) -> dict[str, object]:
    end = now.after(LEASE_S)
    return {"lease_boot": end.boot, "lease_monotonic": end.monotonic_s, "lease_at": end.wall_s}
