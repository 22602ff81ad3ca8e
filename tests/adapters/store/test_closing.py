"""A stop and the orders that close what is held are durable together, and leave though the agent is stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.store.agents import change_agent
from adapters.store.budgets import take_call
from adapters.store.choices import choose
from adapters.store.closing import Stopping, close_positions_of
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work
from adapters.store.facts import TRADING
from adapters.store.orders import Claim, Outcome, claim, settle
from adapters.store.snapshot import SnapshotReader
from tests.fakes.brokers import PRICE, RULES
from tests.fakes.jobs import HandClock
from tests.fakes.orders import AGENT, all_orders, decided, held, intended, put_agent, reasons, states
from tests.fakes.stores import running
from trading.agents import AgentState, ExecutionMode, start, stop_to_close
from trading.closing import Closing, Held, close
from trading.intents import Venue
from trading.orders import MadeBy, Order, OrderState, Receipt, Side
from trading.vocabulary import Arm, BlockReason, Halt


def within(location: Location, test: Callable[[Store, HandClock], Awaitable[None]], *, holding: bool = True) -> None:
    async def main() -> None:
        async with running(location) as store:
            clock = HandClock()
            await put_agent(store)
            if holding:
                await fill(store, clock, 1)
                clock.go(1.0)
            await test(store, clock)

    asyncio.run(main())


async def fill(store: Store, clock: HandClock, number: int) -> None:
    """3 BTC are bought by the rule."""
    await store.write(intended(decided(number, arm=Arm.FALLBACK), clock))
    await say(store, clock, (await claimed(store, clock))[0], OrderState.FILLED, "3")


async def claimed(
    store: Store, clock: HandClock, owner: str = "one", reaches: Collection[str] = ("paper",)
) -> Sequence[Order]:
    return (await store.write(claim(Claim(owner=owner, reaches=reaches), clock))).to_send


async def say(store: Store, clock: HandClock, order: Order, state: OrderState, filled: str) -> None:
    receipt = Receipt(state=state, venue_order_id="7", filled_quantity=Decimal(filled), average_price=PRICE)
    await store.write(settle(order, Outcome(state=state, receipt=receipt), owner="one", now=clock))


def stopping(clock: HandClock, *, owner: str = "one", calls: int | None = None) -> Stopping:
    def close_held(held: Held) -> Closing:
        venue = Venue(name="paper", rules=lambda _: RULES)
        return close(held, venue, price=PRICE, market_s=held.now.wall_s, deadline=held.now.after(5.0))

    limit = {} if calls is None else {ExecutionMode.PAPER: take_call("paper", windows=((calls, 60.0),), now=clock)}
    return Stopping(close=close_held, take_call=limit, owner=owner, now=clock)


def stopped(clock: HandClock, **how: object) -> Work[Sequence[Closing]]:
    change = change_agent("user123", lambda known: (stop_to_close(known, wall_s=clock().wall_s), None))

    async def work(connection: StoreConnection) -> Sequence[Closing]:
        agent, _ = await change(connection)
        return await close_positions_of(connection, agent, stopping(clock, **how))  # type: ignore[arg-type]

    return work


async def start_again(store: Store, clock: HandClock) -> None:
    again = change_agent("user123", lambda known: start(known, "user123", AGENT.config, wall_s=clock().wall_s))
    await store.write(again)


def test_a_stop_makes_the_order_that_closes_what_is_held_and_it_leaves(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        (closing,) = await store.write(stopped(clock))
        assert (closing.symbol, closing.reason) == ("BTC", None)
        (order,) = await claimed(store, clock)
        assert order.request.client_order_id == closing.client_order_id
        assert (order.request.side, order.request.quantity, order.arm) == (Side.SELL, Decimal(3), Arm.FALLBACK)
        await say(store, clock, order, OrderState.FILLED, "3")
        assert await held(store) == 0
        known = SnapshotReader(store)
        await known.refresh()
        agent = known.of("user123")
        assert agent is not None
        assert agent.state is AgentState.STOPPED

    within(location, test)


def test_the_stop_again_makes_no_second_order_while_one_works_or_when_all_is_sold(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        (first,) = await store.write(stopped(clock))
        clock.go(1.0)
        assert [each.client_order_id for each in await store.write(stopped(clock))] == [first.client_order_id]
        (order,) = await claimed(store, clock)
        assert [each.client_order_id for each in await store.write(stopped(clock))] == [first.client_order_id]
        await say(store, clock, order, OrderState.OPEN, "1")
        assert [each.client_order_id for each in await store.write(stopped(clock))] == [first.client_order_id]
        await say(store, clock, order, OrderState.FILLED, "3")
        assert await store.write(stopped(clock)) == []
        assert await states(store) == ["filled", "filled"]

    within(location, test)


def test_stops_from_all_sides_at_once_make_one_order(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        async with running(location) as two, running(location) as three:
            stops = [each.write(stopped(clock, owner="any")) for each in (store, two, three) for _ in range(3)]
            answers = await asyncio.gather(*stops)
        assert len({closing.client_order_id for answer in answers for closing in answer}) == 1
        assert await states(store) == ["filled", "new"]

    within(location, test)


def test_an_order_that_ended_without_closing_is_followed_by_another_when_asked_again(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(stopped(clock))
        (order,) = await claimed(store, clock)
        await say(store, clock, order, OrderState.CANCELED, "1")
        await store.write(stopped(clock))
        (after,) = await claimed(store, clock)
        assert after.request.client_order_id != order.request.client_order_id
        assert after.request.quantity == Decimal(2)

    within(location, test)


def test_what_fails_later_in_the_transaction_leaves_neither_stop_nor_order(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        async def fails(connection: StoreConnection) -> None:
            assert len(await stopped(clock)(connection)) == 1
            raise RuntimeError("a fault")

        with pytest.raises(RuntimeError):
            await store.write(fails)
        assert await states(store) == ["filled"]
        known = SnapshotReader(store)
        await known.refresh()
        assert known.count(AgentState.RUNNING) == 1

    within(location, test)


def test_no_other_order_of_a_stopped_agent_leaves(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(2, target=0.0), clock))
        (closing,) = await store.write(stopped(clock))
        assert (closing.client_order_id, closing.reason) == (None, BlockReason.IN_PROGRESS)
        assert await claimed(store, clock) == []
        assert await reasons(store) == [None, "agent_stopped"]
        await store.write(stopped(clock))
        (order,) = await claimed(store, clock)
        assert order.request.made_by is MadeBy.STOP

    within(location, test)


def test_while_it_is_unknown_what_became_of_an_order_nothing_is_guessed(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(2, target=0.0), clock))
        (order,) = await claimed(store, clock)
        lost = Outcome(state=OrderState.UNKNOWN, reason="reset")
        await store.write(settle(order, lost, owner="one", now=clock))
        (closing,) = await store.write(stopped(clock))
        assert (closing.client_order_id, closing.reason) == (None, BlockReason.ORDER_UNRESOLVED)
        assert len(await all_orders(store)) == 2

    within(location, test)


@pytest.mark.parametrize(("halt", "leaves"), [(Halt.REDUCING, True), (Halt.HALTED, False)])
def test_it_leaves_while_trading_may_only_reduce_and_not_when_it_is_halted(
    location: Location, halt: Halt, leaves: bool
) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(stopped(clock))
        await store.write(choose(TRADING, f'{{"state": "{halt}"}}'))
        assert len(await claimed(store, clock)) == leaves
        if not leaves:
            assert await reasons(store) == [None, "halted"]
            (closing,) = await store.write(stopped(clock))
            assert (closing.client_order_id, closing.reason) == (None, BlockReason.HALTED)

    within(location, test)


def test_an_agent_that_was_started_again_keeps_what_is_held(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(stopped(clock))
        clock.go(1.0)
        await start_again(store, clock)
        assert await claimed(store, clock) == []
        assert await reasons(store) == [None, "agent_running"]

    within(location, test)


def test_the_order_of_an_earlier_stop_does_not_leave_after_a_later_one(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(stopped(clock))
        clock.go(1.0)
        await start_again(store, clock)
        clock.go(1.0)
        (closing,) = await store.write(stopped(clock))
        assert (closing.client_order_id, closing.reason) == (None, BlockReason.IN_PROGRESS)
        assert await claimed(store, clock) == []
        assert await reasons(store) == [None, "agent_changed"]

    within(location, test)


def test_when_its_worker_is_gone_another_sends_it_once_and_in_time(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(stopped(clock, owner="gone"))
        (order,) = await claimed(store, clock, "other")
        assert await claimed(store, clock, "gone") == []
        begun = [(order.request.client_order_id, order.epoch)]
        again = Claim(owner="other", begun=begun, reaches=["paper"])
        assert (await store.write(claim(again, clock))).to_send == []

    within(location, test)


def test_a_worker_that_has_not_found_its_venue_leaves_it_to_one_that_has(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        (closing,) = await store.write(stopped(clock, owner="gone"))
        assert await claimed(store, clock, "new", reaches=()) == []
        assert await states(store) == ["filled", "new"]
        (order,) = await claimed(store, clock, "other")
        assert order.request.client_order_id == closing.client_order_id

    within(location, test)


def test_what_is_too_late_never_leaves_and_may_be_asked_for_again(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(stopped(clock, owner="gone"))
        clock.go(6.0)
        assert await claimed(store, clock, "other") == []
        assert await states(store) == ["filled", "expired"]
        await store.write(stopped(clock))
        assert len(await claimed(store, clock)) == 1

    within(location, test)


def test_a_venue_that_takes_no_more_orders_now_gets_none(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(take_call("paper", windows=((1, 60.0),), now=clock))
        (closing,) = await store.write(stopped(clock, calls=1))
        assert closing.reason is BlockReason.VENUE_RATE_LIMIT
        clock.go(61.0)
        assert (await store.write(stopped(clock, calls=1)))[0].reason is None

    within(location, test)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, BlockReason.IN_PROGRESS),
        (OrderState.OPEN, BlockReason.IN_PROGRESS),
        (OrderState.UNKNOWN, BlockReason.ORDER_UNRESOLVED),
    ],
)
def test_who_holds_nothing_yet_is_told_of_what_may_still_be_bought(
    location: Location, state: OrderState | None, reason: BlockReason
) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        (bought,) = await claimed(store, clock)
        if state is OrderState.UNKNOWN:
            await store.write(settle(bought, Outcome(state=state, reason="reset"), owner="one", now=clock))
        elif state is not None:
            await say(store, clock, bought, state, "0")
        clock.go(1.0)
        (closing,) = await store.write(stopped(clock))
        assert (closing.symbol, closing.client_order_id, closing.reason) == ("BTC", None, reason)
        assert len(await all_orders(store)) == 1
        await say(store, clock, bought, OrderState.FILLED, "3")
        (after,) = await store.write(stopped(clock))
        (order,) = await claimed(store, clock)
        assert (order.request.client_order_id, order.request.quantity) == (after.client_order_id, Decimal(3))

    within(location, test, holding=False)


def test_what_the_stop_itself_keeps_from_leaving_is_not_waited_for(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        clock.go(1.0)
        assert await store.write(stopped(clock)) == []
        assert await claimed(store, clock) == []
        assert await reasons(store) == ["agent_stopped"]

    within(location, test, holding=False)


def test_what_is_held_in_another_mode_is_left_alone(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        live = replace(AGENT, config=replace(AGENT.config, execution=ExecutionMode.LIVE))
        await put_agent(store, live)
        assert await store.write(stopped(clock)) == []
        assert await states(store) == ["filled"]

    within(location, test)


def test_who_holds_nothing_stops_as_ever(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        assert await store.write(stopped(clock)) == []

    within(location, test, holding=False)
