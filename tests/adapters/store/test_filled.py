"""The fills of a run's compared users are read back as they were booked, and with what their agents traded."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import insert as insert_into
from sqlalchemy import update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.filled import (
    Filled,
    TradedWith,
    came_at,
    held_now,
    stream_fills,
    traded_with,
    working_orders,
)
from adapters.store.journal_rows import Entry
from adapters.store.order_rows import order_values
from adapters.store.orders import Outcome, settle
from adapters.store.trading_tables import fills, orders
from tests.fakes.advisers import agent
from tests.fakes.exposures import START_S, Exposing, entries
from tests.fakes.jobs import START, HandClock
from tests.fakes.journals import insert
from tests.fakes.market import HOUR_S
from tests.fakes.one_order import one_order
from tests.fakes.stores import running
from trading.agents import ExecutionMode
from trading.boot import Moment
from trading.orders import Order, OrderState, Receipt, Side
from trading.vocabulary import Arm

AMY = Exposing(user_id="amy", arm=Arm.RL, hours=2, target=1.0, price=100.0)
BOB = Exposing(user_id="bob", arm=Arm.FALLBACK, hours=3, target=0.0, price=100.0)
ENTRY_S = START_S + 2 * HOUR_S


def within(
    location: Location, test: Callable[[Store], Awaitable[None]], exposed: Sequence[Exposing] = (AMY, BOB)
) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, entries(exposed))
            await test(store)

    asyncio.run(main())


async def place(
    store: Store, name: str, side: Side = Side.BUY, quantity: str = "1", *, user_id: str = "amy", **changes: object
) -> Order:
    """An order that works at the venue, decided at the entry of amy."""
    made = one_order(side, quantity, **({"market_s": float(ENTRY_S), "created_at_s": float(ENTRY_S)} | changes))
    request = replace(made.request, client_order_id=name, user_id=user_id)
    made = replace(made, request=request, decision_id=name)

    async def work(connection: StoreConnection) -> None:
        await connection.execute(insert_into(orders).values(order_values(made)))

    await store.write(work)
    return made


async def fill(store: Store, order: Order, *, at_s: float, price: str = "100", fee: str | None = "0.1") -> None:
    """All of an order is traded at a wall time (Unix seconds)."""
    receipt = Receipt(
        state=OrderState.FILLED,
        filled_quantity=order.request.quantity,
        average_price=Decimal(price),
        fee=None if fee is None else Decimal(fee),
    )
    moment = Moment(boot=START.boot, monotonic_s=START.monotonic_s, wall_s=at_s)
    await store.write(settle(order, Outcome(state=receipt.state, receipt=receipt), owner="one", now=lambda: moment))


async def came(store: Store, *, speed: float = 1.0, run: int = 1) -> Mapping[str, float]:
    return await store.read(came_at("default", run, speed=speed))


async def read(store: Store, *, page: int = 100, run: int = 1) -> list[Filled]:
    """All pages, none of which is too long."""
    pages = [found async for found in stream_fills(store, await came(store, run=run), page=page)]
    assert all(len(found) <= page for found in pages)
    return [each for found in pages for each in found]


def test_a_fill_says_when_its_order_was_decided_and_what_is_held_after_it(location: Location) -> None:
    async def test(store: Store) -> None:
        await fill(store, await place(store, "a", quantity="0.1"), at_s=ENTRY_S + 1.0)
        await fill(store, await place(store, "b", quantity="0.2", market_s=ENTRY_S + 60.0), at_s=ENTRY_S + 2.0)
        sold = await place(store, "c", Side.SELL, "0.30", market_s=ENTRY_S + 90.0)
        await fill(store, sold, at_s=ENTRY_S + 3.0, price="110.5", fee=None)
        assert await read(store) == [
            Filled("amy", "BTC", ExecutionMode.PAPER, ENTRY_S, ENTRY_S, Decimal("0.1"), Decimal("0.1"), 100.0, 0.1),
            Filled(
                "amy", "BTC", ExecutionMode.PAPER, ENTRY_S, ENTRY_S + 60.0, Decimal("0.2"), Decimal("0.3"), 100.0, 0.1
            ),
            Filled(
                "amy", "BTC", ExecutionMode.PAPER, ENTRY_S, ENTRY_S + 90.0, Decimal("-0.3"), Decimal(0), 110.5, None
            ),
        ]

    within(location, test)


def test_a_reversal_is_two_fills_of_which_the_first_ends_at_nothing(location: Location) -> None:
    async def test(store: Store) -> None:
        await fill(store, await place(store, "a"), at_s=ENTRY_S + 1.0)
        await fill(store, await place(store, "b", Side.SELL, "3"), at_s=ENTRY_S + 2.0)
        assert [(each.bought, each.held) for each in await read(store)] == [(1, 1), (-1, 0), (-2, -2)]

    within(location, test)


@pytest.mark.parametrize("page", [1, 2, 5, 100])
def test_all_fills_come_by_user_symbol_and_mode_in_the_order_they_were_booked(location: Location, page: int) -> None:
    async def test(store: Store) -> None:
        placed = [("bob", "BTC"), ("amy", "ETH"), ("amy", "BTC"), ("bob", "BTC"), ("amy", "BTC"), ("amy", "ETH")]
        for number, (user_id, symbol) in enumerate(placed, 1):
            order = await place(store, str(number), quantity=str(number), user_id=user_id)
            other = replace(order, request=replace(order.request, symbol=symbol))
            await store.write(lambda connection, other=other: _replace(connection, other))
            await fill(store, other, at_s=START_S + 4 * HOUR_S)
        assert [(each.user_id, each.symbol, int(each.bought)) for each in await read(store, page=page)] == [
            ("amy", "BTC", 3),
            ("amy", "BTC", 5),
            ("amy", "ETH", 2),
            ("amy", "ETH", 6),
            ("bob", "BTC", 1),
            ("bob", "BTC", 4),
        ]

    within(location, test)


async def _replace(connection: StoreConnection, order: Order) -> None:
    mine = orders.c.client_order_id == order.request.client_order_id
    await connection.execute(update(orders).where(mine).values(order_values(order)))


def test_fills_of_others_and_of_other_runs_are_left_out(location: Location) -> None:
    outside = replace(AMY, user_id="cyd", propensity=None)

    async def test(store: Store) -> None:
        await fill(store, await place(store, "a", user_id="cyd"), at_s=START_S + 4 * HOUR_S)
        await fill(store, await place(store, "b", user_id="dan"), at_s=START_S + 4 * HOUR_S)
        assert await read(store) == []
        await fill(store, await place(store, "c"), at_s=START_S + 4 * HOUR_S)
        assert await read(store, run=2) == []
        assert len(await read(store)) == 1

    within(location, test, exposed=(AMY, outside))


def test_a_user_came_just_before_the_bar_of_the_entry_closed(location: Location) -> None:
    # An exposure says the last decision on its bar: forty minutes of the market later, or one of a clock forty times as
    # fast.
    (entered,) = entries([AMY])
    assert entered.decision.market is not None
    market = replace(entered.decision.market, now_s=ENTRY_S + 2400.0)
    late = Entry(decision=replace(entered.decision, market=market), decided_at_s=ENTRY_S + 2400.0)

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [late, *entries([BOB, replace(BOB, user_id="cyd", propensity=None)])[0:1]])
            assert await came(store) == {"amy": ENTRY_S - 30.0, "bob": ENTRY_S + HOUR_S - 30.0}
            assert (await came(store, speed=40.0))["amy"] == ENTRY_S + 2340.0 - 30.0
            assert await came(store, run=2) == {}

    asyncio.run(main())


def test_all_that_was_ordered_since_a_user_came_is_read_even_where_the_clock_was_set_back(location: Location) -> None:
    async def test(store: Store) -> None:
        for number, at_s in enumerate((ENTRY_S - 4000.0, ENTRY_S - 3000.0, ENTRY_S + 50.0), 1):
            await fill(store, await place(store, str(number), quantity=str(number)), at_s=at_s)
        assert [(int(each.bought), each.ordered_s) for each in await read(store)] == [(2, ENTRY_S), (3, ENTRY_S)]

    within(location, test)


def test_what_users_hold_now_is_told_by_symbol_and_mode(location: Location) -> None:
    async def test(store: Store) -> None:
        await fill(store, await place(store, "a", quantity="0.3"), at_s=1.0)
        await fill(store, await place(store, "b", Side.SELL, "0.1", user_id="bob", mode=ExecutionMode.LIVE), at_s=2.0)
        await fill(store, await place(store, "c", user_id="dan"), at_s=3.0)
        held = [
            ("amy", "BTC", ExecutionMode.PAPER, Decimal("0.3")),
            ("bob", "BTC", ExecutionMode.LIVE, Decimal("-0.1")),
        ]
        assert await store.read(held_now("default", 1)) == held
        await fill(store, await place(store, "d", Side.SELL, "0.3"), at_s=4.0)
        assert await store.read(held_now("default", 1)) == held[1:]
        assert await store.read(held_now("default", 2)) == []

    within(location, test)


def test_rows_from_before_these_columns_say_that_they_do_not_know(location: Location) -> None:
    async def test(store: Store) -> None:
        await fill(store, await place(store, "a", market_s=None), at_s=ENTRY_S + 1.0)
        await store.write(lambda connection: connection.execute(update(fills).values(held=None, ordered_at=None)))
        assert [(each.ordered_s, each.market_s, each.held) for each in await read(store)] == [
            (ENTRY_S + 1.0, None, None)
        ]

    within(location, test)


def test_a_fee_that_is_told_later_is_that_of_the_fill(location: Location) -> None:
    async def test(store: Store) -> None:
        order = await place(store, "a", quantity="2")
        part = Receipt(state=OrderState.OPEN, filled_quantity=Decimal(1), average_price=Decimal(100), fee=None)
        clock = HandClock()
        await store.write(settle(order, Outcome(state=part.state, receipt=part), owner="one", now=clock))
        await fill(store, order, at_s=START.wall_s, fee="0.4")
        assert [(each.held, each.fee) for each in await read(store)] == [(1, 0.2), (2, 0.2)]

    within(location, test, exposed=[replace(AMY, hours=(START.wall_s - START_S) / HOUR_S - 1)])


def test_orders_that_may_still_be_filled_are_told_with_their_market_time(location: Location) -> None:
    async def test(store: Store) -> None:
        await place(store, "open", user_id="bob", market_s=7.0)
        await place(store, "unknown", state=OrderState.UNKNOWN)
        await place(store, "older", market_s=None)
        await place(store, "others", user_id="dan")
        await place(store, "ended", state=OrderState.CANCELED)
        found = await store.read(working_orders("default", 1))
        assert found == [("amy", "BTC", ENTRY_S, ENTRY_S), ("bob", "BTC", ENTRY_S, 7.0)]

    within(location, test)


PAPER = agent(symbols=("BTC",), capital_usd=300.0)
RICHER = agent(symbols=("BTC",), capital_usd=500.0)
OFF = replace(PAPER, config=replace(PAPER.config, execution=ExecutionMode.OFF))
LIVE = replace(PAPER, config=replace(PAPER.config, execution=ExecutionMode.LIVE))
UNTOLD = replace(LIVE, config=replace(LIVE.config, capital_usd=None))


@pytest.mark.parametrize(
    ("agents", "expected"),
    [
        ([PAPER, PAPER], TradedWith(mode="paper", capital_usd=300.0, changed_s=None)),
        ([OFF, PAPER, OFF, PAPER], TradedWith(mode="paper", capital_usd=300.0, changed_s=None)),
        ([PAPER, PAPER, RICHER, PAPER], TradedWith(mode="paper", capital_usd=300.0, changed_s=ENTRY_S + 2 * HOUR_S)),
        ([None, LIVE, PAPER, RICHER], TradedWith(mode="live", capital_usd=300.0, changed_s=ENTRY_S + 2 * HOUR_S)),
        ([UNTOLD, UNTOLD, LIVE], TradedWith(mode="live", capital_usd=None, changed_s=ENTRY_S + 2 * HOUR_S)),
        ([None, OFF], None),
    ],
)
def test_with_what_a_user_traded_is_that_of_the_first_bar_on_which_an_agent_did(
    location: Location, agents: Sequence[object], expected: TradedWith | None
) -> None:
    before = replace(AMY, hours=1, propensity=None, agent=RICHER)
    exposed = [replace(AMY, hours=2 + hour, agent=each) for hour, each in enumerate(agents)]

    async def test(store: Store) -> None:
        assert (await store.read(traded_with("default", 1))).get("amy") == expected

    within(location, test, exposed=[before, *exposed])
