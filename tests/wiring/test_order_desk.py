"""A decision that may be traded has its order durable before anybody is told of it, or says why there is none."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.store.engine import Location
from tests.fakes.brokers import FakeBroker
from tests.fakes.jobs import HandClock
from tests.fakes.journals import rows_of
from tests.fakes.orders import AGENT, Worker, all_orders, decided, order_id, put_agent, states, worker
from tests.fakes.stores import STORES
from trading.agents import ExecutionMode
from trading.errors import StoreUnavailable
from trading.vocabulary import BlockReason, Wanted
from wiring.journal_pages import JournalPages


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def within(
    location: Location, test: Callable[[Worker], Awaitable[None]], *, windows: tuple[tuple[int, float], ...] = ()
) -> None:
    async def main() -> None:
        async with worker(location, FakeBroker(), HandClock(), windows=windows) as made:
            await put_agent(made.store)
            await test(made)

    asyncio.run(main())


def test_an_order_and_its_decision_become_durable_together(location: Location) -> None:
    async def test(made: Worker) -> None:
        kept = await made.act(decided(1), budget_s=2.0)
        order = (await all_orders(made.store))[0]
        assert kept.client_order_id == order.request.client_order_id == order_id(1)
        assert order.deadline == made.clock().after(2.0)
        found = await rows_of(made.store, "SELECT id FROM decisions")
        assert found == [(order.decision_id,)]

    within(location, test)


def test_a_decision_that_may_not_be_traded_is_kept_without_an_order(location: Location) -> None:
    async def test(made: Worker) -> None:
        blocked = replace(decided(1), blocked_by=(BlockReason.STALE_DATA,))
        off = replace(AGENT, config=replace(AGENT.config, execution=ExecutionMode.OFF))
        for decision in (blocked, decided(2, by=off)):
            kept = await made.desk.keep(decision, budget_s=2.0, along=None)
            assert (kept.client_order_id, kept.refused_by) == (None, ())
        assert await states(made.store) == []
        assert await rows_of(made.store, "SELECT count(*) FROM decisions") == [(2,)]

    within(location, test)


def test_what_was_decided_for_another_configuration_is_not_traded(location: Location) -> None:
    async def test(made: Worker) -> None:
        before = replace(AGENT, config=replace(AGENT.config, capital_usd=1_000.0))
        kept = await made.act(decided(1, by=before))
        assert kept.refused_by == (BlockReason.STALE_STATE,)

    within(location, test)


def test_where_orders_of_a_mode_go_nowhere_there_is_none(location: Location) -> None:
    async def test(made: Worker) -> None:
        live = replace(AGENT, config=replace(AGENT.config, execution=ExecutionMode.LIVE))
        await put_agent(made.store, live)
        kept = await made.act(decided(1, by=live))
        assert kept.refused_by == (BlockReason.VENUE_UNAVAILABLE,)

    within(location, test)


def test_the_venues_windows_bound_all_workers_together(location: Location) -> None:
    async def main() -> None:
        clock, broker, windows = HandClock(), FakeBroker(), ((3, 60.0),)
        async with (
            worker(location, broker, clock, windows=windows) as one,
            worker(location, broker, clock, windows=windows, owner="two") as two,
        ):
            users = [replace(AGENT, user_id=f"u{number}") for number in range(6)]
            for each in users:
                await put_agent(one.store, each)
            acts = [(one, two)[number % 2].act(decided(number, by=each)) for number, each in enumerate(users)]
            kept = await asyncio.gather(*acts)
            assert sum(decision.client_order_id is not None for decision in kept) == 3
            await one.send()
            await two.send()
            assert len(broker.arrived) == 3
            clock.go(60.0)
            late = await one.act(decided(9, by=next(u for u, d in zip(users, kept, strict=True) if d.refused_by)))
            assert late.client_order_id == order_id(9)

    asyncio.run(main())


def test_a_caller_that_is_gone_leaves_no_order_to_be_sent(location: Location) -> None:
    async def test(made: Worker) -> None:
        write, began = made.store.write, asyncio.Event()

        async def slow(work: object, **more: object) -> object:
            found = await write(work, **more)  # type: ignore[arg-type, misc]
            began.set()
            await asyncio.sleep(60.0)
            return found

        made.store.write = slow  # type: ignore[method-assign, assignment]
        acting = asyncio.create_task(made.act(decided(1)))
        await began.wait()
        acting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await acting
        made.store.write = write  # type: ignore[method-assign]
        await made.send()
        assert (made.broker.began, await states(made.store)) == ([], ["blocked"])

    within(location, test)


def test_a_decision_that_may_have_been_made_before_is_not_answered_without_the_store(location: Location) -> None:
    async def test(made: Worker) -> None:
        await made.store.stop()
        with pytest.raises(StoreUnavailable):
            await made.desk.act(decided(1), budget_s=2.0, again=True)
        told = await made.act(decided(1))
        assert told.refused_by == (BlockReason.STORE_UNAVAILABLE,)

    within(location, test)


def test_a_decision_whose_order_was_refused_after_all_is_shown_with_what_became_of_it(location: Location) -> None:
    async def test(made: Worker) -> None:
        pages = JournalPages(made.store)
        assert (await made.act(decided(1))).client_order_id == order_id(1)
        assert (await pages.decision(f"{1:032x}"))["order_state"] == "new"
        # Durable, and the word of it came too late: its caller was told that there is none.
        made.sender.refuse(f"{1:032x}")
        await made.send()
        blocked = replace(decided(2), blocked_by=(BlockReason.STALE_DATA,))
        await made.desk.keep(blocked, budget_s=2.0, along=None)
        shown = [await pages.decision(f"{number:032x}") for number in (1, 2)]
        listed = await pages.decisions(Wanted(), before=None, limit=10)
        lines = {str(line["request_id"]): line for line in listed["decisions"]}  # type: ignore[attr-defined]
        assert made.broker.began == []
        assert [each["order_state"] for each in shown] == ["blocked", None]
        assert [lines[f"{number:032x}"]["order_state"] for number in (1, 2)] == ["blocked", None]

    within(location, test)
