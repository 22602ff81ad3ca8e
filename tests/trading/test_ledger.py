"""Positions and profit from fills: to the last digit, whatever the fills."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes.one_order import one_order
from trading.errors import OutcomeUnknown
from trading.ledger import EXACT, FLAT, Booking, Fill, Position, apply_fill, fee_after, new_fill, share_fee, unrealized
from trading.orders import Order, OrderState, Receipt, Side
from trading.vocabulary import Arm

NOON_S = 1_700_000_000.0


def fill(
    side: Side, quantity: str, price: str, *, fee: str | None = "0", arm: Arm = Arm.RL, at_s: float = NOON_S
) -> Fill:
    told = None if fee is None else Decimal(fee)
    return Fill(side=side, quantity=Decimal(quantity), price=Decimal(price), fee=told, arm=arm, at_s=at_s)


def booked(*fills: Fill) -> list[Booking]:
    position, bookings = FLAT, []
    for each in fills:
        bookings += apply_fill(position, each)
        position = bookings[-1].position
    return bookings


def test_the_cost_of_a_position_is_the_average_of_what_was_paid() -> None:
    *_, last = booked(fill(Side.BUY, "1", "100"), fill(Side.BUY, "3", "120"))

    assert (last.position.quantity, last.position.average_cost, last.realized) == (4, 115, 0)


def test_closing_a_part_realises_against_the_average_and_leaves_it() -> None:
    *_, last = booked(fill(Side.BUY, "4", "115"), fill(Side.SELL, "1", "125", fee="0.125"))

    assert last.realized == 10
    assert (last.position.quantity, last.position.average_cost) == (3, 115)


def test_a_short_position_earns_when_the_price_falls() -> None:
    *_, last = booked(fill(Side.SELL, "2", "100"), fill(Side.BUY, "2", "90"))

    assert (last.realized, last.position) == (20, FLAT)


def test_profit_and_fees_are_of_the_arm_that_opened() -> None:
    bookings = booked(
        fill(Side.BUY, "1", "100", arm=Arm.RL),
        fill(Side.BUY, "1", "110", fee="1", arm=Arm.FALLBACK),
        fill(Side.SELL, "2", "120", fee="2", arm=Arm.FALLBACK),
    )

    assert [(each.arm, each.fee) for each in bookings] == [(Arm.RL, 0), (Arm.RL, 1), (Arm.RL, 2)]
    assert bookings[1].position.arm is Arm.RL


def test_a_position_that_was_closed_is_the_next_openers() -> None:
    *_, last = booked(
        fill(Side.BUY, "1", "100", arm=Arm.RL),
        fill(Side.SELL, "1", "100", arm=Arm.RL),
        fill(Side.BUY, "2", "90", arm=Arm.FALLBACK, at_s=NOON_S + 60.0),
    )

    assert last.position == Position(
        quantity=Decimal(2), average_cost=Decimal(90), arm=Arm.FALLBACK, opened_at_s=NOON_S + 60.0
    )


def test_a_fill_that_crosses_zero_closes_for_one_arm_and_opens_for_the_other() -> None:
    _, closing, opening = booked(
        fill(Side.BUY, "1", "100", arm=Arm.RL),
        fill(Side.SELL, "4", "110", fee="4", arm=Arm.FALLBACK, at_s=NOON_S + 60.0),
    )

    assert (closing.quantity, closing.fee, closing.realized, closing.arm) == (1, 1, 10, Arm.RL)
    assert (opening.quantity, opening.fee, opening.realized, opening.arm) == (3, 3, 0, Arm.FALLBACK)
    assert (opening.position.quantity, opening.position.average_cost) == (-3, 110)
    assert (opening.position.arm, opening.position.opened_at_s) == (Arm.FALLBACK, NOON_S + 60.0)


def test_a_fee_that_nobody_told_is_unknown_on_both_sides_of_zero() -> None:
    bookings = booked(fill(Side.BUY, "1", "100", fee="1"), fill(Side.SELL, "4", "110", fee=None))

    assert [each.fee for each in bookings] == [1, None, None]


def test_a_fee_told_later_is_the_openers_and_moves_nothing() -> None:
    opened, later = booked(
        fill(Side.BUY, "1", "100", arm=Arm.RL), fill(Side.BUY, "0", "100", fee="0.5", arm=Arm.FALLBACK)
    )

    assert later.position == opened.position
    assert (later.fee, later.realized, later.arm) == (Decimal("0.5"), 0, Arm.RL)


def test_an_open_position_is_worth_its_distance_from_the_average() -> None:
    *_, last = booked(fill(Side.BUY, "1", "100"), fill(Side.BUY, "3", "120"))

    assert unrealized(last.position, Decimal(110)) == -20


AMOUNTS = st.decimals(min_value="0.00000001", max_value="1e9", places=8)
FILLS = st.builds(
    Fill,
    side=st.sampled_from(Side),
    quantity=AMOUNTS,
    price=AMOUNTS,
    fee=st.decimals(min_value=0, max_value="1e6", places=8),
    arm=st.sampled_from([Arm.RL, Arm.FALLBACK]),
    at_s=st.just(NOON_S),
)


@given(fills=st.lists(FILLS, min_size=1, max_size=12), price=AMOUNTS)
def test_what_is_realised_and_open_less_fees_is_what_the_cash_says(fills: list[Fill], price: Decimal) -> None:
    bookings = booked(*fills)
    ours = sum(Fraction(each.realized) - told(each.fee) for each in bookings)

    cash = sum(-each.side.sign * Fraction(each.quantity) * Fraction(each.price) - told(each.fee) for each in fills)
    held = sum(each.side.sign * Fraction(each.quantity) for each in fills)
    assert ours + Fraction(unrealized(bookings[-1].position, price)) == cash + held * Fraction(price)
    assert Fraction(bookings[-1].position.quantity) == held


@given(fills=st.lists(FILLS, min_size=1, max_size=12))
def test_each_arm_has_what_it_opened(fills: list[Fill]) -> None:
    bookings = booked(*fills)

    for arm in (Arm.RL, Arm.FALLBACK):
        ours = sum(Fraction(each.realized) for each in bookings if each.arm is arm)
        # What rounding an average leaves over is realised at once, by as much as the position is large.
        assert abs(ours - earned(fills)[arm]) <= Fraction(1, 10**6)


def told(fee: Decimal | None) -> Fraction:
    assert fee is not None
    return Fraction(fee)


def earned(fills: list[Fill]) -> dict[Arm, Fraction]:
    """The profit of each arm before fees, unit by unit of an account kept in fractions."""
    held, cost, opener = Fraction(0), Fraction(0), Arm.RL
    profit = {Arm.RL: Fraction(0), Arm.FALLBACK: Fraction(0)}
    for each in fills:
        left, price = each.side.sign * Fraction(each.quantity), Fraction(each.price)
        if held * left < 0:
            closed = max(min(-left, held), Fraction(0)) if held > 0 else min(max(-left, held), Fraction(0))
            profit[opener] += closed * price - cost * closed / held
            cost -= cost * closed / held
            held -= closed
            left += closed
        if left:
            opener = each.arm if held == 0 else opener
            held, cost = held + left, cost + left * price
    return profit


def partly_filled(quantity: str = "1", price: str = "100", fee: str = "0.1") -> Order:
    filled = Decimal(quantity)
    told_fee = Decimal(fee)
    return replace(one_order(), filled_quantity=filled, average_price=Decimal(price), fee=told_fee, told_fee=told_fee)


UNTOLD = replace(partly_filled(fee="0"), fee=None)


def receipt(quantity: str, price: str | None, fee: str | None = None) -> Receipt:
    return Receipt(
        state=OrderState.OPEN,
        filled_quantity=Decimal(quantity),
        average_price=None if price is None else Decimal(price),
        fee=None if fee is None else Decimal(fee),
    )


def test_the_first_receipt_is_a_fill_as_a_whole() -> None:
    assert new_fill(one_order(), receipt("1", "100", "0.1"), at_s=NOON_S) == fill(Side.BUY, "1", "100", fee="0.1")


def test_the_next_receipt_is_a_fill_of_what_it_adds() -> None:
    # 1 at 100 and 2 more at 130 are 3 at 120.
    assert new_fill(partly_filled(), receipt("3", "120", "0.36"), at_s=NOON_S) == fill(Side.BUY, "2", "130", fee="0.26")


def test_the_same_receipt_again_is_no_fill() -> None:
    assert new_fill(partly_filled(), receipt("1", "100", "0.1"), at_s=NOON_S) is None


def test_a_fee_that_is_not_told_is_unknown_and_takes_none_back() -> None:
    assert new_fill(partly_filled(), receipt("2", "100"), at_s=NOON_S) == fill(Side.BUY, "1", "100", fee=None)
    assert new_fill(UNTOLD, receipt("1", "100"), at_s=NOON_S) is None


def test_what_was_told_of_a_part_is_not_told_again_with_the_whole() -> None:
    part_told = replace(partly_filled("2"), fee=None)

    assert new_fill(part_told, receipt("3", "100", "0.3"), at_s=NOON_S) == fill(Side.BUY, "1", "100", fee="0.2")
    with pytest.raises(OutcomeUnknown):
        new_fill(part_told, receipt("3", "100", "0.05"), at_s=NOON_S)


@pytest.mark.parametrize(
    ("order", "said", "fee"),
    [
        pytest.param(one_order(), receipt("0", None), "0", id="nothing filled costs nothing"),
        pytest.param(one_order(), receipt("1", "100"), None, id="never told"),
        pytest.param(partly_filled(), receipt("2", "100"), None, id="told of a part"),
        pytest.param(partly_filled(), receipt("1", "100"), "0.1", id="nothing new"),
        pytest.param(UNTOLD, receipt("1", "100"), None, id="still not told"),
        pytest.param(UNTOLD, receipt("1", "100", "0.1"), "0.1", id="told later"),
    ],
)
def test_the_fee_of_an_order_is_that_of_all_its_fills_or_unknown(order: Order, said: Receipt, fee: str | None) -> None:
    assert fee_after(order, said) == (None if fee is None else Decimal(fee))


def test_a_fee_that_is_told_later_is_a_fill_of_nothing() -> None:
    assert new_fill(partly_filled(fee="0"), receipt("1", "100", "0.1"), at_s=NOON_S) == fill(
        Side.BUY, "0", "100", fee="0.1"
    )
    # Also where it turns out to be none: that is known then.
    assert new_fill(UNTOLD, receipt("1", "100", "0"), at_s=NOON_S) == fill(Side.BUY, "0", "100", fee="0")


@given(fee=st.decimals(min_value=0, max_value="1e6", places=8), values=st.lists(AMOUNTS, min_size=1, max_size=6))
def test_a_fee_is_shared_by_value_to_the_last_digit(fee: Decimal, values: list[Decimal]) -> None:
    shares = share_fee(fee, [*values, Decimal(0)])

    assert sum(Fraction(each) for each in shares) == Fraction(fee)
    assert shares[-1] == 0
    for share, value in zip(shares, values, strict=False):
        meant = Fraction(fee) * Fraction(value) / sum(Fraction(each) for each in values)
        assert abs(Fraction(share) - meant) <= Fraction(len(values), 10**18)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(receipt("0.5", "100", "0.1"), id="less than before"),
        pytest.param(receipt("1", "100", "0.05"), id="a smaller fee"),
        pytest.param(receipt("3.1", "100", "0.3"), id="more than ordered"),
        pytest.param(receipt("2", None, "0.2"), id="no price"),
        pytest.param(receipt("2", "50", "0.2"), id="the rest for nothing"),
    ],
)
def test_a_receipt_that_cannot_be_right_is_no_answer(wrong: Receipt) -> None:
    with pytest.raises(OutcomeUnknown):
        new_fill(partly_filled(), wrong, at_s=NOON_S)


CUMULATIVE = st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=6)


@given(parts=CUMULATIVE)
@example(parts=[(Decimal(1_000_000), Decimal("1000000.00000001")), (Decimal("1e-8"), Decimal("1e-8"))])
def test_the_fills_of_an_order_add_up_to_its_last_receipt(parts: list[tuple[Decimal, Decimal]]) -> None:
    total = sum((quantity for quantity, _ in parts), Decimal(0))
    order, fills, value, quantity = one_order(quantity=str(total)), [], Fraction(0), Fraction(0)
    for more, price in parts:
        quantity, value = quantity + Fraction(more), value + Fraction(more) * Fraction(price)
        filled = Decimal(quantity.numerator) / Decimal(quantity.denominator)
        # With 28 digits the average says nothing of a millionth of a millionth that was bought beside a million.
        average = EXACT.divide(Decimal((value / quantity).numerator), Decimal((value / quantity).denominator))
        told = Receipt(state=OrderState.OPEN, filled_quantity=filled, average_price=average)
        made = new_fill(order, told, at_s=NOON_S)
        assert made is not None
        fills.append(made)
        order = replace(order, filled_quantity=filled, average_price=average)

    assert sum(Fraction(each.quantity) for each in fills) == Fraction(order.filled_quantity)
    paid = sum(Fraction(each.quantity) * Fraction(each.price) for each in fills)
    assert abs(paid - value) <= value / 10**12
