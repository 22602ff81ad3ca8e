"""What a person sees of orders, and what a person may say of one that nobody knows about."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.store.engine import Location
from schemas.orders import ResolveRequest
from tests.fakes.brokers import PRICE, FakeBroker, Reply
from tests.fakes.jobs import HandClock
from tests.fakes.orders import Worker, decided, held, order_id, put_agent, states, worker
from tests.fakes.stores import STORES
from trading.errors import IllegalChange, InvalidField, NotFound
from trading.orders import OrderState, WantedOrders
from wiring.order_pages import OrderPages
from wiring.reconciler import LONG_OPEN_S
from wiring.venues import Venues


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def within(
    location: Location,
    reply: Reply,
    test: Callable[[Worker, OrderPages], Awaitable[None]],
    *,
    tells_absence: bool = False,
) -> None:
    """With one order of 3 BTC that was answered so, by a venue that cannot be asked unless it `tells_absence`."""

    async def main() -> None:
        broker = FakeBroker(tells_absence=tells_absence, asks=tells_absence)
        async with worker(location, broker, HandClock()) as made:
            await put_agent(made.store)
            made.broker.replies.append(reply)
            await made.act(decided(1))
            await made.send()
            await test(made, OrderPages(made.store, made.venues, price_of=lambda _: PRICE + 10, now=made.clock))

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


@pytest.mark.parametrize(
    ("told", "fee", "net"), [({}, None, None), ({"fee": "0.4"}, "0.4", "-0.4"), ({"fee": "0"}, "0", "0")]
)
def test_a_fee_that_nobody_told_is_null_and_so_is_what_is_left(
    location: Location, told: dict[str, str], fee: str | None, net: str | None
) -> None:
    async def test(_: Worker, pages: OrderPages) -> None:
        assert (await pages.order(order_id(1)))["fee"] == "0"
        figures = {"filled_quantity": "3", "average_price": "101"}
        after = await pages.resolve(order_id(1), said("filled", **figures, **told))
        assert after["fee"] == fee
        (profit,) = (await pages.positions("user123"))["profits"]
        assert (profit["realized"], profit["fees"], profit["net"], profit["fills"]) == ("0", fee, net, 1)

    within(location, Reply.LOST_AFTER, test)


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
        made.clock.go(LONG_OPEN_S)
        with pytest.raises(IllegalChange) as early:
            await pages.resolve(order_id(1), said("canceled"))
        assert early.value.state == "open"
        made.clock.go(0.1)
        await made.reconcile()
        assert made.reconciler.unresolved.needs_operator == 1
        await pages.resolve(order_id(1), said("canceled"))
        assert await states(made.store) == ["canceled"]
        bought = await made.act(decided(2))
        assert bought.client_order_id == order_id(2)

    within(location, Reply.OPEN, test)


def test_an_open_order_of_a_venue_that_is_gone_is_for_a_person(location: Location) -> None:
    async def test(made: Worker, _: OrderPages) -> None:
        made.clock.go(LONG_OPEN_S + 0.1)
        none = Venues({}, lambda _: True)
        pages = OrderPages(made.store, none, price_of=lambda _: PRICE, now=made.clock)
        assert (await pages.resolve(order_id(1), said("canceled")))["state"] == "canceled"

    within(location, Reply.OPEN, test, tells_absence=True)


def test_a_person_ends_no_open_order_of_a_venue_that_is_asked_about_it(location: Location) -> None:
    async def test(made: Worker, pages: OrderPages) -> None:
        made.clock.go(10 * LONG_OPEN_S)
        with pytest.raises(IllegalChange) as refused:
            await pages.resolve(order_id(1), said("filled", filled_quantity="3", average_price="101"))
        assert refused.value.state == "open"
        made.broker.fill(order_id(1), Decimal(3), state=OrderState.FILLED)
        # A round that a busy store ended too late is followed by the next.
        rounds = 0
        while await states(made.store) == ["open"] and rounds < 5:
            await made.reconcile()
            rounds += 1
        assert await states(made.store) == ["filled"]
        assert await held(made.store) == 3

    within(location, Reply.OPEN, test, tells_absence=True)


def test_a_person_ends_an_unknown_order_of_any_venue(location: Location) -> None:
    async def test(_: Worker, pages: OrderPages) -> None:
        assert (await pages.resolve(order_id(1), said("not_placed")))["state"] == "not_placed"

    within(location, Reply.LOST_BEFORE, test, tells_absence=True)
