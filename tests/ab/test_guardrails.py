"""What each guardrail reads, when it is broken, and when it cannot be told."""

from dataclasses import replace

import pytest

from ab.guardrails import Operations, read_guardrails
from ab.plan import Guard, Guardrail, Response
from ab.results import ArmMoney, GuardReading
from trading.vocabulary import Arm

MONEY = ArmMoney(
    arm=Arm.RL,
    users=10,
    users_traded=3,
    user_days=40,
    missing=0,
    net_bps=-3.0,
    net_usd=-30.0,
    fees_bps=5.0,
    fees_usd=50.0,
    drawdown_bps=2.0,
    worst_day_bps=1.0,
    tail_loss_bps=3.0,
    turnover=4.0,
    as_served=0.9,
)
SERVED = Operations(rejected_share=0.06, error_share=0.07, latency_p99_ms=8.0)
FIGURES: dict[Guard, float] = {
    Guard.DAILY_LOSS: 1.0,
    Guard.DRAWDOWN: 2.0,
    Guard.TAIL_LOSS: 3.0,
    Guard.TURNOVER: 4.0,
    Guard.FEES: 5.0,
    Guard.REJECTED_ORDERS: 0.06,
    Guard.ERRORS: 0.07,
    Guard.LATENCY: 8.0,
}
NOTHING = Operations(rejected_share=None, error_share=None, latency_p99_ms=None)


def guardrail(guard: Guard, limit: float, *, min_units: int = 0) -> Guardrail:
    return Guardrail(guard=guard, limit=limit, response=Response.PAUSE, min_units=min_units)


def read(rail: Guardrail, money: ArmMoney | None = MONEY, operations: Operations = SERVED) -> GuardReading:
    (only,) = read_guardrails((rail,), money, operations)
    return only


@pytest.mark.parametrize("guard", Guard)
def test_each_guard_reads_its_figure_and_breaks_above_its_limit_only(guard: Guard) -> None:
    figure = FIGURES[guard]
    at_the_limit = read(guardrail(guard, figure))
    assert at_the_limit == GuardReading(guard=guard, value=figure, limit=figure, units=40, broken=False)
    assert read(guardrail(guard, figure * 0.99)).broken


@pytest.mark.parametrize(("min_units", "broken"), [(40, True), (41, False)])
def test_a_guardrail_is_judged_once_there_are_user_days_enough(min_units: int, *, broken: bool) -> None:
    for guard in (Guard.DAILY_LOSS, Guard.ERRORS):
        reading = read(guardrail(guard, 0.01, min_units=min_units))
        assert (reading.value, reading.broken) == (FIGURES[guard], broken)


@pytest.mark.parametrize("guard", Guard)
def test_what_nobody_counted_cannot_be_told_and_is_not_broken(guard: Guard) -> None:
    for money in (None, replace(MONEY, worst_day_bps=None, drawdown_bps=None, tail_loss_bps=None)):
        emptied = None if money is None else replace(money, turnover=None, fees_bps=None)
        reading = read(guardrail(guard, 0.01), emptied, NOTHING)
        assert (reading.value, reading.broken) == (None, False)


def test_what_is_no_number_cannot_be_told() -> None:
    nan = float("nan")
    reading = read(guardrail(Guard.DAILY_LOSS, 1.0), replace(MONEY, worst_day_bps=nan))
    assert (reading.value, reading.broken) == (None, False)
    assert read(guardrail(Guard.DAILY_LOSS, 1.0), replace(MONEY, worst_day_bps=float("inf"))).broken


def test_readings_are_in_the_order_of_the_plan() -> None:
    rails = tuple(guardrail(guard, 1.0) for guard in reversed(Guard))
    assert [reading.guard for reading in read_guardrails(rails, MONEY, SERVED)] == list(reversed(Guard))
