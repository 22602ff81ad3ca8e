"""Orders are found by either id, and listed newest first without a gap, on each database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sqlalchemy import insert

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.order_lists import count_states, find_order, in_flight, list_orders
from adapters.store.order_rows import note_event, order_values
from adapters.store.trading_tables import orders
from tests.fakes.one_order import one_order
from tests.fakes.stores import running
from trading.orders import OrderState, WantedOrders

ALL = WantedOrders()


async def put(store: Store, number: int, user_id: str, state: OrderState, created_at_s: float) -> None:
    made = one_order(decision_id=f"d{number}", state=state, created_at_s=created_at_s)
    made = replace(made, request=replace(made.request, client_order_id=f"rl-{number}", user_id=user_id))

    async def work(connection: StoreConnection) -> None:
        await connection.execute(insert(orders).values(order_values(made)))
        await note_event(connection, f"rl-{number}", state, created_at_s, by="test")

    await store.write(work)


def within(location: Location, test: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as store:
            # 2 and 3 were made at the same moment.
            await put(store, 1, "ann", OrderState.FILLED, 1.0)
            await put(store, 2, "bob", OrderState.UNKNOWN, 2.0)
            await put(store, 3, "ann", OrderState.SENDING, 2.0)
            await put(store, 4, "ann", OrderState.NEW, 4.0)
            await test(store)

    asyncio.run(main())


async def named(store: Store, wanted: WantedOrders = ALL, before: str | None = None, limit: int = 9) -> list[str]:
    found = await store.read(list_orders(wanted, before=before, limit=limit))
    return [order.request.client_order_id for order in found]


def test_pages_are_newest_first_and_have_every_order_once(location: Location) -> None:
    async def test(store: Store) -> None:
        assert await named(store, limit=2) == ["rl-4", "rl-3"]
        assert await named(store, limit=2, before="rl-3") == ["rl-2", "rl-1"]
        assert await named(store, before="rl-1") == []
        assert await named(store, before="unheard of") == []

    within(location, test)


def test_a_page_has_only_the_orders_that_were_asked_for(location: Location) -> None:
    async def test(store: Store) -> None:
        assert await named(store, WantedOrders(user_id="ann")) == ["rl-4", "rl-3", "rl-1"]
        assert await named(store, WantedOrders(state=OrderState.FILLED)) == ["rl-1"]
        assert await named(store, WantedOrders(state=OrderState.UNKNOWN, user_id="ann")) == []
        assert await named(store, WantedOrders(symbol="ETH")) == []

    within(location, test)


def test_an_order_is_found_by_its_id_and_by_its_decisions_with_its_history(location: Location) -> None:
    async def test(store: Store) -> None:
        by_id, by_decision = await store.read(find_order("rl-2")), await store.read(find_order("d2"))
        assert by_id is not None
        assert by_id == by_decision
        assert [(event.state, event.detail) for event in by_id[1]] == [("unknown", {"by": "test"})]
        assert await store.read(find_order("rl-9")) is None

    within(location, test)


def test_in_flight_is_what_may_be_at_the_venue_without_an_answer(location: Location) -> None:
    async def test(store: Store) -> None:
        async def flying(user_id: str | None) -> list[str]:
            return sorted(await store.read(lambda connection: in_flight(connection, user_id)))

        assert await flying(None) == ["rl-2", "rl-3"]
        assert await flying("ann") == ["rl-3"]

    within(location, test)


def test_states_that_work_are_counted_and_those_without_an_order_are_zero(location: Location) -> None:
    async def test(store: Store) -> None:
        assert await store.read(count_states()) == {"new": 1, "sending": 1, "open": 0, "unknown": 1}

    within(location, test)
