"""Each metric says what it must of a known case, and nothing where there is nothing to say it from."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.hits import Hits
from ab.metrics import (
    METRICS,
    LatencyBucket,
    Record,
    Served,
    arm_money,
    drawdown_bps,
    latency_ms,
    sharpe,
    tail_loss_bps,
    win_rate,
)
from ab.outcomes import OutcomeState, UnitDay
from ab.results import ArmMoney
from trading.vocabulary import Arm


def unit(day: int, net_bps: float | None, state: OutcomeState = OutcomeState.KNOWN, user_id: str = "ann") -> UnitDay:
    return UnitDay(
        user_id=user_id, day=day, state=state, net_bps=net_bps, fees_bps=2.0, turnover=0.25, capital_usd=10_000.0
    )


def days(nets: list[float]) -> list[UnitDay]:
    return [unit(day, net) for day, net in enumerate(nets)]


MISSING = replace(unit(4, None, OutcomeState.MISSING), fees_bps=None, turnover=None)
K, L, M = OutcomeState.KNOWN, OutcomeState.LATE, OutcomeState.MISSING
TODAY = unit(5, -70.0, OutcomeState.LATE)
NOBODY_ANSWERED = Served(exposures=0, as_assigned=0, failed=0)
NO_HITS = Hits(judged=0, earned=0, confidences=(), events=())
EMPTY = Record(days=(), hits=NO_HITS, served=NOBODY_ANSWERED, latencies=())
SERVED = Served(exposures=40, as_assigned=36, failed=3)
# Daily means of the arm: 10, -30, 0 and 40, then none, then -70 so far.
DAYS = [unit(0, 20.0), unit(0, 0.0, user_id="bob"), unit(1, -30.0), unit(2, 0.0), unit(3, 40.0), MISSING, TODAY]
RECORD = Record(
    days=DAYS,
    hits=Hits(judged=4, earned=3, confidences=(0.5, 0.5), events=(1, 1)),
    served=SERVED,
    latencies=(
        LatencyBucket(upper_ms=1.0, count=50),
        LatencyBucket(upper_ms=5.0, count=40),
        LatencyBucket(upper_ms=10.0, count=10),
    ),
)
EXPECTED = {
    "net_bps": 6.0,
    "sharpe": 5.0 / statistics.stdev([10.0, -30.0, 0.0, 40.0]) * math.sqrt(365),
    "drawdown_bps": 70.0,
    "tail_loss_bps": 30.0,
    "win_rate": 2 / 3,
    "turnover": 0.25,
    "fees_bps": 2.0,
    "hit_rate": 0.75,
    "brier": 0.25,
    "calibration_error": 0.5,
    "latency_p50_ms": 1.0,
    "latency_p99_ms": 9.5,
    "fallback_rate": 3 / 40,
    "as_served": 0.9,
}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_cannot_say_anything_of_nothing(name: str) -> None:
    assert METRICS[name](EMPTY) is None


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_its_value_in_a_known_case(name: str) -> None:
    assert METRICS[name](RECORD) == pytest.approx(EXPECTED[name])


def test_what_an_arm_did_is_told_from_the_days_that_are_known() -> None:
    assert arm_money(Arm.RL, DAYS, SERVED) == ArmMoney(
        arm=Arm.RL,
        users=2,
        users_traded=2,
        user_days=5,
        missing=1,
        net_bps=pytest.approx(6.0),
        net_usd=pytest.approx(30.0),
        fees_bps=pytest.approx(2.0),
        fees_usd=pytest.approx(10.0),
        drawdown_bps=pytest.approx(70.0),
        worst_day_bps=pytest.approx(70.0),
        tail_loss_bps=pytest.approx(30.0),
        turnover=pytest.approx(0.25),
        as_served=pytest.approx(0.9),
    )


def test_of_an_arm_without_days_nothing_is_known() -> None:
    nothing = arm_money(Arm.FALLBACK, [MISSING], NOBODY_ANSWERED)

    assert (nothing.users, nothing.users_traded, nothing.user_days, nothing.missing) == (1, None, 0, 1)
    assert {
        nothing.net_bps,
        nothing.net_usd,
        nothing.fees_bps,
        nothing.fees_usd,
        nothing.drawdown_bps,
        nothing.worst_day_bps,
        nothing.tail_loss_bps,
        nothing.turnover,
        nothing.as_served,
    } == {None}


def test_one_day_without_a_capital_or_costs_makes_the_sums_unknown() -> None:
    untold = [unit(0, 20.0), replace(unit(1, 20.0), capital_usd=None, fees_bps=None, turnover=None)]

    money = arm_money(Arm.RL, untold, SERVED)

    assert (money.net_bps, money.net_usd, money.fees_bps, money.fees_usd, money.turnover) == (20.0, *[None] * 4)


def test_a_day_that_earned_nothing_earned_0_usd_of_whatever_capital() -> None:
    idle = replace(unit(0, 0.0, user_id="bob"), capital_usd=None, fees_bps=0.0, turnover=0.0)

    money = arm_money(Arm.RL, [unit(0, 20.0), idle], SERVED)

    assert (money.net_bps, money.net_usd, money.fees_usd) == pytest.approx((10.0, 20.0, 2.0))


@pytest.mark.parametrize(
    ("turnovers", "traded"),
    [
        ([(K, 0.0), (K, 0.25)], 1),
        ([(K, 0.0), (K, 0.0)], 0),
        ([(K, 0.0), (L, 0.25)], 1),
        ([(K, 0.0), (M, None)], 0),
        ([(K, 0.25), (K, None)], None),
        ([(M, None), (L, None)], None),
    ],
)
def test_who_traded_has_a_turnover_and_where_it_is_not_told_nobody_knows(
    turnovers: list[tuple[OutcomeState, float | None]], traded: int | None
) -> None:
    told = [replace(unit(day, 0.0, state), turnover=turnover) for day, (state, turnover) in enumerate(turnovers)]

    assert arm_money(Arm.RL, told, SERVED).users_traded == traded


def test_an_arm_that_only_gained_lost_nothing() -> None:
    money = arm_money(Arm.RL, days([1.0, 2.0]), SERVED)

    assert (money.drawdown_bps, money.worst_day_bps, money.tail_loss_bps) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("nets", [[5.0], [5.0, 5.0], [0.1 + 0.2, 0.3], [0.0, 0.0, 0.0]])
def test_there_is_no_sharpe_ratio_of_one_day_or_without_variance(nets: list[float]) -> None:
    assert sharpe(days(nets)) is None


def test_a_first_day_of_loss_is_a_drawdown() -> None:
    assert drawdown_bps(days([-5.0, 2.0])) == 5.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60))
def test_the_drawdown_is_the_deepest_fall_of_the_path(nets: list[float]) -> None:
    path = np.concatenate(([0.0], np.cumsum(nets)))
    falls = [path[one] - path[other] for one in range(len(path)) for other in range(one, len(path))]

    assert drawdown_bps(days(nets)) == pytest.approx(max(falls), abs=1e-9)


@given(st.lists(st.floats(-1e3, 0.0), min_size=20, max_size=90))
def test_the_tail_loss_is_the_worst_twentieth_of_the_distribution(nets: list[float]) -> None:
    # Each day twenty times: then the tail is a whole number of days.
    repeated = np.sort(np.repeat(nets, 20))[: len(nets)]

    assert tail_loss_bps(days(nets)) == pytest.approx(-float(np.mean(repeated)))


def test_days_without_profit_or_loss_are_neither_won_nor_lost() -> None:
    assert win_rate(days([0.0, 0.0])) is None
    assert win_rate(days([0.0, 3.0, -3.0, 5.0, 0.0])) == pytest.approx(2 / 3)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.floats(0.01, 0.99))
def test_so_many_answers_took_no_longer(counts: list[int], share: float) -> None:
    buckets = [LatencyBucket(upper_ms=2.0**number, count=count) for number, count in enumerate(counts)]
    latency = latency_ms(buckets, share)

    if sum(counts) == 0:
        assert latency is None
        return
    # Each answer at an even place within its bucket.
    bounds = [0.0] + [bucket.upper_ms for bucket in buckets]
    expected = np.interp(share * sum(counts), np.cumsum([0, *counts]), bounds)
    assert latency is not None
    if share * sum(counts) not in np.cumsum(counts):
        assert latency == pytest.approx(expected)


def test_beyond_the_last_bound_a_latency_is_at_least_that_bound() -> None:
    buckets = (LatencyBucket(upper_ms=100.0, count=1), LatencyBucket(upper_ms=math.inf, count=9))

    assert latency_ms(buckets, 0.99) == 100.0
