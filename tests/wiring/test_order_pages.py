"""What a person sees of orders, and what a person may say of one that nobody knows about."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.store.engine import Location
from schemas import ResolveRequest
from tests.fakes.brokers import PRICE, FakeBroker, Reply
from tests.fakes.jobs import HandClock
from tests.fakes.orders import Worker, decided, order_id, put_agent, states, worker
from tests.fakes.stores import STORES
from trading.errors import IllegalChange, InvalidField, NotFound
from trading.orders import WantedOrders
from wiring.order_pages import OrderPages


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def within(location: Location, reply: Reply, test: Callable[[Worker, OrderPages], Awaitable[None]]) -> None:
    """With one order of 3 BTC that was answered so."""

    async def main() -> None:
        async with worker(location, FakeBroker(tells_absence=False, asks=False), HandClock()) as made:
            await put_agent(made.store)
            made.broker.replies.append(reply)
            await made.act(decided(1))
            await made.send()
            await test(made, OrderPages(made.store, price_of=lambda _: PRICE + 10, now=made.clock))

    asyncio.run(main())


def said(outcome: str, **fields: str) -> ResolveRequest:
    return ResolveRequest.model_validate({"outcome": outcome, "by": "ann", **fields})


def test_an_order_is_shown_by_either_id_with_its_history(location: Location) -> None:
    async def test(_: Worker, pages: OrderPages) -> None:
        shown = await pages.order(f"{1:032x}")
        assert shown == await pages.order(order_id(1))
        assert (shown["state"], shown["quantity"], shown["filled_quantity"]) == ("filled", "3", "3")
        assert [event["state"] for event in shown["events"]] == ["new", "sending", "filled"]
        with pytest.raises(NotFound):
            await pages.order(order_id(2))

    within(location, Reply.FILL, test)


def test_a_page_says_whether_there_is_another(location: Location) -> None:
    async def test(made: Worker, pages: OrderPages) -> None:
        await made.act(decided(2, target=0.0))
        first = await pages.orders(WantedOrders(), before=None, limit=1)
        assert first["next"] is not None
        last = await pages.orders(WantedOrders(), before=str(first["next"]), limit=1)
        assert last["next"] is None

    within(location, Reply.FILL, test)


def test_a_position_is_shown_with_what_it_would_earn(location: Location) -> None:
    async def test(_: Worker, pages: OrderPages) -> None:
        shown = await pages.positions("user123")
        assert [(each["quantity"], each["average_cost"], each["unrealized"]) for each in shown["positions"]] == [
            ("3", "100", "30")
        ]
        assert (await pages.positions("nobody"))["positions"] == []

    within(location, Reply.FILL, test)


def test_a_person_says_how_far_an_unknown_order_was_filled(location: Location) -> None:
    async def test(made: Worker, pages: OrderPages) -> None:
        with pytest.raises(InvalidField):
            await pages.resolve(order_id(1), said("filled", filled_quantity="2", average_price="101"))
        with pytest.raises(InvalidField):
            await pages.resolve(order_id(1), said("canceled", filled_quantity="3.5", average_price="101"))
        after = await pages.resolve(
            order_id(1), said("canceled", filled_quantity="2", average_price="101", note="seen")
        )
        assert (after["state"], after["filled_quantity"], after["reason"]) == ("canceled", "2", "resolved by ann: seen")
        assert (await pages.positions("user123"))["positions"][0]["quantity"] == "2"
        with pytest.raises(IllegalChange):
            await pages.resolve(order_id(1), said("not_placed"))

    within(location, Reply.LOST_AFTER, test)


def test_a_person_ends_an_order_that_stays_open_where_nobody_can_be_asked(location: Location) -> None:
    async def test(made: Worker, pages: OrderPages) -> None:
        await pages.resolve(order_id(1), said("canceled"))
        assert await states(made.store) == ["canceled"]
        bought = await made.act(decided(2))
        assert bought.client_order_id == order_id(2)

    within(location, Reply.OPEN, test)
