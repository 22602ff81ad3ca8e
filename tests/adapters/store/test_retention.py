"""What is old enough is ended, once, and decisions leave their daily sums."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Table, text
from sqlalchemy import insert as insert_into

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.journal_rows import Entry
from adapters.store.order_rows import lease_values, order_values
from adapters.store.retention import Keep, Swept, sweep
from adapters.store.tables import answers, jobs
from adapters.store.trading_tables import (
    agent_bars,
    calls,
    fills,
    order_events,
    orders,
    paper_orders,
    positions,
    profits,
)
from tests.fakes.jobs import START
from tests.fakes.journals import decision, entry, insert, journalled, rows_of
from tests.fakes.one_order import one_order
from tests.fakes.stores import running, sqlite
from tests.fakes.waiting import run
from trading.errors import StoreUnavailable
from trading.orders import OrderState
from trading.vocabulary import Action, BlockReason

DAY_S = 86_400.0
# 2026-01-31, ten seconds before midnight UTC.
BEFORE_MIDNIGHT_S = 1_769_903_990.0
NOW_S = BEFORE_MIDNIGHT_S + 40 * DAY_S
KEEP = Keep(decisions_s=30 * DAY_S, results_s=DAY_S, answers_s=2 * DAY_S)
CHUNK_ROWS = 20
DAYS = "SELECT day, action, should_trade, decisions FROM decision_days ORDER BY day, action, should_trade"


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


def traded(first: int, count: int, at_s: float) -> Sequence[Entry]:
    """The same, each with an order."""
    return [one._replace(decision=replace(one.decision, refused_by=())) for one in made(first, count, at_s)]


async def swept(store: Store) -> Swept:
    return await sweep(store, KEEP, now_s=NOW_S, chunk_rows=CHUNK_ROWS, sleep=at_once)


def made(first: int, count: int, at_s: float) -> Sequence[Entry]:
    return [Entry(decision=decision(number), decided_at_s=at_s) for number in range(first, first + count)]


def test_old_decisions_become_sums_of_their_day_and_younger_ones_stay(location: Location) -> None:
    hold = replace(decision(90), action=Action.HOLD)
    blocked = replace(decision(91), blocked_by=(BlockReason.STALE_DATA,))

    async def main() -> None:
        async with running(location) as store:
            await insert(store, traded(0, 50, BEFORE_MIDNIGHT_S))
            await insert(store, traded(50, 3, BEFORE_MIDNIGHT_S + 20))
            await insert(store, [Entry(decision=one, decided_at_s=BEFORE_MIDNIGHT_S) for one in (hold, blocked)])
            await insert(store, made(100, 5, NOW_S - 29 * DAY_S))
            assert (await swept(store)).decisions == 55
            assert await journalled(store) == [100, 101, 102, 103, 104]
            assert [(day, action, bool(trade), n) for day, action, trade, n in await rows_of(store, DAYS)] == [
                ("2026-01-31", "BUY", False, 1),
                ("2026-01-31", "BUY", True, 50),
                ("2026-01-31", "HOLD", False, 1),
                ("2026-02-01", "BUY", True, 3),
            ]

    run(main())


def test_a_later_sweep_adds_to_the_sums(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            for first in (0, 30):
                await insert(store, made(first, 30, BEFORE_MIDNIGHT_S))
                await swept(store)
            assert [n for *_, n in await rows_of(store, DAYS)] == [60]

    run(main())


def test_processes_that_sweep_at_once_count_each_decision_once(location: Location) -> None:
    async def main() -> None:
        async with running(location) as one, running(location) as other:
            await insert(one, made(0, 400, BEFORE_MIDNIGHT_S))
            both = await asyncio.gather(*(swept(store) for store in (one, other, one, other)))
            assert sum(result.decisions for result in both) == 400
            assert await journalled(one) == []
            assert [n for *_, n in await rows_of(one, DAYS)] == [400]

    run(main())


def job(number: int, finished_at: float | None) -> dict[str, object]:
    return {
        "id": f"job{number}",
        "user_id": "amy",
        "priority": 1,
        "rank": 0.0,
        "status": "RUNNING" if finished_at is None else "DONE",
        "request": "{}",
        "accepted_at": 0.0,
        "deadline_at": 0.0,
        "boot": "b",
        "deadline_monotonic": 0.0,
        "epoch": 1,
        "finished_at": finished_at,
    }


def test_results_go_a_day_after_they_were_finished_and_what_runs_stays(location: Location) -> None:
    rows = [
        *(job(number, NOW_S - DAY_S - 1) for number in range(45)),
        job(98, NOW_S - DAY_S + 1),
        job(99, None),
    ]

    async def main() -> None:
        async with running(location) as store:
            await store.write(lambda connection: connection.execute(insert_into(jobs), rows))
            assert (await swept(store)).results == 45
            assert await rows_of(store, "SELECT id FROM jobs ORDER BY id") == [("job98",), ("job99",)]

    run(main())


def test_answers_go_when_they_are_old_enough(location: Location) -> None:
    def answer(number: int, created_at: float) -> dict[str, object]:
        key = {"user_id": "amy", "operation": "predict", "key": f"key{number}"}
        return {**key, "fingerprint": "f", "epoch": 1, "created_at": created_at}

    rows = [*(answer(number, NOW_S - 2 * DAY_S - 1) for number in range(25)), answer(99, NOW_S - 2 * DAY_S + 1)]

    async def main() -> None:
        async with running(location) as store:
            await store.write(lambda connection: connection.execute(insert_into(answers), rows))
            assert (await swept(store)).answers == 25
            assert await rows_of(store, "SELECT key FROM answers") == [("key99",)]

    run(main())


def test_an_answer_that_names_a_result_goes_with_the_result(location: Location) -> None:
    day_ago = {"user_id": "amy", "key": "k", "fingerprint": "f", "epoch": 1, "created_at": NOW_S - DAY_S - 1}
    rows = [day_ago | {"operation": operation} for operation in ("predict", "predict_async", "agents_start")]

    async def main() -> None:
        async with running(location) as store:
            await store.write(lambda connection: connection.execute(insert_into(answers), rows))
            assert (await swept(store)).answers == 1
            left = await rows_of(store, "SELECT operation FROM answers ORDER BY operation")
            assert left == [("agents_start",), ("predict",)]

    run(main())


def test_what_fails_for_one_kind_keeps_no_other_from_its_end(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            rows = [job(number, NOW_S - DAY_S - 1) for number in range(3)]
            await store.write(lambda connection: connection.execute(insert_into(jobs), rows))
            await store.write(lambda connection: connection.execute(text("DROP TABLE decision_days")))
            await insert(store, made(0, 5, BEFORE_MIDNIGHT_S))
            with pytest.raises(StoreUnavailable):
                await swept(store)
            assert await rows_of(store, "SELECT count(*) FROM jobs") == [(0,)]
            assert len(await journalled(store)) == 5

    run(main())


def test_sqlites_file_does_not_grow_while_as_much_is_ended_as_is_added(tmp_path: Path) -> None:
    location = sqlite(tmp_path)

    async def main() -> list[int]:
        sizes = []
        async with running(location) as store:
            for turn in range(8):
                await insert(store, [entry(turn * 1000 + number) for number in range(300)])
                await sweep(store, KEEP, now_s=NOW_S + 400 * DAY_S, chunk_rows=CHUNK_ROWS, sleep=at_once)
                ((pages,),) = await rows_of(store, "PRAGMA page_count")
                sizes.append(int(str(pages)))
        return sizes

    sizes = run(main())
    assert max(sizes[2:]) <= sizes[1]


def ended_order(number: int, ended_at_s: float | None, **changes: object) -> dict[str, object]:
    """The row of an order that was made a second before it ended; None for one that works."""
    state = OrderState.UNKNOWN if ended_at_s is None else OrderState.FILLED
    created_at_s = 1.0 if ended_at_s is None else ended_at_s - 1.0
    order = one_order(state=state, decision_id=str(number), created_at_s=created_at_s, ended_at_s=ended_at_s, **changes)
    name = {"client_order_id": f"rl-{number}"}
    return order_values(order) | lease_values("me", START) | name


def kept_of(number: int) -> list[tuple[Table, dict[str, object]]]:
    """What else is kept of an order: two events, and what the paper venue knows."""
    name = f"rl-{number}"
    paper = {"symbol": "BTC", "side": "BUY", "quantity": "3", "filled_quantity": "3", "fee": "0", "state": "filled"}
    return [
        *((order_events, {"client_order_id": name, "at": 1.0, "state": state, "detail": "{}"}) for state in "ab"),
        (paper_orders, paper | {"client_order_id": name, "placed_at": 1.0}),
    ]


async def fill(store: Store, rows: Sequence[tuple[Table, dict[str, object]]]) -> None:
    async def work(connection: StoreConnection) -> None:
        for table, values in rows:
            await connection.execute(insert_into(table).values(values))

    await store.write(work)


def test_orders_go_with_all_that_is_kept_of_them_once_they_ended_long_ago(location: Location) -> None:
    old, young = [*range(45)], [98, 99]
    rows = [(orders, ended_order(number, NOW_S - 30 * DAY_S - 1)) for number in old]
    rows += [(orders, ended_order(98, NOW_S - 30 * DAY_S + 0.5)), (orders, ended_order(99, None))]
    rows += [row for number in (*old, *young) for row in kept_of(number)]
    rows.append((order_events, {"client_order_id": None, "at": 1.0, "state": "halted", "detail": "{}"}))

    async def main() -> None:
        async with running(location) as store:
            await fill(store, rows)
            assert (await swept(store)).orders == 45
            for table, each in (("orders", 1), ("order_events", 2), ("paper_orders", 1)):
                left = await rows_of(store, f"SELECT client_order_id FROM {table} ORDER BY client_order_id")  # noqa: S608 - words of ours
                assert [name for (name,) in left if name] == ["rl-98"] * each + ["rl-99"] * each, table
            assert await rows_of(store, "SELECT state FROM order_events WHERE client_order_id IS NULL") == [("halted",)]

    run(main())


def test_the_ledger_is_never_ended(location: Location) -> None:
    key = {"user_id": "amy", "symbol": "BTC", "mode": "paper"}
    fill_of = key | {"client_order_id": "rl-1", "arm": "rl", "side": "BUY", "quantity": "3", "price": "1", "fee": "0"}
    day = key | {"arm": "rl", "day": "1970-01-01", "realized": "1", "fees": "0", "untold_value": "0", "fills": 1}
    position = key | {"quantity": "3", "average_cost": "1", "arm": "rl", "changed_at": 1.0, "version": 1}

    async def main() -> None:
        async with running(location) as store:
            await fill(
                store,
                [
                    (orders, ended_order(1, 2.0)),
                    (fills, fill_of | {"realized": "0", "at": 1.0}),
                    (positions, position),
                    (profits, day),
                ],
            )
            assert (await swept(store)).orders == 1
            for table in ("fills", "positions", "profits"):
                assert await rows_of(store, f"SELECT count(*) FROM {table}") == [(1,)]  # noqa: S608 - words of ours

    run(main())


def test_bars_of_agents_and_calls_go_when_they_are_old_enough(location: Location) -> None:
    def bar(number: int, taken_at: float) -> dict[str, object]:
        key = {"user_id": "amy", "symbol": "BTC", "bar_close": number, "decision_id": str(number), "epoch": 1}
        lease = {"owner": "me", "lease_boot": "b", "lease_monotonic": 0.0, "lease_at": 0.0}
        return key | lease | {"state": "done", "taken_at": taken_at}

    old_s, young_s = NOW_S - 30 * DAY_S - 1, NOW_S - 30 * DAY_S + 1
    rows = [(agent_bars, bar(number, old_s)) for number in range(25)] + [(agent_bars, bar(99, young_s))]
    rows += [(calls, {"name": "v2", "at": old_s})] * 25 + [(calls, {"name": "v2", "at": young_s})]

    async def main() -> None:
        async with running(location) as store:
            await fill(store, rows)
            ended = await swept(store)
            assert (ended.agent_bars, ended.calls) == (25, 25)
            assert await rows_of(store, "SELECT bar_close FROM agent_bars") == [(99,)]
            assert await rows_of(store, "SELECT at FROM calls") == [(young_s,)]

    run(main())


def test_processes_that_sweep_at_once_end_each_order_once(location: Location) -> None:
    rows = [(orders, ended_order(number, 2.0)) for number in range(200)]

    async def main() -> None:
        async with running(location) as one, running(location) as other:
            await fill(one, rows)
            both = await asyncio.gather(*(swept(store) for store in (one, other, one, other)))
            assert sum(result.orders for result in both) == 200
            assert await rows_of(one, "SELECT count(*) FROM orders") == [(0,)]

    run(main())
