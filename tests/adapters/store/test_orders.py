"""An order is intended once a decision, sent by one sender, and settled in its epoch, on each database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import insert, text

from adapters.store.agents import change_agent
from adapters.store.budgets import take_call
from adapters.store.choices import choose
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.facts import TRADING
from adapters.store.order_rows import lease_values, order_values
from adapters.store.orders import Claim, Outcome, claim, resolve, settle
from adapters.store.trading_tables import orders
from adapters.store.unsettled import anything_to_claim, count_unsettled, note_checked, unsettled
from tests.fakes.jobs import START, HandClock
from tests.fakes.journals import rows_of
from tests.fakes.one_order import one_order
from tests.fakes.orders import (
    AGENT,
    PRICE,
    all_orders,
    decided,
    held,
    intended,
    limited,
    order_id,
    put_agent,
    reasons,
    states,
)
from tests.fakes.stores import running
from trading.agents import Agent, AgentCommand, control
from trading.errors import IllegalChange, NotFound, OutcomeUnknown, StoreUnavailable
from trading.orders import SENDER_LEASE_S, Order, OrderState, Receipt
from trading.vocabulary import Action, BlockReason

FILLED = Receipt(state=OrderState.FILLED, venue_order_id="7", filled_quantity=Decimal(3), average_price=PRICE)
ALL = Outcome(state=OrderState.FILLED, receipt=FILLED)
PART = replace(FILLED, state=OrderState.CANCELED, filled_quantity=Decimal(1))
LOST = Outcome(state=OrderState.UNKNOWN, reason="reset")


def within(location: Location, test: Callable[[Store, HandClock], Awaitable[None]], by: Agent = AGENT) -> None:
    async def main() -> None:
        async with running(location) as store:
            await put_agent(store, by)
            await test(store, HandClock())

    asyncio.run(main())


async def claimed(store: Store, clock: HandClock, owner: str = "one", *refused: str) -> list[Order]:
    return list((await store.write(claim(Claim(owner=owner, refused=refused), clock))).to_send)


async def sending(store: Store, clock: HandClock, number: int = 1) -> Order:
    await store.write(intended(decided(number), clock))
    return (await claimed(store, clock))[0]


async def say(store: Store, clock: HandClock, order: Order, outcome: Outcome) -> Order | None:
    return await store.write(settle(order, outcome, owner="one", now=clock))


def open_with(quantity: str, price: str = "100", fee: str = "0") -> Outcome:
    receipt = Receipt(
        state=OrderState.OPEN,
        venue_order_id="7",
        filled_quantity=Decimal(quantity),
        average_price=Decimal(price),
        fee=Decimal(fee),
    )
    return Outcome(state=OrderState.OPEN, receipt=receipt)


def test_the_same_decision_tried_again_by_anybody_has_one_order_and_one_answer(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        first = await store.write(intended(decided(1), clock))
        async with running(location) as other:
            again = await other.write(intended(decided(1, target=0.5), clock, owner="other"))
        assert first.client_order_id == again.client_order_id == order_id(1)
        assert await rows_of(store, "SELECT count(*) FROM orders") == [(1,)]
        assert await rows_of(store, "SELECT count(*) FROM decisions") == [(1,)]

    within(location, test)


def test_a_decision_is_tried_from_all_sides_at_once_and_has_one_order(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        async with running(location) as two, running(location) as three:
            tries = [each.write(intended(decided(1), clock)) for each in (store, two, three) for _ in range(4)]
            kept = await asyncio.gather(*tries)
        assert {decision.client_order_id for decision in kept} == {order_id(1)}
        assert await states(store) == ["new"]

    within(location, test)


def test_what_along_refuses_leaves_no_order_and_no_decision(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        async def ended_already(_: StoreConnection) -> None:
            raise NotFound("prediction")

        with pytest.raises(NotFound):
            await store.write(intended(decided(1), clock, along=ended_already))
        assert await states(store) == []
        assert await rows_of(store, "SELECT count(*) FROM decisions") == [(0,)]

    within(location, test)


def test_parallel_intents_from_several_workers_never_pass_the_limit_of_a_minute_by_one(location: Location) -> None:
    by = limited(max_orders_per_minute=3)
    by = replace(by, config=replace(by.config, symbols=("BTC", "ETH")))

    async def test(store: Store, clock: HandClock) -> None:
        numbers = iter(range(1, 100))
        async with running(location) as two, running(location) as three:
            for _ in range(4):
                tries = [
                    each.write(intended(decided(next(numbers), by=by, symbol=symbol), clock))
                    for each in (store, two, three)
                    for symbol in ("BTC", "ETH")
                ]
                kept = await asyncio.gather(*tries)
                # What works is let go, or each symbol has only one.
                for order in await claimed(store, clock):
                    await say(store, clock, order, Outcome(state=OrderState.REJECTED, reason="no"))
        assert len(await all_orders(store)) == 3
        assert all(decision.refused_by == (BlockReason.LIMIT_ORDERS_PER_MINUTE,) for decision in kept)

    within(location, test, by)


def test_the_last_place_among_open_orders_goes_to_one_of_many(location: Location) -> None:
    wide = replace(
        limited(max_open_orders=1), config=replace(limited(max_open_orders=1).config, symbols=("BTC", "ETH"))
    )

    async def test(store: Store, clock: HandClock) -> None:
        async with running(location) as other:
            tries = [
                each.write(intended(decided(number, by=wide, symbol=symbol), clock))
                for number, (each, symbol) in enumerate([(store, "BTC"), (other, "ETH")] * 5)
            ]
            kept = await asyncio.gather(*tries)
        assert sum(decision.client_order_id is not None for decision in kept) == 1
        assert len(await all_orders(store)) == 1

    within(location, test, wide)


def test_a_notional_above_the_limit_has_no_order_and_one_at_the_limit_has(location: Location) -> None:
    by = limited(max_notional_usd=200.0)

    async def test(store: Store, clock: HandClock) -> None:
        refused = await store.write(intended(decided(1, by=by), clock))
        kept = await store.write(intended(decided(2, by=by, target=2 / 3 - 0.003), clock))
        assert refused.refused_by == (BlockReason.LIMIT_NOTIONAL,)
        assert kept.client_order_id == order_id(2)

    within(location, test, by)


def test_what_was_lost_today_keeps_from_opening_and_never_from_reducing(location: Location) -> None:
    by = limited(max_daily_loss_usd=30.0)

    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1, by=by), clock))
        dear = replace(FILLED, average_price=Decimal(110))
        await say(store, clock, (await claimed(store, clock))[0], Outcome(state=OrderState.FILLED, receipt=dear))
        # 3 BTC bought at 110 are worth 100 each: 30 USD are lost, though not realised.
        clock.go(100.0)
        sold = await store.write(intended(replace(decided(2, by=by, target=0.5), action=Action.SELL), clock))
        assert sold.client_order_id is not None
        half = replace(FILLED, filled_quantity=(await all_orders(store))[1].request.quantity)
        await say(store, clock, (await claimed(store, clock))[0], Outcome(state=OrderState.FILLED, receipt=half))
        more = await store.write(intended(decided(3, by=by), clock))
        assert more.refused_by == (BlockReason.LIMIT_DAILY_LOSS,)

    within(location, test, by)


def test_orders_of_the_last_minute_are_counted_by_the_clock_that_nobody_sets(location: Location) -> None:
    by = limited(max_orders_per_minute=1)

    async def test(store: Store, clock: HandClock) -> None:
        no = Outcome(state=OrderState.REJECTED, reason="no")
        await store.write(intended(decided(1, by=by), clock))
        await say(store, clock, (await claimed(store, clock))[0], no)
        clock.go(30.0)
        clock.jump(120.0)
        early = await store.write(intended(decided(2, by=by), clock))
        clock.jump(-7_000.0)
        early_too = await store.write(intended(decided(3, by=by), clock))
        clock.go(30.0)
        in_time = await store.write(intended(decided(4, by=by), clock))
        limit = (BlockReason.LIMIT_ORDERS_PER_MINUTE,)
        assert (early.refused_by, early_too.refused_by, in_time.refused_by) == (limit, limit, ())

    within(location, test, by)


def test_the_venues_rate_limit_is_exact_over_workers_and_taken_only_for_an_order(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        def take(number: int) -> dict[str, object]:
            return {"take_call": take_call("orders:paper", windows=[(3, 60.0)], now=clock)}

        users = [replace(AGENT, user_id=f"u{number}") for number in range(8)]
        for each in users:
            await put_agent(store, each)
        await store.write(intended(decided(90, target=0.0), clock, **take(90)))  # nothing to sell: no call
        async with running(location) as other:
            tries = [
                (store, other)[number % 2].write(intended(decided(number, by=each), clock, **take(number)))
                for number, each in enumerate(users)
            ]
            kept = await asyncio.gather(*tries)
        assert sum(decision.client_order_id is not None for decision in kept) == 3
        assert sum(decision.refused_by == (BlockReason.VENUE_RATE_LIMIT,) for decision in kept) == 5

    within(location, test)


def test_one_sender_claims_an_order_and_only_who_intended_it(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        async with running(location) as other:
            assert await claimed(other, clock, "other") == []
            both = await asyncio.gather(
                claimed(store, clock), claimed(other, clock, "other"), claimed(other, clock, "x")
            )
        assert [len(each) for each in both] == [1, 0, 0]

    within(location, test)


def test_a_late_order_is_expired_by_whoever_looks_and_never_claimed(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        clock.go(5.0)
        assert await claimed(store, clock, "other") == []
        assert await states(store) == ["expired"]

    within(location, test)


def test_a_late_order_is_expired_after_a_reboot_too(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        clock.reboot("the next", after_s=60.0)
        assert await claimed(store, clock) == []
        assert await states(store) == ["expired"]

    within(location, test)


@pytest.mark.parametrize("command", [AgentCommand.PAUSE, AgentCommand.STOP])
def test_after_a_pause_or_stop_is_durable_no_order_of_the_user_is_claimed(
    location: Location, command: AgentCommand
) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        paused = change_agent("user123", lambda known: (control(known, command, wall_s=clock().wall_s), None))
        async with running(location) as other:
            await other.write(paused)
        assert await claimed(store, clock) == []
        assert await states(store) == ["blocked"]
        kept = await store.write(intended(decided(2), clock))
        assert kept.client_order_id is None

    within(location, test)


def test_an_order_of_before_a_pause_is_not_sent_after_the_resume(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        clock.go(0.5)
        for command in (AgentCommand.PAUSE, AgentCommand.RESUME):
            at_s = clock().wall_s
            await store.write(
                change_agent("user123", lambda known, c=command, t=at_s: (control(known, c, wall_s=t), None))
            )  # type: ignore[misc]
        assert await claimed(store, clock) == []
        assert await reasons(store) == ["agent_changed"]
        clock.go(0.1)
        await store.write(intended(decided(2), clock))
        assert len(await claimed(store, clock)) == 1

    within(location, test)


def test_a_wall_clock_that_was_set_back_stops_no_agent(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        clock.jump(-3_600.0)
        await store.write(intended(decided(1), clock))
        assert len(await claimed(store, clock)) == 1

    within(location, test)


def test_a_halt_races_claims_and_none_is_made_after_it(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        for number in range(20):
            by = replace(AGENT, user_id=f"u{number}")
            await put_agent(store, by)
            await store.write(intended(decided(number, by=by), clock))
        flying: list[str] = []

        async def halt(other: Store) -> None:
            async def work(connection: StoreConnection) -> list[str]:
                await choose(TRADING, '{"state": "halted"}')(connection)
                found = await connection.execute(in_flight)
                return [row[0] for row in found]

            flying.extend(await other.write(work))

        in_flight = text("SELECT client_order_id FROM orders WHERE state = 'sending'")
        async with running(location) as other:
            got, _ = await asyncio.gather(claimed(store, clock), halt(other))
        assert sorted(order.request.client_order_id for order in got) == sorted(flying)
        assert await claimed(store, clock) == []
        assert set(await states(store)) <= {"sending", "blocked"}

    within(location, test)


def test_reducing_lets_go_only_what_reduces(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await say(store, clock, await sending(store, clock), ALL)
        await store.write(intended(decided(2, target=0.0), clock))
        eth = replace(AGENT, user_id="other")
        await put_agent(store, eth)
        await store.write(intended(decided(3, by=eth), clock))
        await store.write(choose(TRADING, '{"state": "reducing"}'))
        got = await claimed(store, clock)
        assert [order.request.client_order_id for order in got] == [order_id(2)]
        assert await states(store) == ["filled", "sending", "blocked"]
        kept = await store.write(intended(decided(4, by=eth), clock))
        assert kept.refused_by == (BlockReason.REDUCING,)

    within(location, test)


def test_a_switch_that_cannot_be_read_halts(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        await store.write(choose(TRADING, "[]"))
        assert await claimed(store, clock) == []
        assert await reasons(store) == ["halted"]

    within(location, test)


def test_what_was_refused_to_its_caller_is_blocked(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        assert await claimed(store, clock, "one", order_id(1)) == []
        assert (await states(store), await reasons(store)) == (["blocked"], ["not_confirmed_in_time"])

    within(location, test)


def test_a_claim_its_sender_never_heard_of_is_made_anew_and_one_it_began_is_not(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        first = await sending(store, clock)
        begun = frozenset({(first.request.client_order_id, first.epoch)})
        assert (await store.write(claim(Claim(owner="one", refused=frozenset(), begun=begun), clock))).to_send == []
        assert (await store.write(claim(Claim(owner="other"), clock))).to_send == []
        again = await claimed(store, clock)
        assert [order.epoch for order in again] == [2]
        assert await say(store, clock, first, LOST) is None
        clock.go(5.0)
        assert await claimed(store, clock) == []
        assert await states(store) == ["expired"]

    within(location, test)


def test_many_on_their_way_keep_ones_own_from_nothing(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        lease = lease_values("other", clock().after(SENDER_LEASE_S))
        rows = [order_values(_sent_before(number)) | lease for number in range(600)]

        async def work(connection: StoreConnection) -> None:
            await connection.execute(insert(orders), rows)

        await store.write(work)
        assert [order.request.client_order_id for order in await claimed(store, clock)] == [order_id(1)]

    within(location, test)


def _sent_before(number: int) -> Order:
    order = one_order(state=OrderState.SENDING, decision_id=f"other-{number}", created_at_s=START.wall_s - 1.0)
    return replace(order, request=replace(order.request, client_order_id=f"rl-other-{number}"))


def test_a_lost_sender_leaves_an_order_unknown_after_its_lease_and_never_sent_again(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await sending(store, clock)
        clock.go(SENDER_LEASE_S - 0.1)
        await claimed(store, clock, "other")
        assert await states(store) == ["sending"]
        clock.go(0.1)
        assert await claimed(store, clock, "other") == []
        assert (await states(store), await reasons(store)) == (["unknown"], ["sender_lost"])
        assert await claimed(store, clock) == []

    within(location, test)


def test_setting_the_wall_clock_ends_no_lease_and_no_deadline(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await sending(store, clock)
        await store.write(intended(decided(2, by=replace(AGENT, user_id="u2")), clock))
        clock.jump(3_600.0)
        await claimed(store, clock, "other")
        assert await states(store) == ["sending"]

    within(location, test)


def test_an_unknown_order_keeps_its_user_from_another_purchase_and_counts_as_held(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1, target=0.5), clock))
        await say(store, clock, (await claimed(store, clock))[0], LOST)
        same = await store.write(intended(decided(2, target=0.5), clock))
        more = await store.write(intended(decided(3), clock))
        less = await store.write(intended(decided(4, target=0.0), clock))
        assert same.refused_by == (BlockReason.DEAD_BAND,)
        assert more.refused_by == (BlockReason.IN_PROGRESS,)
        assert less.refused_by == (BlockReason.BELOW_MINIMUM,)
        assert await states(store) == ["unknown"]

    within(location, test)


def test_saying_the_same_twice_books_once(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await sending(store, clock)
        first, again = await say(store, clock, order, ALL), await say(store, clock, order, ALL)
        assert first == again
        assert await rows_of(store, "SELECT quantity FROM fills") == [("3",)]
        assert await held(store) == 3

    within(location, test)


def test_an_older_epoch_says_nothing(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        first = await sending(store, clock)
        await say(store, clock, first, Outcome(state=OrderState.NEW, reason="nobody listens"))
        second = (await claimed(store, clock))[0]
        assert (first.epoch, second.epoch) == (1, 2)
        assert await say(store, clock, first, ALL) is None
        assert await states(store) == ["sending"]
        assert await held(store) == 0

    within(location, test)


def test_a_receipt_that_comes_after_the_order_was_given_up_is_booked(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await sending(store, clock)
        clock.go(SENDER_LEASE_S)
        await claimed(store, clock, "other")
        after = await say(store, clock, order, ALL)
        assert after is not None
        assert after.state is OrderState.FILLED
        assert await held(store) == 3

    within(location, test)


@pytest.mark.parametrize("state", [OrderState.NEW, OrderState.EXPIRED, OrderState.BLOCKED])
def test_a_sender_that_comes_back_and_knows_that_nothing_left_ends_the_unknown_order(
    location: Location, state: OrderState
) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await sending(store, clock)
        clock.go(SENDER_LEASE_S)
        await claimed(store, clock, "other")
        await say(store, clock, order, Outcome(state=state, reason="late"))
        assert (await states(store), await reasons(store)) == (["not_placed"], ["never_left"])

    within(location, test)


@pytest.mark.parametrize(
    "state", [OrderState.NEW, OrderState.UNKNOWN, OrderState.EXPIRED, OrderState.BLOCKED, OrderState.NOT_PLACED]
)
def test_what_was_seen_at_the_venue_stays_open_whatever_its_sender_thinks(
    location: Location, state: OrderState
) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await sending(store, clock)
        await say(store, clock, order, LOST)
        await say(store, clock, order, open_with("1"))
        after = await say(store, clock, order, Outcome(state=state, reason="reset"))
        assert after is not None
        assert (after.state, after.filled_quantity) == (OrderState.OPEN, Decimal(1))

    within(location, test)


def test_an_open_order_that_the_venue_then_refuses_ends_with_what_was_filled(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await sending(store, clock)
        await say(store, clock, order, Outcome(state=OrderState.OPEN, receipt=Receipt(state=OrderState.OPEN)))
        no = Receipt(state=OrderState.REJECTED, reason="margin")
        await say(store, clock, order, Outcome(state=OrderState.REJECTED, reason="margin", receipt=no))
        assert (await states(store), await reasons(store)) == (["canceled"], ["margin"])

    within(location, test)


def test_a_receipt_that_goes_back_is_refused_and_changes_nothing(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await sending(store, clock)
        await say(store, clock, order, open_with("2"))
        with pytest.raises(OutcomeUnknown):
            await say(store, clock, order, open_with("1"))
        with pytest.raises(OutcomeUnknown):
            await say(store, clock, order, open_with("4"))
        assert await held(store) == 2
        assert await states(store) == ["open"]

    within(location, test)


def test_a_late_receipt_changes_no_order_that_has_ended(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await sending(store, clock)
        await say(store, clock, order, LOST)
        await say(store, clock, order, Outcome(state=OrderState.NOT_PLACED, reason="not_at_the_venue"))
        after = await say(store, clock, order, ALL)
        assert after is not None
        assert after.state is OrderState.NOT_PLACED
        assert await held(store) == 0

    within(location, test)


@pytest.mark.parametrize(
    ("outcome", "state", "position"),
    [
        (ALL, "filled", 3),
        (Outcome(state=OrderState.CANCELED, receipt=PART), "canceled", 1),
        (Outcome(state=OrderState.CANCELED), "canceled", 0),
        (Outcome(state=OrderState.REJECTED), "rejected", 0),
        (Outcome(state=OrderState.NOT_PLACED), "not_placed", 0),
    ],
)
def test_a_person_ends_an_unknown_order(location: Location, outcome: Outcome, state: str, position: int) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await say(store, clock, await sending(store, clock), LOST)
        await store.write(resolve(order_id(1), outcome, by="ann", now=clock))
        assert await states(store) == [state]
        assert await held(store) == position
        with pytest.raises(IllegalChange):
            await store.write(resolve(order_id(1), outcome, by="ann", now=clock))

    within(location, test)


def test_a_person_ends_no_order_that_waits_or_is_being_sent_and_none_there_is_not(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await store.write(intended(decided(1), clock))
        for _ in range(2):
            with pytest.raises(IllegalChange):
                await store.write(resolve(order_id(1), ALL, by="ann", now=clock))
            await claimed(store, clock)
        with pytest.raises(NotFound):
            await store.write(resolve(order_id(2), ALL, by="ann", now=clock))
        assert await states(store) == ["sending"]

    within(location, test)


@pytest.mark.parametrize("meanwhile", [open_with("1"), ALL])
def test_what_the_venue_said_first_is_not_a_persons_to_say(location: Location, meanwhile: Outcome) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await sending(store, clock)
        await say(store, clock, order, LOST)
        await say(store, clock, order, meanwhile)
        with pytest.raises(IllegalChange) as refused:
            await store.write(resolve(order_id(1), Outcome(state=OrderState.CANCELED), by="ann", now=clock))
        assert await states(store) == [refused.value.state] == [meanwhile.state]

    within(location, test)


def test_an_open_order_is_ended_by_a_person_only_where_that_is_said(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await say(store, clock, await sending(store, clock), open_with("1"))
        rest = Outcome(state=OrderState.CANCELED)
        after = await store.write(resolve(order_id(1), rest, by="ann", now=clock, ends_open=True))
        assert (after.state, after.filled_quantity) == (OrderState.CANCELED, 1)
        with pytest.raises(IllegalChange):
            await store.write(resolve(order_id(1), rest, by="ann", now=clock, ends_open=True))

    within(location, test)


def test_more_than_was_ordered_is_not_taken_from_a_person_either(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await say(store, clock, await sending(store, clock), LOST)
        more = Outcome(state=OrderState.FILLED, receipt=replace(FILLED, filled_quantity=Decimal("3.001")))
        with pytest.raises(OutcomeUnknown):
            await store.write(resolve(order_id(1), more, by="ann", now=clock))
        assert await states(store) == ["unknown"]

    within(location, test)


def test_every_change_of_an_order_is_noted_once_and_in_turn(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await sending(store, clock)
        for outcome in (LOST, LOST, open_with("1"), open_with("1"), ALL, ALL):
            await say(store, clock, order, outcome)
        noted = await rows_of(store, "SELECT state FROM order_events ORDER BY seq")
        assert [state for (state,) in noted] == ["new", "sending", "unknown", "open", "filled"]

    within(location, test)


def test_the_unsettled_come_longest_unasked_first_and_so_many_of_each_venue(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        for number in range(1, 7):
            by = replace(AGENT, user_id=f"u{number}")
            await put_agent(store, by)
            await store.write(intended(decided(number, by=by), clock, venue="v2" if number < 5 else "paper"))
            clock.go(0.01)
        for order in await claimed(store, clock):
            await say(store, clock, order, LOST)
        found = [order.decision_id for order, _ in await store.read(unsettled(each=2))]
        assert found == [f"{number:032x}" for number in (1, 2, 5, 6)]
        await store.write(note_checked([order_id(1), order_id(5)], wall_s=clock().wall_s))
        found = [order.decision_id for order, _ in await store.read(unsettled(each=2))]
        assert found == [f"{number:032x}" for number in (2, 3, 6, 5)]
        counts = await store.read(count_unsettled(open_since_s=clock().wall_s))
        assert {venue: (count.unknown, count.asked) for venue, count in counts.items()} == {
            "v2": (4, 1),
            "paper": (2, 1),
        }

    within(location, test)


def test_there_is_something_to_claim_until_all_is_settled_or_lost(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        seen = [await store.read(anything_to_claim())]
        await store.write(intended(decided(1), clock))
        seen.append(await store.read(anything_to_claim()))
        order = (await claimed(store, clock))[0]
        seen.append(await store.read(anything_to_claim()))
        await say(store, clock, order, LOST)
        seen.append(await store.read(anything_to_claim()))
        assert seen == [False, True, True, False]

    within(location, test)


def test_without_its_store_an_order_is_refused(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await put_agent(store)
        with pytest.raises(StoreUnavailable):
            await store.write(intended(decided(1), HandClock()))

    asyncio.run(main())
