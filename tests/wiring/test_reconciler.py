"""What became of an order is found out by asking, and only then; who cannot be asked keeps nobody else waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.store.engine import Location
from adapters.store.orders import Claim, Outcome, claim, settle
from tests.fakes.brokers import FakeBroker, Reply
from tests.fakes.jobs import HandClock
from tests.fakes.orders import AGENT, Worker, all_orders, decided, held, intended, order_id, put_agent, states, worker
from tests.fakes.stores import STORES
from trading.agents import ExecutionMode
from trading.orders import OrderState, Receipt
from trading.vocabulary import BlockReason
from wiring.neighbours import V2_QUESTIONS
from wiring.questions import SILENT_S
from wiring.reconciler import A_PASS, ABSENT_AFTER_S, FOLLOW_S, LONG_OPEN_S, Unresolved
from wiring.venues import Place

LONG_AFTER_S = 5.0 + ABSENT_AFTER_S + 1.0


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Location:
    return STORES["sqlite"](tmp_path)


def within(location: Location, test: Callable[[Worker], Awaitable[None]], broker: FakeBroker | None = None) -> None:
    async def main() -> None:
        async with worker(location, broker or FakeBroker(), HandClock()) as made:
            await put_agent(made.store)
            await test(made)

    asyncio.run(main())


async def sent(made: Worker, reply: Reply, number: int = 1) -> None:
    by = AGENT if number == 1 else replace(AGENT, user_id=f"u{number}")
    await put_agent(made.store, by)
    made.broker.replies.append(reply)
    await made.act(decided(number, by=by))
    await made.send()


async def lost(made: Worker, first: int, count: int, venue: str) -> None:
    """So many orders of a venue of which nobody knows what became of them."""
    for number in range(first, first + count):
        by = replace(AGENT, user_id=f"u{number}")
        await put_agent(made.store, by)
        await made.store.write(intended(decided(number, by=by), made.clock, owner="gone", venue=venue))
    for _ in range(0, count, 50):
        for order in (await made.store.write(claim(Claim(owner="gone"), made.clock))).to_send:
            unknown = Outcome(state=OrderState.UNKNOWN, reason="reset")
            await made.store.write(settle(order, unknown, owner="gone", now=made.clock))


def test_an_order_whose_answer_was_lost_is_asked_about_once_and_booked(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.LOST_AFTER)
        for _ in range(3):
            await made.reconcile()
        assert made.broker.asked == [order_id(1)]
        assert (await states(made.store), await held(made.store)) == (["filled"], Decimal(3))
        assert len(made.broker.began) == 1

    within(location, test)


def test_an_order_the_venue_does_not_have_is_given_up_only_long_after_it_could_leave(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.LOST_BEFORE)
        made.clock.go(5.0 + ABSENT_AFTER_S)
        await made.reconcile()
        assert await states(made.store) == ["unknown"]
        made.clock.go(0.1)
        await made.reconcile()
        assert await states(made.store) == ["not_placed"]
        assert len(made.broker.began) == 1

    within(location, test)


def test_setting_the_wall_clock_gives_up_no_order(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.LOST_BEFORE)
        made.clock.jump(3_600.0)
        await made.reconcile()
        assert await states(made.store) == ["unknown"]

    within(location, test)


def test_where_nobody_can_be_asked_an_order_stays_unknown_and_wants_a_person(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.LOST_AFTER)
        made.clock.go(3_600.0)
        for _ in range(3):
            await made.reconcile()
        assert await states(made.store) == ["unknown"]
        assert len(made.broker.began) == 1
        assert made.reconciler.unresolved == Unresolved(unknown=1, needs_operator=1)

    within(location, test, FakeBroker(tells_absence=False, asks=False))


def test_a_venue_that_cannot_tell_absence_is_not_believed_to_tell_it(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.LOST_BEFORE)
        made.clock.go(LONG_AFTER_S)
        await made.reconcile()
        assert await states(made.store) == ["unknown"]

    within(location, test, FakeBroker(tells_absence=False))


def test_an_open_order_is_followed_to_its_end_with_each_fill_at_its_own_price(location: Location) -> None:
    async def test(made: Worker) -> None:
        broker = made.broker
        broker.fee = Decimal("0.1")
        await sent(made, Reply.OPEN)
        name = order_id(1)
        for quantity, price in ((1, "100"), (2, "110"), (3, "120")):
            broker.price = Decimal(price)
            broker.fill(name, Decimal(quantity), state=OrderState.FILLED if quantity == 3 else OrderState.OPEN)
            made.clock.go(FOLLOW_S)
            await made.reconcile()
            assert await held(made.store) == quantity
        order = (await all_orders(made.store))[0]
        assert (order.state, order.average_price, order.fee) == (OrderState.FILLED, Decimal(120), Decimal("0.3"))

    within(location, test)


def test_an_open_order_that_ends_in_part_keeps_its_part(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.OPEN)
        made.broker.fill(order_id(1), Decimal(1))
        made.broker.end(order_id(1), OrderState.CANCELED)
        await made.reconcile()
        assert (await states(made.store), await held(made.store)) == (["canceled"], Decimal(1))

    within(location, test)


def test_an_open_order_that_the_venue_refuses_later_ends_and_reconciling_goes_on(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.OPEN)
        made.broker.end(order_id(1), OrderState.REJECTED)
        await made.reconcile()
        await made.reconcile()
        assert await states(made.store) == ["canceled"]

    within(location, test)


def test_an_answer_that_overtakes_the_senders_ends_no_loop(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.LOST_BEFORE)
        made.clock.go(LONG_AFTER_S)
        order = (await all_orders(made.store))[0]
        find = made.broker.find

        async def meanwhile(*asked: object, **more: object) -> Receipt | None:
            # The venue has none yet, and before that is written down the sender sees it taken.
            found = await find(*asked, **more)  # type: ignore[arg-type]
            taken = Outcome(state=OrderState.OPEN, receipt=Receipt(state=OrderState.OPEN, venue_order_id="7"))
            await made.store.write(settle(order, taken, owner="one", now=made.clock))
            return found

        made.broker.find = meanwhile  # type: ignore[method-assign, assignment]
        await made.reconcile()
        await made.reconcile()
        assert await states(made.store) == ["open"]

    within(location, test)


def test_a_receipt_that_goes_back_is_told_and_keeps_no_other_from_being_booked(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.OPEN, 1)
        made.broker.fill(order_id(1), Decimal(2))
        await made.reconcile()
        made.broker.fill(order_id(1), Decimal(1))
        await sent(made, Reply.LOST_AFTER, 2)
        made.clock.go(FOLLOW_S)
        await made.reconcile()
        assert (await states(made.store), await held(made.store)) == (["open", "filled"], Decimal(2))

    within(location, test)


def test_a_venue_that_is_away_is_asked_again_and_then_believed(location: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.LOST_AFTER)
        made.broker.away = True
        await made.reconcile()
        assert await states(made.store) == ["unknown"]
        made.broker.away = False
        await made.reconcile()
        assert await states(made.store) == ["filled"]

    within(location, test)


def test_only_one_worker_of_all_asks(location: Location) -> None:
    async def main() -> None:
        clock, broker = HandClock(), FakeBroker(tells_absence=False)
        async with worker(location, broker, clock) as one, worker(location, broker, clock, owner="two") as two:
            await put_agent(one.store)
            await sent(one, Reply.LOST_BEFORE)
            await one.reconcile()
            await two.reconcile()
            assert broker.asked == [order_id(1)]
            assert two.reconciler.unresolved == Unresolved(unknown=1, needs_operator=1)

    asyncio.run(main())


def test_no_order_is_made_before_the_venue_answered_this_process(location: Location) -> None:
    async def main() -> None:
        broker = FakeBroker()
        broker.away = True
        async with worker(location, broker, HandClock(), reconciled=None) as made:
            await put_agent(made.store)
            await made.reconcile()
            early = await made.act(decided(1))
            broker.away = False
            await made.reconcile()
            in_time = await made.act(decided(2))
        assert early.refused_by == (BlockReason.RECONCILING,)
        assert in_time.client_order_id == order_id(2)

    asyncio.run(main())


def test_no_order_is_made_before_every_unknown_one_was_asked_about_by_some_worker(location: Location) -> None:
    async def main() -> None:
        clock, broker = HandClock(), FakeBroker()
        async with worker(location, broker, clock) as before:
            await put_agent(before.store)
            await sent(before, Reply.LOST_BEFORE)
            await before.reconcile()
        clock.go(60.0)
        # It was asked about long ago, and a clock that was set does not make that now.
        clock.jump(-3_600.0)
        broker.away = True
        async with worker(location, broker, clock, owner="two", reconciled=None) as made:
            await made.reconcile()
            assert not made.reconciler.reconciled("paper")
            broker.away = False
            for _ in range(2):
                await made.reconcile()
            assert made.reconciler.reconciled("paper")

    asyncio.run(main())


def test_orders_of_a_venue_that_does_not_answer_keep_no_others_waiting(file: Location) -> None:
    async def test(made: Worker) -> None:
        silent = FakeBroker("v2")
        silent.away = True
        made.venues.add(ExecutionMode.LIVE, Place(broker=silent))
        await lost(made, 100, A_PASS + 5, "v2")
        await sent(made, Reply.LOST_AFTER)
        await made.reconcile()
        assert made.broker.asked == [order_id(1)]
        assert len(silent.asked) <= 8

    within(file, test)


def test_orders_that_a_venue_cannot_answer_for_keep_none_of_its_others_waiting(file: Location) -> None:
    async def test(made: Worker) -> None:
        await lost(made, 100, 30, "paper")
        poisoned = {order_id(number) for number in range(100, 120)}
        find = made.broker.find

        async def odd(order: object, *asked: object, **more: object) -> Receipt | None:
            made.broker.away = order.client_order_id in poisoned  # type: ignore[attr-defined]
            return await find(order, *asked, **more)  # type: ignore[arg-type]

        made.broker.find = odd  # type: ignore[method-assign, assignment]
        for _ in range(6):
            await made.reconcile()
        assert {order_id(number) for number in range(120, 130)} <= set(made.broker.asked)

    within(file, test)


def test_a_venue_that_counts_questions_is_asked_no_more_often_over_all_workers(file: Location) -> None:
    async def main() -> None:
        broker = FakeBroker()
        async with worker(file, broker, HandClock(), questions=((2, 60.0),)) as made:
            await lost(made, 100, 5, "paper")
            asked = []
            for _ in range(6):
                await made.reconcile()
                made.clock.go(31.0)
                asked.append(len(broker.asked))
            assert asked == [2, 2, 4, 4, 6, 6]
            assert set(broker.asked[:5]) == {order_id(number) for number in range(100, 105)}

    asyncio.run(main())


@pytest.mark.parametrize("away_s", [5, 70, 300])
def test_lost_orders_of_many_users_end_within_half_a_minute_where_questions_are_counted(
    file: Location, away_s: int
) -> None:
    async def main() -> None:
        broker = FakeBroker()
        async with worker(file, broker, HandClock(), questions=V2_QUESTIONS) as made:
            for number in range(100, 112):
                by = replace(AGENT, user_id=f"u{number}")
                await put_agent(made.store, by)
                broker.replies.append(Reply.LOST_AFTER if number % 2 else Reply.LOST_BEFORE)
                await made.act(decided(number, by=by))
                await made.send()
            broker.away = True
            await pass_seconds(made, away_s)
            assert len(broker.asked) <= 1 + away_s / SILENT_S
            broker.away = False
            await pass_seconds(made, 30)
            assert sorted(await states(made.store)) == ["filled"] * 6 + ["not_placed"] * 6

    asyncio.run(main())


async def pass_seconds(made: Worker, seconds: int) -> None:
    for _ in range(seconds):
        made.clock.go(1.0)
        await made.reconcile()


def test_users_whose_orders_are_not_listed_keep_no_others_waiting_where_questions_are_counted(file: Location) -> None:
    async def main() -> None:
        async with worker(file, FakeBroker(), HandClock(), questions=((1000, 900.0),)) as made:
            await lost(made, 100, 12, "paper")
            poisoned = {order_id(number) for number in range(100, 108)}
            find = made.broker.find

            async def odd(order: object, *asked: object, **more: object) -> Receipt | None:
                made.broker.away = order.client_order_id in poisoned  # type: ignore[attr-defined]
                return await find(order, *asked, **more)  # type: ignore[arg-type]

            made.broker.find = odd  # type: ignore[method-assign, assignment]
            await pass_seconds(made, 9 * int(SILENT_S))
            assert {order_id(number) for number in range(108, 112)} <= set(made.broker.asked)

    asyncio.run(main())


def test_orders_nobody_can_be_asked_about_cost_no_questions_and_want_a_person_at_once(file: Location) -> None:
    async def main() -> None:
        broker = FakeBroker(tells_absence=False, asks=False)
        async with worker(file, broker, HandClock(), questions=((2, 900.0),), reconciled=None) as made:
            await lost(made, 100, 10, "paper")
            await pass_seconds(made, 2)
            assert made.reconciler.unresolved == Unresolved(unknown=10, needs_operator=10)
            assert made.reconciler.reconciled("paper")

    asyncio.run(main())


def test_a_worker_that_starts_waits_for_no_question_that_another_asked(file: Location) -> None:
    async def main() -> None:
        clock, broker = HandClock(), FakeBroker()
        broker.asks = False
        async with worker(file, broker, clock, questions=V2_QUESTIONS) as one:
            await lost(one, 100, 1, "paper")
            await pass_seconds(one, 200)
            async with worker(file, broker, clock, owner="two", questions=V2_QUESTIONS, reconciled=None) as two:
                await two.reconcile()
                assert two.reconciler.reconciled("paper")

    asyncio.run(main())


def test_an_order_that_was_not_there_is_asked_about_less_and_less_often_but_a_new_one_at_once(file: Location) -> None:
    async def main() -> None:
        broker = FakeBroker(tells_absence=False)
        async with worker(file, broker, HandClock(), questions=((1000, 900.0),)) as made:
            both = replace(AGENT, config=replace(AGENT.config, symbols=("BTC", "ETH")))
            await put_agent(made.store, both)
            broker.replies.append(Reply.OPEN)
            await made.act(decided(1, symbol="BTC", by=both))
            await made.send()
            counts = []
            for _ in range(60):
                await made.reconcile()
                made.clock.go(1.0)
                counts.append(len(broker.asked))
            assert [second for second in range(1, 60) if counts[second] > counts[second - 1]] == [12, 36]
            broker.replies.append(Reply.OPEN)
            await made.act(decided(2, symbol="ETH", by=both))
            await made.send()
            await made.reconcile()
            assert broker.asked[-1] == order_id(2)

    asyncio.run(main())


def test_one_turn_asks_about_all_orders_of_its_user(file: Location) -> None:
    async def main() -> None:
        broker = FakeBroker()
        async with worker(file, broker, HandClock(), questions=((1, 60.0),)) as made:
            both = replace(AGENT, config=replace(AGENT.config, symbols=("BTC", "ETH")))
            await put_agent(made.store, both)
            for number, symbol in ((1, "BTC"), (2, "ETH")):
                made.broker.replies.append(Reply.LOST_AFTER)
                await made.act(decided(number, symbol=symbol, by=both))
            await made.send()
            await made.reconcile()
            assert sorted(broker.asked) == [order_id(1), order_id(2)]
            assert await states(made.store) == ["filled", "filled"]

    asyncio.run(main())


def test_all_that_is_unresolved_is_counted_however_many_a_pass_takes(file: Location) -> None:
    async def test(made: Worker) -> None:
        await lost(made, 100, A_PASS + 20, "no longer there")
        await made.reconcile()
        assert made.reconciler.unresolved == Unresolved(unknown=A_PASS + 20, needs_operator=A_PASS + 20)

    within(file, test)


def test_what_stays_open_where_nobody_can_be_asked_wants_a_person(file: Location) -> None:
    async def test(made: Worker) -> None:
        await sent(made, Reply.OPEN)
        await made.reconcile()
        assert made.reconciler.unresolved.needs_operator == 0
        made.clock.go(LONG_OPEN_S + 1.0)
        await made.reconcile()
        assert made.reconciler.unresolved == Unresolved(unknown=0, needs_operator=1)

    within(file, test, FakeBroker(tells_absence=False, asks=False))


def test_what_is_being_sent_is_never_asked_about(file: Location) -> None:
    async def test(made: Worker) -> None:
        await made.act(decided(1))
        await made.store.write(claim(Claim(owner="one", refused=frozenset(), begun=frozenset()), made.clock))
        await made.reconcile()
        assert made.broker.asked == []

    within(file, test)
