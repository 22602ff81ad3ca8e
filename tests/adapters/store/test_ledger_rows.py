"""Receipts become fills, positions and each arm's profit, exact to the last digit, on each database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import insert

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.facts import read_facts
from adapters.store.ledger import arm_profits, day_of, holdings
from adapters.store.order_rows import order_values
from adapters.store.orders import Outcome, settle
from adapters.store.trading_tables import orders
from tests.fakes.jobs import START, HandClock
from tests.fakes.journals import rows_of
from tests.fakes.one_order import one_order
from tests.fakes.orders import AGENT, decided, order_named, put_agent
from tests.fakes.stores import running
from trading.orders import Order, OrderState, Receipt, Side
from trading.vocabulary import Arm

DAY_S = 86_400.0


def within(location: Location, test: Callable[[Store, HandClock], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as store:
            await put_agent(store)
            await test(store, HandClock())

    asyncio.run(main())


async def placed(store: Store, number: int, side: Side, quantity: str, arm: Arm) -> Order:
    """An order that works at the venue."""
    made = one_order(side, quantity, arm=arm, decision_id=str(number))
    made = replace(made, request=replace(made.request, client_order_id=f"rl-{number}"))

    async def work(connection: StoreConnection) -> None:
        await connection.execute(insert(orders).values(order_values(made)))

    await store.write(work)
    return made


async def filled(
    store: Store, clock: HandClock, order: Order, quantity: str, price: str, fee: str | None = "0"
) -> None:
    whole = Decimal(quantity) == order.request.quantity
    receipt = Receipt(
        state=OrderState.FILLED if whole else OrderState.OPEN,
        filled_quantity=Decimal(quantity),
        average_price=Decimal(price),
        fee=None if fee is None else Decimal(fee),
    )
    await store.write(settle(order, Outcome(state=receipt.state, receipt=receipt), owner="one", now=clock))


def test_fills_over_several_receipts_each_have_their_own_price_and_fee(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await placed(store, 1, Side.BUY, "3", Arm.RL)
        for quantity, average, fee in (("1", "100", "0.1"), ("1.5", "104", "0.1"), ("3", "107", "0.35")):
            await filled(store, clock, order, quantity, average, fee)
        found = await rows_of(store, "SELECT quantity, price, fee FROM fills ORDER BY seq")
        exact = [tuple(Decimal(str(each)) for each in row) for row in found]
        assert exact == [
            (Decimal(1), Decimal(100), Decimal("0.1")),
            (Decimal("0.5"), Decimal(112), Decimal(0)),
            (Decimal("1.5"), Decimal(110), Decimal("0.25")),
        ]
        position = (await store.read(holdings("user123")))[0].position
        assert (position.quantity, position.average_cost) == (Decimal(3), Decimal(107))

    within(location, test)


def test_profit_belongs_to_the_arm_that_opened_the_position(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await filled(store, clock, await placed(store, 1, Side.BUY, "3", Arm.RL), "3", "100", "0.3")
        await filled(store, clock, await placed(store, 2, Side.SELL, "3", Arm.FALLBACK), "3", "110", "0.33")
        await filled(store, clock, await placed(store, 3, Side.BUY, "1", Arm.FALLBACK), "1", "110", "0.11")
        profits = await store.read(arm_profits("user123"))
        assert {(each.arm, each.realized, each.fees, each.fills) for each in profits} == {
            (Arm.RL, Decimal(30), Decimal("0.63"), 2),
            (Arm.FALLBACK, Decimal(0), Decimal("0.11"), 1),
        }
        assert (await store.read(holdings("user123")))[0].position.arm is Arm.FALLBACK

    within(location, test)


def test_amounts_that_no_float_holds_add_up(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        for number in range(1, 11):
            order = await placed(store, number, Side.BUY, "0.1", Arm.RL)
            await filled(store, clock, order, "0.1", "0.000000000000000003", "0.0000000000000000001")
        position = (await store.read(holdings("user123")))[0].position
        assert (position.quantity, position.average_cost) == (Decimal("1.0"), Decimal("3E-18"))
        assert (await store.read(arm_profits("user123")))[0].fees == Decimal("1E-18")

    within(location, test)


def test_a_fee_that_the_venue_does_not_tell_is_unknown_and_not_zero(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await placed(store, 1, Side.BUY, "3", Arm.RL)
        await filled(store, clock, order, "2", "100", None)
        assert (await order_named(store, "rl-1")).fee is None
        assert await rows_of(store, "SELECT fee FROM fills") == [(None,)]
        (profit,) = await store.read(arm_profits("user123"))
        assert (profit.fees, profit.untold_value, profit.fills) == (0, 200, 1)
        facts = await store.write(lambda connection: read_facts(connection, decided(1), clock()))
        assert (facts.realized_today, facts.untold_today) == (0, 200)

    within(location, test)


def test_a_fee_that_is_told_later_is_shared_by_all_fills_that_had_none(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await placed(store, 1, Side.BUY, "5", Arm.RL)
        await filled(store, clock, order, "1", "100", "0.5")
        await filled(store, clock, order, "2", "100", None)
        await filled(store, clock, order, "3", "100", None)
        assert (await order_named(store, "rl-1")).fee is None
        await filled(store, clock, order, "5", "100", "2.5")
        assert (await order_named(store, "rl-1")).fee == Decimal("2.5")
        fees = [Decimal(str(fee)) for (fee,) in await rows_of(store, "SELECT fee FROM fills ORDER BY seq")]
        assert fees == [Decimal("0.5"), Decimal("0.5"), Decimal("0.5"), Decimal(1)]
        (profit,) = await store.read(arm_profits("user123"))
        assert (profit.fees, profit.untold_value, profit.fills) == (Decimal("2.5"), 0, 4)

    within(location, test)


def test_a_fee_alone_that_is_told_later_belongs_to_the_day_and_arms_of_its_fill(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await filled(store, clock, await placed(store, 1, Side.BUY, "1", Arm.RL), "1", "100", "0")
        order = await placed(store, 2, Side.SELL, "4", Arm.FALLBACK)
        # It closes what one arm opened, opens for another, and goes on to work.
        await filled(store, clock, order, "3", "100", None)
        clock.go(DAY_S)
        await filled(store, clock, order, "3", "100", "0.3")
        profits = await store.read(arm_profits("user123"))
        assert {(each.arm, each.fees, each.untold_value, each.fills) for each in profits} == {
            (Arm.RL, Decimal("0.1"), 0, 2),
            (Arm.FALLBACK, Decimal("0.2"), 0, 1),
        }
        assert (await store.read(holdings("user123")))[0].position.quantity == -2
        facts = await store.write(lambda connection: read_facts(connection, decided(1), clock()))
        assert (facts.realized_today, facts.untold_today) == (0, 0)
        assert await rows_of(store, "SELECT count(DISTINCT day) FROM profits") == [(1,)]

    within(location, test)


def test_a_fee_that_turns_out_to_be_none_is_known(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await placed(store, 1, Side.BUY, "3", Arm.RL)
        await filled(store, clock, order, "2", "100", None)
        await filled(store, clock, order, "2", "100", "0")
        assert (await order_named(store, "rl-1")).fee == 0
        assert (await store.read(arm_profits("user123")))[0].untold_value == 0

    within(location, test)


def test_a_fee_that_grows_is_booked_without_a_quantity(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        order = await placed(store, 1, Side.BUY, "3", Arm.RL)
        await filled(store, clock, order, "2", "100", "0.1")
        await filled(store, clock, order, "2", "100", "0.2")
        assert (await store.read(holdings("user123")))[0].position.quantity == 2
        assert (await store.read(arm_profits("user123")))[0].fees == Decimal("0.2")

    within(location, test)


def test_todays_profit_is_that_of_this_utc_day_after_fees(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await filled(store, clock, await placed(store, 1, Side.BUY, "3", Arm.RL), "3", "100", "1")
        await filled(store, clock, await placed(store, 2, Side.SELL, "1", Arm.RL), "1", "90", "1")
        clock.go(DAY_S)
        await filled(store, clock, await placed(store, 3, Side.SELL, "1", Arm.RL), "1", "95", "1")
        facts = await store.write(lambda connection: read_facts(connection, decided(1), clock()))
        assert (facts.realized_today, facts.position.quantity) == (Decimal(-6), Decimal(1))
        assert sum(each.realized for each in await store.read(arm_profits("user123"))) == -15

    within(location, test)


def test_the_facts_are_of_the_agents_own_user_and_mode(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await placed(store, 1, Side.BUY, "3", Arm.RL)
        other = replace(AGENT, user_id="other")
        await put_agent(store, other)
        facts = await store.write(lambda connection: read_facts(connection, decided(2, by=other), clock()))
        mine = await store.write(lambda connection: read_facts(connection, decided(3), clock()))
        assert (len(facts.working), len(mine.working)) == (0, 1)
        assert (facts.agent or AGENT).user_id == "other"

    within(location, test)


def test_a_day_is_named_in_utc() -> None:
    assert day_of(START.wall_s) == "2023-11-14"
