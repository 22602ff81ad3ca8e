"""The paper venue's book: an order is found again as it was, and changed only by what sees it as it is."""

import asyncio
from dataclasses import replace
from decimal import Decimal

from adapters.store.engine import Location
from adapters.store.paper import PaperOrder, change_order, find_order
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.orders import ZERO, OrderState, Side

ORDER = PaperOrder(
    client_order_id="rl-1",
    symbol="BTC",
    side=Side.SELL,
    quantity=Decimal("0.12345678"),
    filled_quantity=Decimal("0.1"),
    average_price=Decimal("60000.123456789012345678"),
    fee=Decimal("6.0000123457"),
    state=OrderState.OPEN,
    bar_close_s=1_700_000_000,
    placed_at_s=1_700_000_000.25,
)


def test_an_order_is_found_again_digit_by_digit(location: Location) -> None:
    unfilled = replace(
        ORDER, client_order_id="rl-2", filled_quantity=ZERO, average_price=None, fee=ZERO, bar_close_s=None
    )

    async def scenario() -> list[PaperOrder | None]:
        async with running(location) as store:
            for order in (ORDER, unfilled):
                await store.write(change_order(order.client_order_id, lambda _, order=order: order))
            return [await store.read(find_order(each)) for each in ("rl-1", "rl-2", "rl-3")]

    assert run(scenario()) == [ORDER, unfilled, None]


def test_changes_from_several_processes_see_each_other(location: Location) -> None:
    def one_more(known: PaperOrder | None) -> PaperOrder:
        assert known is not None
        return replace(known, filled_quantity=known.filled_quantity + 1)

    async def scenario() -> PaperOrder | None:
        async with running(location) as one, running(location) as two:
            await one.write(change_order("rl-1", lambda _: replace(ORDER, filled_quantity=ZERO)))
            changes = [store.write(change_order("rl-1", one_more)) for _ in range(10) for store in (one, two)]
            await asyncio.gather(*changes)
            return await one.read(find_order("rl-1"))

    found = run(scenario())
    assert found is not None
    assert found.filled_quantity == 20


def test_a_change_to_nothing_writes_nothing(location: Location) -> None:
    async def scenario() -> list[PaperOrder | None]:
        async with running(location) as store:
            return [await store.write(change_order("rl-1", lambda known: known)), await store.read(find_order("rl-1"))]

    assert run(scenario()) == [None, None]
