"""The paper venue: fills at the market's prices, part by part, each order once whoever asks."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.brokers.paper import PaperBroker, PaperTerms, _filled, _receipt
from adapters.store.engine import Location
from adapters.store.paper import PaperOrder
from tests.fakes.market import HOUR_S, FakeMarket, bars_from_closes, flat_bar
from tests.fakes.stores import running
from tests.fakes.waiting import T, run
from trading.errors import NotSent, OutcomeUnknown
from trading.orders import ZERO, LotRules, OrderRequest, OrderState, Receipt, Side

TERMS = PaperTerms(fee_bps=Decimal(10), spread_bps=Decimal(2), participation=Decimal("0.1"))
D = Decimal


def order(number: int = 1, side: Side = Side.BUY, quantity: str = "2", symbol: str = "BTC") -> OrderRequest:
    return OrderRequest(
        client_order_id=f"rl-{number}", user_id="u", symbol=symbol, side=side, quantity=Decimal(quantity)
    )


def market(*closes: float, volume_base: float = 1000.0) -> FakeMarket:
    return FakeMarket({"BTC": bars_from_closes(closes or (100.0, 110.0), volume_base=volume_base)})


def with_broker(
    location: Location, prices: FakeMarket, scenario: Callable[[PaperBroker], Awaitable[T]], terms: PaperTerms = TERMS
) -> T:
    async def main() -> T:
        async with running(location) as store:
            return await scenario(PaperBroker(store, prices, terms))

    return run(main())


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, D("110.011")), (Side.SELL, D("109.989"))])
def test_an_order_fills_at_the_last_close_and_half_the_spread(location: Location, side: Side, price: Decimal) -> None:
    receipt = with_broker(location, market(), lambda broker: broker.place(order(side=side), deadline_s=2.0))
    assert receipt == Receipt(
        state=OrderState.FILLED,
        venue_order_id="rl-1",
        filled_quantity=D(2),
        average_price=price,
        fee=2 * price * D("0.001"),
    )


def test_the_same_id_again_is_answered_from_the_book_and_not_filled_again(location: Location) -> None:
    prices = market()

    async def scenario(broker: PaperBroker) -> list[Receipt]:
        first = await broker.place(order(), deadline_s=2.0)
        prices.put("BTC", bars_from_closes((100.0, 110.0, 500.0)))
        prices.advance(HOUR_S)
        return [first, *await asyncio.gather(*(broker.place(order(quantity="9"), deadline_s=2.0) for _ in range(5)))]

    receipts = with_broker(location, prices, scenario)
    assert receipts == [receipts[0]] * 6
    assert receipts[0].filled_quantity == 2


def test_processes_that_place_the_same_id_at_once_place_one_order(location: Location) -> None:
    async def main() -> list[Receipt]:
        async with running(location) as one, running(location) as two:
            doors = [PaperBroker(store, market(), TERMS) for store in (one, two)]
            tries = [door.place(order(quantity=str(n)), deadline_s=2.0) for n in range(1, 11) for door in doors]
            return list(await asyncio.gather(*tries))

    receipts = run(main())
    assert receipts == [receipts[0]] * 20


def test_what_is_more_than_the_share_of_a_bar_waits_for_the_next_bars(location: Location) -> None:
    prices = market(100.0, 100.0, volume_base=10.0)  # 1 unit less the spread is a tenth of each bar
    terms = PaperTerms(fee_bps=D(0), spread_bps=D(0), participation=D("0.1"))

    async def scenario(broker: PaperBroker) -> list[tuple[OrderState, Decimal, Decimal | None]]:
        receipts = [await broker.place(order(quantity="2.5"), deadline_s=2.0)]
        prices.put("BTC", bars_from_closes((100.0, 100.0, 200.0, 400.0), volume_base=10.0))
        for advance_s in (0, HOUR_S, 0, HOUR_S, 0):
            prices.advance(advance_s)
            found = await broker.find(order(quantity="2.5"), None, deadline_s=2.0)
            assert found is not None
            receipts.append(found)
        return [(receipt.state, receipt.filled_quantity, receipt.average_price) for receipt in receipts]

    opened = (OrderState.OPEN, D(1), D(100))
    second = (OrderState.OPEN, D(2), D(150))
    ended = (OrderState.FILLED, D("2.5"), D(200))
    assert with_broker(location, prices, scenario, terms) == [opened, opened, second, second, ended, ended]


def test_bars_nobody_asked_after_count_each_for_itself(location: Location) -> None:
    prices = market(100.0, 100.0, volume_base=10.0)
    terms = PaperTerms(fee_bps=D(0), spread_bps=D(0), participation=D("0.1"))

    async def scenario(broker: PaperBroker) -> Receipt | None:
        await broker.place(order(quantity="3"), deadline_s=2.0)
        prices.put("BTC", bars_from_closes((100.0, 100.0, 200.0, 300.0), volume_base=10.0))
        prices.advance(2 * HOUR_S)
        return await broker.find(order(quantity="3"), None, deadline_s=2.0)

    found = with_broker(location, prices, scenario, terms)
    assert found is not None
    assert (found.state, found.filled_quantity, found.average_price) == (OrderState.FILLED, D(3), D(200))


def test_the_rest_of_an_order_that_may_not_go_on_is_canceled_and_stays_so(location: Location) -> None:
    prices = market(100.0, 100.0, volume_base=10.0)
    terms = PaperTerms(fee_bps=D(0), spread_bps=D(0), participation=D("0.1"))

    async def main() -> list[tuple[OrderState, Decimal]]:
        allowed = iter((False, True))
        async with running(location) as store:
            broker = PaperBroker(store, prices, terms, goes_on=lambda _: next(allowed))
            await broker.place(order(quantity="3"), deadline_s=2.0)
            prices.put("BTC", bars_from_closes((100.0, 100.0, 200.0, 300.0), volume_base=10.0))
            prices.advance(2 * HOUR_S)
            found = []
            for _ in range(2):
                receipt = await broker.find(order(quantity="3"), None, deadline_s=2.0)
                assert receipt is not None
                found.append((receipt.state, receipt.filled_quantity))
            return found

    assert asyncio.run(main()) == [(OrderState.CANCELED, D(1))] * 2


def test_a_bar_without_trades_fills_nothing(location: Location) -> None:
    prices = market(volume_base=0.0)
    receipt = with_broker(location, prices, lambda broker: broker.place(order(), deadline_s=2.0))
    assert (receipt.state, receipt.filled_quantity, receipt.average_price) == (OrderState.OPEN, ZERO, None)


def test_one_door_finds_what_another_placed(location: Location) -> None:
    async def main() -> tuple[Receipt, Receipt | None]:
        async with running(location) as one, running(location) as two:
            placed = await PaperBroker(one, market(), TERMS).place(order(), deadline_s=2.0)
            return placed, await PaperBroker(two, market(), TERMS).find(order(), None, deadline_s=2.0)

    placed, found = run(main())
    assert found == placed


def test_an_order_said_to_be_absent_cannot_arrive_any_more(location: Location) -> None:
    async def scenario(broker: PaperBroker) -> tuple[Receipt | None, Receipt, Receipt | None]:
        absent = await broker.find(order(), None, deadline_s=2.0)
        late = await broker.place(order(), deadline_s=2.0)
        return absent, late, await broker.find(order(), None, deadline_s=2.0)

    absent, late, again = with_broker(location, market(), scenario)
    assert absent is None
    assert (late.state, late.filled_quantity) == (OrderState.REJECTED, ZERO)
    assert again is None


def too_old() -> FakeMarket:
    prices = market()
    prices.advance(2 * HOUR_S)
    return prices


@pytest.mark.parametrize(
    ("prices", "asked", "reason"),
    [
        (too_old(), order(), "no_price"),
        (market(), order(symbol="NOPE"), "no_price"),
        (FakeMarket({"BTC": ()}), order(), "no_price"),
        (FakeMarket({"BTC": [flat_bar(0)]}, now_s=HOUR_S + 1, ends=True), order(), "no_price"),
        (market(), order(quantity="0"), "quantity"),
        (market(), order(quantity="-1"), "quantity"),
        (market(), order(quantity="1.000000001"), "quantity"),
        (market(), order(quantity="0.09"), "min_notional"),
    ],
)
def test_what_the_venue_does_not_take_is_refused_and_not_booked(
    location: Location, prices: FakeMarket, asked: OrderRequest, reason: str
) -> None:
    async def scenario(broker: PaperBroker) -> tuple[Receipt, Receipt | None]:
        return await broker.place(asked, deadline_s=2.0), await broker.find(asked, None, deadline_s=2.0)

    refused, found = with_broker(location, prices, scenario)
    assert refused == Receipt(state=OrderState.REJECTED, reason=reason)
    assert found is None


def test_an_order_in_the_book_is_answered_although_there_is_no_price_any_more(location: Location) -> None:
    prices = market()

    async def scenario(broker: PaperBroker) -> tuple[Receipt, Receipt]:
        placed = await broker.place(order(), deadline_s=2.0)
        prices.advance(10 * HOUR_S)
        return placed, await broker.place(order(), deadline_s=2.0)

    placed, again = with_broker(location, prices, scenario)
    assert again == placed


def test_rules_are_those_of_the_symbol_or_the_default_and_none_for_what_is_not_traded(location: Location) -> None:
    own = LotRules(lot=D(1), tick=D("0.1"), min_notional=D(5))
    terms = PaperTerms(fee_bps=D(0), spread_bps=D(0), participation=D(1), rules={"ETH": own})
    prices = FakeMarket({"BTC": [flat_bar(0)], "ETH": [flat_bar(0)]})

    async def scenario(broker: PaperBroker) -> list[LotRules | None]:
        return [broker.rules(symbol) for symbol in ("BTC", "ETH", "DOGE")]

    default = LotRules(lot=D("1e-8"), tick=D("0.01"), min_notional=D(10))
    assert with_broker(location, prices, scenario, terms) == [default, own, None]


def test_without_time_nothing_is_sent(location: Location) -> None:
    async def scenario(broker: PaperBroker) -> None:
        with pytest.raises(NotSent):
            await broker.place(order(), deadline_s=0.0)

    with_broker(location, market(), scenario)


def test_a_book_that_does_not_answer_leaves_the_outcome_unknown(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            broker = PaperBroker(store, market(), TERMS)
        with pytest.raises(OutcomeUnknown):
            await broker.place(order(), deadline_s=0.5)
        with pytest.raises(OutcomeUnknown):
            await broker.find(order(), None, deadline_s=0.5)

    run(main())


@given(
    quantity=st.integers(1, 10**12),
    bars=st.lists(st.tuples(st.floats(1e-4, 1e6), st.floats(0, 1e6)), min_size=1, max_size=20),
    side=st.sampled_from(Side),
)
def test_parts_add_up_and_never_exceed_the_order(quantity: int, bars: list[tuple[float, float]], side: Side) -> None:
    lot = D("1e-8")
    paper = PaperOrder(
        client_order_id="rl-1",
        symbol="BTC",
        side=side,
        quantity=quantity * lot,
        filled_quantity=ZERO,
        average_price=None,
        fee=ZERO,
        state=OrderState.OPEN,
        bar_close_s=None,
        placed_at_s=0.0,
    )
    for close, volume in bars:
        before, paper = paper, _filled(paper, flat_bar(0, close, volume), TERMS, lot)
        part = paper.filled_quantity - before.filled_quantity
        assert 0 <= part <= paper.quantity - before.filled_quantity
        assert part % lot == 0
        assert part * D(repr(close)) * D("0.9999") <= D("0.1") * D(repr(volume * close)) * D("1.0002")
        receipt = _receipt(paper)
        assert (receipt.state is OrderState.FILLED) == (receipt.filled_quantity == paper.quantity)
        assert (receipt.average_price is None) == (receipt.filled_quantity == 0)
