"""Receipts: only what proves something is said; the rest is an unknown outcome."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.brokers.binance_lots import BINANCE_LOTS
from adapters.brokers.receipts import json_quantity, receipt, refused
from adapters.symbols import COINS
from trading.errors import OutcomeUnknown, UpstreamRefused
from trading.orders import ZERO, OrderRequest, OrderState, Receipt, Side

D = Decimal


def order(quantity: str = "2") -> OrderRequest:
    return OrderRequest(client_order_id="rl-1", user_id="u", symbol="BTC", side=Side.BUY, quantity=D(quantity))


def told(status: str | None, filled: Decimal | None = None, price: Decimal | None = None) -> Receipt:
    return receipt(order(), status=status, venue_order_id="7", filled=filled, price=price)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (("pending", None, None), (OrderState.OPEN, ZERO, None)),
        (("PARTIALLY_FILLED", D(1), D(100)), (OrderState.OPEN, D(1), D(100))),
        (("filled", D(2), D(100)), (OrderState.FILLED, D(2), D(100))),
        (("FILLED", None, D(100)), (OrderState.FILLED, D(2), D(100))),
        (("canceled", D(1), D(100)), (OrderState.CANCELED, D(1), D(100))),
        (("cancelled", None, None), (OrderState.CANCELED, ZERO, None)),
        (("expired", ZERO, ZERO), (OrderState.CANCELED, ZERO, None)),
        (("rejected", None, None), (OrderState.REJECTED, ZERO, None)),
        (("filled", D("2.0000000000000004"), D(100)), (OrderState.FILLED, D(2), D(100))),
        (("filled", D("1.9999999999999998"), D(100)), (OrderState.FILLED, D(2), D(100))),
    ],
)
def test_the_venues_words_are_read(said: tuple[Any, ...], meant: tuple[Any, ...]) -> None:
    read = told(*said)
    assert (read.state, read.filled_quantity, read.average_price) == meant
    assert read.venue_order_id == "7"
    assert read.fee is None


@pytest.mark.parametrize(("status", "price"), [("filled", None), ("filled", ZERO), ("canceled", None)])
def test_a_fill_without_its_price_is_not_told_yet(status: str, price: Decimal | None) -> None:
    assert told(status, D(1) if status == "canceled" else D(2), price) == Receipt(
        state=OrderState.OPEN, venue_order_id="7"
    )


@pytest.mark.parametrize(
    "said",
    [
        (None, None, None),
        ("failed", None, None),
        ("something", D(2), D(100)),
        ("pending", D(3), D(100)),
        ("pending", D(-1), D(100)),
        ("filled", D(1), D(100)),
        ("rejected", D(1), D(100)),
    ],
)
def test_what_is_not_known_or_contradicts_itself_proves_nothing(said: tuple[Any, ...]) -> None:
    with pytest.raises(OutcomeUnknown):
        told(*said)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_before_the_order_is_passed_on_is_rejected_with_its_words(status: int) -> None:
    assert refused(UpstreamRefused("CODE", "words", status=status)) == Receipt(
        state=OrderState.REJECTED, reason="CODE: words"
    )


# 500: the broker's own refusal, or a fault after the order; 200: success false where no order is refused like that.
@pytest.mark.parametrize("status", [200, 409, 500, 503])
def test_any_other_refusal_leaves_the_outcome_unknown(status: int) -> None:
    with pytest.raises(OutcomeUnknown):
        refused(UpstreamRefused("CODE", "words", status=status))


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("0.00001", 0.00001), ("123.456", 123.456), ("0", None), ("-1", None), ("0.12345678901234567891", None)],
)
def test_a_quantity_goes_as_a_number_only_when_that_is_exact(quantity: str, number: float | None) -> None:
    assert json_quantity(order(quantity)) == number


def test_every_multiple_of_a_lot_that_sizing_may_ask_for_is_exact_as_a_number() -> None:
    for rules in BINANCE_LOTS.values():
        for lots in (1, 3, 10**6 + 1, 10**9 + 7):
            assert json_quantity(order(str(rules.lot * lots))) is not None


def test_every_coin_with_lots_has_a_spelling() -> None:
    assert set(BINANCE_LOTS) <= set(COINS)
