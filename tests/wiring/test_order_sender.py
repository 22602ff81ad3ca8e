"""An order is sent once, in time or not at all; what became of it is written down, whoever dies in between."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.store.engine import Location
from adapters.store.failures import RefusedStatement
from adapters.store.orders import Claim, claim
from tests.fakes.brokers import FakeBroker, Reply
from tests.fakes.jobs import HandClock
from tests.fakes.journals import rows_of
from tests.fakes.orders import AGENT, Worker, decided, held, order_id, put_agent, reasons, states, worker
from tests.fakes.stores import STORES, running
from tests.fakes.waiting import eventually
from trading.errors import StoreUnavailable
from trading.orders import SENDER_LEASE_S, OrderRequest
from trading.vocabulary import BlockReason, Halt
from wiring.order_sender import HELD_UP_S


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def within(location: Location, test: Callable[[Worker], Awaitable[None]]) -> None:
    async def main() -> None:
        async with worker(location, FakeBroker(), HandClock()) as made:
            await put_agent(made.store)
            await test(made)

    asyncio.run(main())


def test_an_order_is_sent_once_and_booked(location: Location) -> None:
    async def test(made: Worker) -> None:
        kept = await made.act(decided(1))
        await made.send()
        await made.send()
        assert kept.client_order_id == order_id(1)
        assert [order.client_order_id for order in made.broker.arrived] == [order_id(1)]
        assert (await states(made.store), await held(made.store)) == (["filled"], Decimal(3))

    within(location, test)


def test_a_decision_that_is_acted_on_again_is_sent_once(location: Location) -> None:
    async def test(made: Worker) -> None:
        for _ in range(3):
            await made.act(decided(1))
            await made.send()
        assert len(made.broker.began) == 1

    within(location, test)


@pytest.mark.parametrize(
    ("reply", "state", "arrived"),
    [
        (Reply.LOST_AFTER, "unknown", 1),
        (Reply.LOST_BEFORE, "unknown", 0),
        (Reply.FAULT, "unknown", 1),
        (Reply.REJECT, "rejected", 1),
        (Reply.OPEN, "open", 1),
    ],
)
def test_a_lost_answer_is_never_a_reason_to_send_again(
    location: Location, reply: Reply, state: str, arrived: int
) -> None:
    async def test(made: Worker) -> None:
        made.broker.replies.append(reply)
        await made.act(decided(1))
        for _ in range(5):
            await made.send()
            made.clock.go(1.0)
        assert (len(made.broker.began), len(made.broker.arrived)) == (1, arrived)
        assert await states(made.store) == [state]

    within(location, test)


def test_what_certainly_did_not_leave_is_tried_again_until_it_is_too_late(location: Location) -> None:
    async def test(made: Worker) -> None:
        made.broker.replies.extend([Reply.NOT_SENT] * 3)
        await made.act(decided(1))
        for _ in range(2):
            await made.send()
            assert await states(made.store) == ["new"]
        made.clock.go(5.0)
        await made.send()
        assert (len(made.broker.began), await states(made.store)) == (2, ["expired"])

    within(location, test)


def test_what_did_not_leave_leaves_with_the_next_try(location: Location) -> None:
    async def test(made: Worker) -> None:
        made.broker.replies.append(Reply.NOT_SENT)
        await made.act(decided(1))
        await made.send()
        await made.send()
        assert (len(made.broker.arrived), await states(made.store)) == (1, ["filled"])

    within(location, test)


def test_nothing_begins_to_leave_before_it_is_durable(location: Location) -> None:
    async def test(made: Worker) -> None:
        seen: list[list[tuple[object, ...]]] = []

        async def look(order: OrderRequest) -> None:
            async with running(location) as other:
                seen.append(await rows_of(other, "SELECT state FROM orders"))
                seen.append(await rows_of(other, "SELECT count(*) FROM decisions"))

        made.broker.before_place = look
        await made.act(decided(1))
        await made.send()
        assert seen == [[("sending",)], [(1,)]]

    within(location, test)


def test_who_was_stopped_between_the_claim_and_the_call_sends_nothing_late(location: Location) -> None:
    async def test(made: Worker) -> None:
        await made.act(decided(1))
        write = made.store.write

        async def slow(work: object, **more: object) -> object:
            found = await write(work, **more)  # type: ignore[arg-type, misc]
            made.clock.go(30.0)
            return found

        made.store.write = slow  # type: ignore[method-assign, assignment]
        await made.send()
        made.store.write = write  # type: ignore[method-assign]
        assert made.broker.began == []
        assert await states(made.store) == ["expired"]

    within(location, test)


def test_who_was_held_up_asks_again_whether_trading_was_halted(location: Location) -> None:
    async def test(made: Worker) -> None:
        await made.act(decided(1))
        write, slept = made.store.write, []

        async def slow(work: object, **more: object) -> object:
            found = await write(work, **more)  # type: ignore[arg-type, misc]
            slept.append(len(slept))
            if len(slept) == 1:
                made.clock.go(HELD_UP_S)
            return found

        made.store.write = slow  # type: ignore[method-assign, assignment]
        await made.send()
        assert made.broker.began == []
        assert (await states(made.store), await reasons(made.store)) == (["new"], ["held_up"])
        await made.send()
        assert await states(made.store) == ["filled"]

    within(location, test)


def test_what_the_process_knows_of_a_halt_counts_beside_the_store(location: Location) -> None:
    async def test(made: Worker) -> None:
        await made.act(decided(1))
        made.halt = Halt.REDUCING
        await made.send()
        assert made.broker.began == []
        assert await states(made.store) == ["blocked"]

    within(location, test)


def test_an_order_whose_caller_heard_of_no_order_is_never_sent(location: Location) -> None:
    async def test(made: Worker) -> None:
        write = made.store.write

        async def unconfirmed(work: object, **more: object) -> object:
            await write(work, **more)  # type: ignore[arg-type, misc]
            raise StoreUnavailable("not confirmed in time")

        made.store.write = unconfirmed  # type: ignore[method-assign, assignment]
        told = await made.act(decided(1))
        made.store.write = write  # type: ignore[method-assign]
        await made.send()
        assert told.client_order_id is None
        assert told.refused_by == (BlockReason.STORE_UNAVAILABLE,)
        assert made.broker.began == []
        assert await states(made.store) == ["blocked"]

    within(location, test)


def test_an_order_that_is_refused_while_its_claim_is_under_way_is_not_sent(location: Location) -> None:
    async def test(made: Worker) -> None:
        await made.act(decided(1))
        write = made.store.write

        async def refused_meanwhile(work: object, **more: object) -> object:
            found = await write(work, **more)  # type: ignore[arg-type, misc]
            made.sender.refuse(decided(1).request_id)
            return found

        made.store.write = refused_meanwhile  # type: ignore[method-assign, assignment]
        await made.send()
        assert made.broker.began == []
        assert (await states(made.store), await reasons(made.store)) == (["blocked"], ["not_confirmed_in_time"])

    within(location, test)


def test_a_claim_that_was_not_confirmed_is_made_anew_in_time(location: Location) -> None:
    async def test(made: Worker) -> None:
        await made.act(decided(1))
        await made.store.write(claim(Claim(owner="one", refused=frozenset(), begun=frozenset()), made.clock))
        await made.send()
        assert (len(made.broker.began), await states(made.store)) == (1, ["filled"])

    within(location, test)


def test_what_is_being_sent_is_not_claimed_by_its_own_worker_again(location: Location) -> None:
    async def test(made: Worker) -> None:
        made.broker.replies.append(Reply.HANG)
        await made.act(decided(1))
        sending = asyncio.create_task(made.send())
        await eventually(lambda: made.broker.began)
        other = asyncio.create_task(made.send())
        await asyncio.sleep(0.05)
        assert made.sender.busy == 1
        made.broker.release.set()
        await asyncio.gather(sending, other)
        assert (len(made.broker.began), await states(made.store)) == (1, ["filled"])

    within(location, test)


def test_an_answer_that_comes_after_the_lease_is_booked(location: Location) -> None:
    async def test(made: Worker) -> None:
        made.broker.replies.append(Reply.HANG)
        await made.act(decided(1))
        sending = asyncio.create_task(made.send())
        await eventually(lambda: made.broker.began)
        made.clock.go(SENDER_LEASE_S)
        async with running(location) as other:
            await other.write(claim(Claim(owner="other", refused=frozenset(), begun=frozenset()), made.clock))
            assert await states(other) == ["unknown"]
        made.broker.release.set()
        await sending
        assert (await states(made.store), await held(made.store)) == (["filled"], Decimal(3))

    within(location, test)


def test_what_the_store_does_not_take_is_written_down_once_it_does(location: Location) -> None:
    async def test(made: Worker) -> None:
        await made.act(decided(1))
        write, tries = made.store.write, iter([None, StoreUnavailable("away"), RefusedStatement("odd"), None])

        async def flaky(work: object, **more: object) -> object:
            problem = next(tries, None)
            if problem is not None:
                raise problem
            return await write(work, **more)  # type: ignore[arg-type, misc]

        made.store.write = flaky  # type: ignore[method-assign, assignment]
        await made.send()
        assert (len(made.broker.began), await states(made.store)) == (1, ["unknown"])

    within(location, test)


def test_the_loop_sends_more_than_it_claims_at_once_without_a_pause(location: Location) -> None:
    async def test(made: Worker) -> None:
        users = [replace(AGENT, user_id=f"u{number}") for number in range(60)]
        for number, each in enumerate(users):
            await put_agent(made.store, each)
            await made.act(decided(number, by=each))
        loop = asyncio.create_task(made.sender.run())
        try:
            await eventually(lambda: len(made.broker.arrived) == 60)
            await made.sender.drain()
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
        assert await states(made.store) == ["filled"] * 60

    within(location, test)


def test_a_worker_that_stops_leaves_what_it_was_sending_to_be_found_out(location: Location) -> None:
    async def test(made: Worker) -> None:
        made.broker.replies.append(Reply.HANG)
        await made.act(decided(1))
        sending = asyncio.create_task(made.send())
        await eventually(lambda: made.broker.began)
        await made.sender.stop()
        await sending
        assert await states(made.store) == ["sending"]
        made.clock.go(SENDER_LEASE_S)
        await made.store.write(claim(Claim(owner="other", refused=frozenset(), begun=frozenset()), made.clock))
        assert await states(made.store) == ["unknown"]

    within(location, test)
