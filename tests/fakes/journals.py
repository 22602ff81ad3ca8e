"""Decisions for a journal, a journal that runs, and what the store then holds."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from adapters.store.engine import Store
from adapters.store.journal import Journal
from adapters.store.journal_rows import Entry
from adapters.store.records import to_row
from adapters.store.spool import Spool
from tests.fakes.decisions import DECISION
from trading.vocabulary import Arm, Decision, FailureReason

TERMS = "sha256:" + "2" * 64
START_S = 1_760_000_000.0


def row(decision: Decision, *, decided_at_s: float) -> dict[str, object]:
    """A decision's row under TERMS."""
    return to_row(decision, decided_at_s=decided_at_s, terms=TERMS)


def decision(
    number: int,
    *,
    user_id: str = "user1",
    symbol: str = "BTC",
    arm: Arm = Arm.RL,
    failure: FailureReason | None = None,
) -> Decision:
    """The decision with this number as its id."""
    asked = replace(DECISION.signal, user_id=user_id, symbol=symbol)
    return replace(DECISION, request_id=f"{number:032x}", signal=asked, served_arm=arm, failure=failure)


def entry(number: int, **fields: object) -> Entry:
    """A numbered decision, made `number` seconds after START_S."""
    return Entry(decision=decision(number, **fields), decided_at_s=START_S + number)  # type: ignore[arg-type]


@asynccontextmanager
async def journalling(store: Store, folder: Path) -> AsyncIterator[Journal]:
    """A journal of this event loop, quick to try again, until the block ends."""
    journal = Journal(store, Spool(folder / "spool"), to_row=row, pause_s=0.02)
    await journal.start()
    try:
        yield journal
    finally:
        await journal.stop()


async def rows_of(store: Store, statement: str) -> list[tuple[object, ...]]:
    """The rows of one SELECT."""

    async def work(connection):  # type: ignore[no-untyped-def]
        return [tuple(found) for found in await connection.execute(text(statement))]

    return await store.read(work)


async def journalled(store: Store) -> list[int]:
    """The numbers of all decisions in the store, in the order in which they came there."""
    return [int(str(found), 16) for (found,) in await rows_of(store, "SELECT id FROM decisions ORDER BY seq")]


async def insert(store: Store, entries: Sequence[Entry]) -> None:
    """Bring decisions into the store."""
    journal = Journal(store, Spool(Path("/nowhere")), to_row=row)
    await store.write(lambda connection: journal.insert(connection, entries))


async def start_agent(store: Store, user_id: str) -> None:
    """A row in `agents` for a user."""
    statement = text(
        "INSERT INTO agents (user_id, state, config, created_at, changed_at, version)"
        " VALUES (:user_id, 'running', '{}', 0, 0, 1)"
    )
    await store.write(lambda connection: connection.execute(statement, {"user_id": user_id}))
