"""What is known at the decision, at the order and at the send are three things, and the last word is the latest."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.store.engine import Location
from tests.fakes.brokers import FakeBroker, Reply
from tests.fakes.jobs import HandClock
from tests.fakes.orders import AGENT, Worker, decided, held, put_agent, reasons, states, worker
from tests.fakes.stores import STORES
from tests.fakes.waiting import eventually
from trading.agents import AgentState, ExecutionMode
from trading.vocabulary import Action, BlockReason
from wiring.order_sender import AT_ONCE


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def within(location: Location, test: Callable[[Worker], Awaitable[None]]) -> None:
    async def main() -> None:
        async with worker(location, FakeBroker(), HandClock()) as made:
            await put_agent(made.store)
            await test(made)

    asyncio.run(main())


def test_no_order_goes_the_other_way_than_its_decision(location: Location) -> None:
    async def test(made: Worker) -> None:
        # Decided from a full position, which this user does not hold: half of it would have to be bought.
        sell = replace(decided(1, target=0.5), action=Action.SELL, position_exposure=1.0)
        kept = await made.act(sell)
        await made.send()
        assert (kept.refused_by, kept.should_trade) == ((BlockReason.STALE_STATE,), False)
        assert (await states(made.store), made.broker.began) == ([], [])

    within(location, test)


@pytest.mark.parametrize("mode", [ExecutionMode.PAPER, ExecutionMode.LIVE])
def test_an_agent_that_was_stopped_and_started_again_sends_nothing_from_before(
    location: Location, mode: ExecutionMode
) -> None:
    async def test(made: Worker) -> None:
        await made.act(decided(1))
        made.clock.go(0.5)
        config, now_s = replace(AGENT.config, execution=mode), made.clock().wall_s
        await put_agent(made.store, replace(AGENT, config=config, state=AgentState.RUNNING, changed_at_s=now_s))
        await made.send()
        assert (await states(made.store), await reasons(made.store)) == (["blocked"], ["agent_changed"])
        assert made.broker.began == []

    within(location, test)


def test_no_more_are_claimed_than_may_leave_at_once(location: Location) -> None:
    async def test(made: Worker) -> None:
        users = [replace(AGENT, user_id=f"user{number}") for number in range(2 * AT_ONCE)]
        made.broker.replies.extend([Reply.HANG] * len(users))
        for number, owner in enumerate(users):
            await put_agent(made.store, owner)
            await made.act(decided(number + 1, by=owner))
        sending = asyncio.create_task(made.send())
        await eventually(lambda: len(made.broker.began) >= AT_ONCE)
        await asyncio.sleep(0.05)
        # The others can still be stopped.
        assert len(made.broker.began) == AT_ONCE
        assert sorted(await states(made.store)) == ["new"] * AT_ONCE + ["sending"] * AT_ONCE
        made.broker.release.set()
        await sending

    within(location, test)


def test_a_decision_that_is_made_again_is_the_one_that_was_kept(location: Location) -> None:
    async def test(made: Worker) -> None:
        first = await made.act(decided(1))
        await made.send()
        # Meanwhile it is held, so there is nothing to do any more: but the answer is the order that was placed.
        hold = replace(decided(1), action=Action.HOLD, position_exposure=1.0)
        again = await made.desk.act(hold, budget_s=5.0, again=True)
        assert (again.action, again.client_order_id) == (Action.BUY, first.client_order_id)
        assert (len(made.broker.began), await held(made.store)) == (1, Decimal(3))

    within(location, test)


def test_the_time_to_leave_runs_from_the_decision_and_not_from_the_disk(location: Location) -> None:
    async def test(made: Worker) -> None:
        await made.desk.act(decided(1), budget_s=2.0)
        made.clock.go(2.0)
        await made.send()
        assert (await states(made.store), made.broker.began) == (["expired"], [])

    within(location, test)
