"""What people are shown of the journal."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.store.engine import Store
from tests.fakes.journals import entry, insert
from tests.fakes.stores import running, sqlite
from trading.errors import NotFound, StoreRefused
from trading.vocabulary import Wanted
from wiring.journal_pages import READ_AT_ONCE, JournalPages


async def damage(store: Store, number: int, document: str) -> None:
    values = {"id": f"{number:032x}", "document": document}
    await store.write(
        lambda connection: connection.execute(text("UPDATE decisions SET document = :document WHERE id = :id"), values)
    )


@pytest.mark.parametrize("document", ["no json", "{}", '{"v": 1, "request_id": 7}'])
def test_a_decision_that_cannot_be_read_hides_no_other(tmp_path: Path, document: str) -> None:
    location = sqlite(tmp_path)

    async def main() -> list[Mapping[str, object]]:
        async with running(location) as store:
            await insert(store, [entry(number) for number in range(3)])
            await damage(store, 1, document)
            pages = JournalPages(store)
            with pytest.raises(StoreRefused):
                await pages.decision(f"{1:032x}")
            page = await pages.decisions(Wanted(), before=None, limit=10)
            return list(page["decisions"])  # type: ignore[call-overload]

    lines = asyncio.run(main())
    assert [line["request_id"] for line in lines] == [f"{number:032x}" for number in (2, 1, 0)]
    assert [line.get("damaged", False) for line in lines] == [False, True, False]
    assert set(lines[1]) == {"request_id", "user_id", "decided_at", "damaged"}


def test_others_have_their_turn_while_a_long_page_is_read(tmp_path: Path) -> None:
    location = sqlite(tmp_path)
    turns = 0

    async def main() -> None:
        nonlocal turns
        async with running(location) as store:
            await insert(store, [entry(number) for number in range(200)])
            found = await JournalPages(store).decisions(Wanted(), before=None, limit=200)
            assert len(found["decisions"]) == 200  # type: ignore[arg-type]
            reading = asyncio.create_task(JournalPages(store).decisions(Wanted(), before=None, limit=200))
            while not reading.done():
                turns += 1
                await asyncio.sleep(0)

    asyncio.run(main())
    assert turns >= 200 / READ_AT_ONCE


def test_nobody_knows_an_unknown_decision(tmp_path: Path) -> None:
    location = sqlite(tmp_path)

    async def main() -> None:
        async with running(location) as store:
            with pytest.raises(NotFound):
                await JournalPages(store).decision("0" * 32)

    asyncio.run(main())


def test_a_decision_without_a_signal_shows_none(tmp_path: Path) -> None:
    location = sqlite(tmp_path)
    made = entry(1)
    without = replace(made.decision, signal=replace(made.decision.signal, reading=None))

    async def main() -> Mapping[str, object]:
        async with running(location) as store:
            await insert(store, [made._replace(decision=without)])
            return await JournalPages(store).decision(made.decision.request_id)

    shown = asyncio.run(main())["signal"]
    assert isinstance(shown, dict)
    assert [shown[name] for name in ("confidence", "rsi", "change_percent", "volume", "action")] == [None] * 5
