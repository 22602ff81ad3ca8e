"""From a target exposure to an order of so many lots, or to the reason for none."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.advisers import config
from tests.fakes.one_order import one_order
from trading.agents import ExecutionMode
from trading.orders import LotRules, Order, Side
from trading.sizing import Sized, Sizing, allotted_usd, exposure_of, size
from trading.vocabulary import BlockReason

RULES = LotRules(lot=Decimal("0.01"), tick=Decimal("0.01"), min_notional=Decimal(10))
# All of 1,000 at a price of 100 are 10 units.
FLAT_AT_100 = Sizing(
    target_exposure=0.5,
    capital=Decimal(1000),
    price=Decimal(100),
    held=Decimal(0),
    working=(),
    rules=RULES,
    dead_band=Decimal("0.02"),
)


def sized(side: Side, quantity: str, notional: str) -> Sized:
    return Sized(side=side, quantity=Decimal(quantity), notional=Decimal(notional), reduces=side is Side.SELL)


def filled(order: Order, quantity: str) -> Order:
    return replace(order, filled_quantity=Decimal(quantity))


def test_from_flat_a_target_is_bought() -> None:
    assert size(FLAT_AT_100) == sized(Side.BUY, "5", "500")


def test_a_lower_target_sells_the_difference() -> None:
    assert size(replace(FLAT_AT_100, held=Decimal(8))) == sized(Side.SELL, "3", "300")


@pytest.mark.parametrize(("held", "side"), [("0", Side.BUY), ("10", Side.SELL)])
def test_an_order_is_rounded_down_to_the_lot(held: str, side: Side) -> None:
    # 5.0505.. units are the target; 5.05 to buy, or 4.9494.. to sell: 4.94.
    quantity = {Side.BUY: Decimal("5.05"), Side.SELL: Decimal("4.94")}[side]

    order = size(replace(FLAT_AT_100, price=Decimal(99), held=Decimal(held)))

    assert isinstance(order, Sized)
    assert (order.side, order.quantity) == (side, quantity)


@pytest.mark.parametrize(("exposure", "expected"), [(0.01, sized(Side.BUY, "0.1", "10")), (0.0099, "below_minimum")])
def test_an_order_below_the_minimum_is_none(exposure: float, expected: Sized | str) -> None:
    assert size(replace(FLAT_AT_100, target_exposure=exposure, dead_band=Decimal(0))) == expected


def test_what_rounds_to_nothing_is_below_the_minimum_of_a_venue_without_one() -> None:
    rules = replace(RULES, min_notional=Decimal(0), lot=Decimal(6))

    assert size(replace(FLAT_AT_100, rules=rules)) is BlockReason.BELOW_MINIMUM


@pytest.mark.parametrize(("held", "expected"), [("4.81", "dead_band"), ("4.8", sized(Side.BUY, "0.2", "20"))])
def test_a_change_smaller_than_the_dead_band_is_no_order(held: str, expected: Sized | str) -> None:
    assert size(replace(FLAT_AT_100, held=Decimal(held))) == expected


def test_no_change_is_no_order_even_without_a_dead_band() -> None:
    assert size(replace(FLAT_AT_100, held=Decimal(5), dead_band=Decimal(0))) is BlockReason.DEAD_BAND
    assert size(replace(FLAT_AT_100, target_exposure=0.0)) is BlockReason.DEAD_BAND


def test_no_dead_band_keeps_anybody_from_going_flat() -> None:
    assert size(replace(FLAT_AT_100, target_exposure=0.0, held=Decimal("0.15"))) == sized(Side.SELL, "0.15", "15")


def test_going_flat_sells_exactly_what_is_held_at_any_price() -> None:
    order = size(replace(FLAT_AT_100, target_exposure=0.0, held=Decimal("3.33"), price=Decimal("0.77") * 13))

    assert isinstance(order, Sized)
    assert (order.side, order.quantity) == (Side.SELL, Decimal("3.33"))


def test_what_works_counts_as_if_it_were_filled() -> None:
    bought = [filled(one_order(Side.BUY, "6"), "4")]  # 2 of it are still to come

    assert size(replace(FLAT_AT_100, held=Decimal(3), working=bought)) is BlockReason.DEAD_BAND
    assert size(replace(FLAT_AT_100, held=Decimal(8), working=[one_order(Side.SELL, "1")])) == sized(
        Side.SELL, "2", "200"
    )


def test_nothing_is_bought_while_a_purchase_works() -> None:
    assert size(replace(FLAT_AT_100, working=[one_order(Side.BUY, "1")])) is BlockReason.IN_PROGRESS


def test_nothing_is_bought_against_a_sale_that_may_never_leave() -> None:
    # Of the 10 that the target is, 8 are held and 8 being sold: 8 bought now would be 16 should the sale expire.
    selling = replace(FLAT_AT_100, held=Decimal(8), working=[one_order(Side.SELL, "8")])
    assert size(selling) is BlockReason.IN_PROGRESS


def test_a_position_is_reduced_while_a_purchase_works_but_never_by_more_than_is_held() -> None:
    order = size(
        replace(FLAT_AT_100, target_exposure=0.0, held=Decimal(2), working=[one_order(Side.BUY, "5")]),
    )

    assert order == sized(Side.SELL, "2", "200")


def test_without_a_price_or_a_listing_there_is_no_order() -> None:
    assert size(replace(FLAT_AT_100, price=None)) is BlockReason.NO_PRICE
    assert size(replace(FLAT_AT_100, rules=None)) is BlockReason.VENUE_SYMBOL


AMOUNTS = st.decimals(min_value="0.00001", max_value="1e7", places=5)
WORKING = st.lists(
    st.builds(one_order, st.sampled_from(Side), AMOUNTS.map(str)),
    max_size=3,
)


@given(
    exposure=st.floats(0.0, 1.0),
    price=AMOUNTS,
    held=st.decimals(min_value=0, max_value="1e7", places=5),
    working=WORKING,
    lot=st.sampled_from(["1", "0.1", "0.003", "0.00001"]),
)
def test_no_order_goes_beyond_its_target_or_sells_what_is_not_there(
    exposure: float, price: Decimal, held: Decimal, working: Sequence[Order], lot: str
) -> None:
    rules = replace(RULES, lot=Decimal(lot))
    sizing = replace(FLAT_AT_100, target_exposure=exposure, price=price, held=held, working=working, rules=rules)
    order = size(sizing)
    if isinstance(order, BlockReason):
        return

    expected = Fraction(held) + sum(each.request.side.sign * Fraction(each.request.quantity) for each in working)
    target = Fraction(repr(exposure)) * 1000 / Fraction(price)
    after = expected + order.side.sign * Fraction(order.quantity)
    assert (expected < after <= target) if order.side is Side.BUY else (target <= after < expected)
    sold = sum(Fraction(each.request.quantity) for each in working if each.request.side is Side.SELL)
    assert order.side is Side.BUY or sold + Fraction(order.quantity) <= Fraction(held)
    assert Fraction(order.quantity) % Fraction(lot) == 0
    assert order.notional == order.quantity * price >= RULES.min_notional


def test_a_position_is_known_as_a_share_of_its_capital() -> None:
    assert exposure_of(Decimal("2.5"), Decimal(100), Decimal(1000)) == 0.25


@pytest.mark.parametrize(
    ("execution", "capital_usd", "allotted"),
    [
        (ExecutionMode.LIVE, 250.5, 250.5),
        (ExecutionMode.PAPER, 250.5, 250.5),
        (ExecutionMode.PAPER, None, 10_000.0),
        (ExecutionMode.LIVE, None, None),
    ],
)
def test_only_a_live_agent_without_a_capital_has_none(
    execution: ExecutionMode, capital_usd: float | None, allotted: float | None
) -> None:
    assert allotted_usd(config(execution=execution, capital_usd=capital_usd)) == allotted
