"""The bounds of an agent, exactly, and what passes in spite of them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from trading.agents import AgentLimits
from trading.limits import ORD_REJ_REASON, Account, judge_order
from trading.orders import Side
from trading.sizing import Sized
from trading.vocabulary import BlockReason, Halt

BUY = Sized(side=Side.BUY, quantity=Decimal(5), notional=Decimal(500), reduces=False)
SELL = Sized(side=Side.SELL, quantity=Decimal(5), notional=Decimal(500), reduces=True)
IDLE = Account(orders_last_minute=0, open_orders=0, unresolved=False, realized_today=Decimal(0), unrealized=Decimal(0))
TIGHT = AgentLimits(max_notional_usd=1.0, max_orders_per_minute=1, max_open_orders=1, max_daily_loss_usd=1.0)
AT_ALL_LIMITS = replace(IDLE, orders_last_minute=1, open_orders=1, realized_today=Decimal(-1))


def judged(account: Account, *, sized: Sized = BUY, halt: Halt = Halt.OPEN, **bounds: float) -> tuple[BlockReason, ...]:
    return judge_order(sized, account, AgentLimits(**bounds), halt)  # type: ignore[arg-type]


def test_an_agent_without_limits_is_bounded_by_nothing() -> None:
    busy = replace(IDLE, orders_last_minute=9999, open_orders=9999, realized_today=Decimal("-1e9"), unrealized=None)

    assert judged(busy) == ()


@pytest.mark.parametrize(("before", "reasons"), [(9, ()), (10, ("limit_orders_per_minute",))])
def test_of_so_many_orders_a_minute_there_is_never_one_more(before: int, reasons: tuple[str, ...]) -> None:
    assert judged(replace(IDLE, orders_last_minute=before), max_orders_per_minute=10) == reasons


@pytest.mark.parametrize(("before", "reasons"), [(9, ()), (10, ("limit_open_orders",))])
def test_of_so_many_open_orders_there_is_never_one_more(before: int, reasons: tuple[str, ...]) -> None:
    assert judged(replace(IDLE, open_orders=before), max_open_orders=10) == reasons


@pytest.mark.parametrize(("most", "reasons"), [(500.0, ()), (499.99, ("limit_notional",))])
def test_an_order_is_worth_its_limit_at_most(most: float, reasons: tuple[str, ...]) -> None:
    assert judged(IDLE, max_notional_usd=most) == reasons


@pytest.mark.parametrize(
    ("realized", "unrealized", "reasons"),
    [
        ("-0.2", "0.1000000001", ()),
        ("-0.2", "0.1", ("limit_daily_loss",)),
        ("1", "-1.1", ("limit_daily_loss",)),
        ("5", None, ("no_price",)),
    ],
)
def test_what_was_lost_today_is_realised_and_open(
    realized: str, unrealized: str | None, reasons: tuple[str, ...]
) -> None:
    account = replace(
        IDLE,
        realized_today=Decimal(realized),
        unrealized=None if unrealized is None else Decimal(unrealized),
    )

    assert judged(account, max_daily_loss_usd=0.1) == reasons


@pytest.mark.parametrize(
    ("sized", "halt", "reasons"),
    [
        (BUY, Halt.HALTED, ("halted",)),
        (SELL, Halt.HALTED, ("halted",)),
        (BUY, Halt.REDUCING, ("reducing",)),
        (SELL, Halt.REDUCING, ()),
    ],
)
def test_a_halt_stops_everything_and_reducing_only_what_adds(
    sized: Sized, halt: Halt, reasons: tuple[str, ...]
) -> None:
    assert judged(IDLE, sized=sized, halt=halt) == reasons


@pytest.mark.parametrize("sized", [BUY, SELL])
def test_nothing_is_ordered_while_it_is_not_known_what_became_of_an_order(sized: Sized) -> None:
    assert judged(replace(IDLE, unresolved=True), sized=sized) == ("order_unresolved",)


def test_no_bound_keeps_a_position_from_being_reduced() -> None:
    assert judge_order(SELL, AT_ALL_LIMITS, TIGHT, Halt.OPEN) == ()
    assert judge_order(BUY, AT_ALL_LIMITS, TIGHT, Halt.OPEN) == (
        BlockReason.LIMIT_NOTIONAL,
        BlockReason.LIMIT_ORDERS_PER_MINUTE,
        BlockReason.LIMIT_OPEN_ORDERS,
        BlockReason.LIMIT_DAILY_LOSS,
    )


def test_every_reason_has_its_word_in_fix() -> None:
    assert list(ORD_REJ_REASON) == list(BlockReason)
    assert ORD_REJ_REASON[BlockReason.LIMIT_OPEN_ORDERS] == 3
    # https://fiximate.fixtrading.org/legacy/en/FIX.5.0/tag103.html
    assert set(ORD_REJ_REASON.values()) <= {*range(17), 18, 99}
