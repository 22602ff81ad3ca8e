"""What was decided gets into the store, each decision once, and nobody waits for it."""

import asyncio
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from adapters.store import journal as journal_module
from adapters.store.decisions import by_id
from adapters.store.engine import Location
from adapters.store.journal import MOST_QUEUED, Journal
from adapters.store.journal_rows import Entry, ToRow, encode
from adapters.store.records import decision_from
from adapters.store.spool import Spool
from tests.fakes.journals import START_S, decision, entry, insert, journalled, journalling, row, rows_of, start_agent
from tests.fakes.stores import running, sqlite
from tests.fakes.waiting import eventually, run
from trading.vocabulary import Decision, FailureReason


def test_a_decision_is_read_back_as_it_was(location: Location, tmp_path: Path) -> None:
    made = replace(decision(7), position_exposure=0.1 + 0.2)

    async def main() -> None:
        async with running(location) as store:
            async with journalling(store, tmp_path) as journal:
                journal.add(made, decided_at_s=START_S + 0.123456)
            record = await by_id(store, made.request_id)
        assert record is not None
        assert decision_from(json.loads(record.document)) == made
        assert record.decided_at_s == START_S + 0.123456

    run(main())


def test_decisions_arrive_by_themselves_a_moment_later(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(location) as store, journalling(store, tmp_path) as journal:
            for number in range(3):
                journal.add(decision(number), decided_at_s=START_S)
            assert journal.state(now_s=START_S + 2).queued == 3
            assert journal.state(now_s=START_S + 2).oldest_age_s == 2.0
            await eventually(lambda: journal.state(now_s=START_S).queued == 0)
            assert await journalled(store) == [0, 1, 2]

    run(main())


def test_stopping_leaves_nothing_in_memory(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(location) as store:
            async with journalling(store, tmp_path) as journal:
                for number in range(1234):
                    journal.add(decision(number), decided_at_s=START_S)
            assert await journalled(store) == list(range(1234))
            assert list((tmp_path / "spool").glob("*")) == []

    run(main())


def test_a_decision_added_twice_is_one_row_and_one_prediction(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await start_agent(store, "user1")
            await insert(store, [entry(1), entry(1), entry(2)])
            await insert(store, [entry(2), entry(3)])
            assert await journalled(store) == [1, 2, 3]
            assert await rows_of(store, "SELECT predictions FROM agent_activity") == [(3,)]

    run(main())


def test_predictions_and_failures_are_counted_for_users_with_an_agent(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await start_agent(store, "amy")
            await start_agent(store, "bob")
            await insert(
                store,
                [
                    entry(5, user_id="amy"),
                    entry(1, user_id="amy", failure=FailureReason.POLICY_ERROR),
                    entry(2, user_id="nobody"),
                ],
            )
            await insert(store, [entry(3, user_id="amy"), entry(9, user_id="bob")])
            counts = "SELECT user_id, predictions, errors, last_activity FROM agent_activity ORDER BY user_id"
            assert await rows_of(store, counts) == [("amy", 3, 1, START_S + 5), ("bob", 1, 0, START_S + 9)]

    run(main())


def test_two_processes_that_bring_the_same_decisions_count_them_once(location: Location) -> None:
    batch = [entry(number) for number in range(100)]

    async def main() -> None:
        async with running(location) as one, running(location) as other:
            await start_agent(one, "user1")
            await asyncio.gather(*(insert(store, batch) for store in (one, other) for _ in range(5)))
            assert sorted(await journalled(one)) == list(range(100))
            assert await rows_of(one, "SELECT predictions FROM agent_activity") == [(100,)]

    run(main())


def test_what_finds_no_room_is_counted_and_nobody_waits(tmp_path: Path, location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            journal = Journal(store, Spool(tmp_path), to_row=row)
            for number in range(MOST_QUEUED + 5):
                journal.add(decision(number), decided_at_s=START_S)
            assert journal.state(now_s=START_S).queued == MOST_QUEUED
            assert journal.state(now_s=START_S).dropped == 5

    run(main())


def test_rows_are_made_a_few_at_a_time_and_others_run_in_between(location: Location, tmp_path: Path) -> None:
    made: list[str] = []
    others: list[int] = []

    def counted(*words: object, **named: object) -> dict[str, object]:
        made.append("row")
        return row(*words, **named)  # type: ignore[arg-type]

    async def other() -> None:
        while len(made) < 200:
            others.append(len(made))
            await asyncio.sleep(0)

    async def main() -> None:
        async with running(location) as store:
            journal = Journal(store, Spool(tmp_path / "spool"), to_row=counted)
            for number in range(200):
                journal.add(decision(number), decided_at_s=START_S)
            await journal.start()
            await other()
            await journal.stop()
        assert len(set(others)) >= 200 / journal_module.MADE_AT_ONCE

    run(main())


def test_a_keyed_answer_and_the_journal_share_a_transaction(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(location) as store, journalling(store, tmp_path) as journal:
            await store.write(partial(journal.insert, entries=[entry(1)]))
            journal.add(decision(1), decided_at_s=START_S)
            journal.add(decision(2), decided_at_s=START_S)
            await eventually(lambda: journal.state(now_s=START_S).queued == 0)
            assert await journalled(store) == [1, 2]

    run(main())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_without_json_does_not_hold_up_its_batch(value: float, location: Location, tmp_path: Path) -> None:
    odd = replace(decision(1), advice=replace(decision(1).advice, scores=(value,)))

    async def main() -> None:
        async with running(location) as store:
            async with journalling(store, tmp_path) as journal:
                journal.add(odd, decided_at_s=START_S)
                journal.add(decision(2), decided_at_s=START_S)
            assert await journalled(store) == [1, 2]
            record = await by_id(store, odd.request_id)
        assert record is not None
        assert repr(decision_from(json.loads(record.document))) == repr(odd)

    run(main())


def without_a_symbol(number: int) -> ToRow:
    """Rows of which this one breaks a rule of the table."""

    def to_row(made: Decision, *, decided_at_s: float) -> dict[str, object]:
        columns = row(made, decided_at_s=decided_at_s)
        return columns | {"symbol": None} if int(made.request_id, 16) == number else columns

    return to_row


def test_a_decision_that_the_database_refuses_is_set_aside_and_holds_up_no_other(
    location: Location, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with running(location) as store:
            journal = Journal(store, Spool(tmp_path / "spool"), to_row=without_a_symbol(5), pause_s=0.02)
            await journal.start()
            for number in range(20):
                journal.add(decision(number), decided_at_s=START_S)
            await eventually(lambda: journal.state(now_s=START_S).queued == 0)
            assert await journalled(store) == [number for number in range(20) if number != 5]
            state = journal.state(now_s=START_S)
            assert (state.refused, state.dropped, state.away, state.spooled_bytes) == (1, 0, False, 0)
            assert store.failure is None
            await journal.stop()
        (aside,) = (tmp_path / "spool").iterdir()
        assert f"{5:032x}".encode() in aside.read_bytes()
        assert aside.name in caplog.text

    run(main())


def test_a_refused_decision_in_the_spool_holds_up_no_other(location: Location, tmp_path: Path) -> None:
    rows = [Entry(decision=decision(number), decided_at_s=START_S) for number in range(7)]
    left = Spool(tmp_path / "spool")
    left.append(encode(rows, without_a_symbol(3)).to_bytes())
    left.close()

    async def main() -> None:
        async with running(location) as store, journalling(store, tmp_path) as journal:
            await eventually(lambda: journal.state(now_s=START_S).refused == 1)
            await eventually(lambda: list((tmp_path / "spool").glob("*.journal")) == [])
            assert await journalled(store) == [0, 1, 2, 4, 5, 6]

    run(main())


def test_a_decision_that_cannot_be_written_down_is_counted_and_the_journal_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    location = sqlite(tmp_path)

    async def main() -> None:
        async with running(location) as store:
            async with journalling(store, tmp_path) as journal:
                for number in range(5):
                    made = decision(number)
                    odd = replace(made, market=object()) if number == 2 else made  # type: ignore[arg-type]
                    journal.add(odd, decided_at_s=START_S)
                await eventually(lambda: journal.state(now_s=START_S).queued == 0)
                journal.add(decision(7), decided_at_s=START_S)
                await eventually(lambda: journal.state(now_s=START_S).queued == 0)
                assert not any(task.done() for task in journal.tasks)
            assert await journalled(store) == [0, 1, 3, 4, 7]
            assert journal.state(now_s=START_S).dropped == 1
            assert f"{2:032x}" in caplog.text

    run(main())
