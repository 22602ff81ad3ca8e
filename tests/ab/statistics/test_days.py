"""The test over days is exact, and without it the course of one market would be taken for a policy's skill."""

from itertools import product
from math import sqrt

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ab.plan import Analysis
from ab.results import Conclusion
from ab.statistics.days import DayTest, day_differences, day_test
from ab.statistics.primary import judge
from tests.fakes.analyses import after_days, alike, analysis, everybody

Vector = NDArray[np.float64]
DRAWS = 1_999


def at_once(by_day: Vector, draws: int = DRAWS, plan: Analysis | None = None) -> DayTest:
    """One look over all days."""
    return day_test(alike(by_day, users=4), plan or analysis(looks=1), after_days(len(by_day)), seed="s", draws=draws)


def heavy(days: int, seed: int) -> Vector:
    return np.random.default_rng(seed).standard_t(3, days) * 30.0


def test_p_is_that_of_all_sign_flips() -> None:
    by_day = heavy(10, 1) + 12.0
    sums = np.array([abs(np.dot(signs, by_day)) for signs in product([1.0, -1.0], repeat=10)])
    exact = (sums >= abs(by_day.sum()) * (1.0 - 1e-12)).mean()
    found = at_once(by_day, draws=40_000).extreme_count(0) / 40_001
    assert found == pytest.approx(exact, abs=4.0 * sqrt(exact / 40_000))
    oracle = stats.permutation_test(
        (by_day,), np.mean, permutation_type="samples", alternative="two-sided", n_resamples=np.inf
    )
    assert exact == pytest.approx(oracle.pvalue)


def test_days_that_tie_are_at_least_as_extreme_and_never_split() -> None:
    # 0.1 has no exact double: sums that are equal come out unequal by rounding.
    by_day = np.array([0.1, -0.1, 0.1, 0.3, 0.1, 0.1, 0.1, 0.1])
    sums = np.array([abs(np.dot(signs, by_day * 10).round()) for signs in product([1, -1], repeat=8)])
    test = at_once(by_day, draws=20_000)
    exact = (sums >= sums[0]).mean()
    assert test.extreme_count(0) / 20_001 == pytest.approx(exact, abs=4.0 * sqrt(exact / 20_000))
    assert at_once(np.array([5.0, -5.0])).extreme_count(0) == DRAWS + 1


@example(days=[1.0, 1.0], alpha=0.5)
@given(st.lists(st.floats(-500.0, 500.0), min_size=1, max_size=14), st.floats(0.02, 0.5))
def test_both_ends_are_where_the_test_of_the_days_less_a_constant_begins_to_reject(
    days: list[float], alpha: float
) -> None:
    by_day = np.round(np.array(days), 3)
    test = at_once(by_day, draws=199, plan=analysis(looks=1, alpha=alpha))
    rejected = test.level_count(0)
    low, high = test.interval(0)

    def extreme(constant: float) -> int:
        return at_once(by_day - constant, draws=199).extreme_count(0)

    assert (low is None) == (high is None)
    if low is None or high is None:
        # However far the constant is off, too many draws are as extreme.
        assert extreme(1e7) > rejected or rejected == 0
        return
    apart = 1e-5 * (1.0 + high - low)
    assert extreme(low - apart) <= rejected
    assert extreme(high + apart) <= rejected
    if high - low > 2.0 * apart:  # else there is no inside
        assert rejected < extreme(low + apart)
        assert rejected < extreme(high - apart)


def test_an_interval_of_many_days_is_the_one_of_student() -> None:
    by_day = np.random.default_rng(5).standard_normal(200) * 20.0 + 3.0
    oracle = stats.ttest_1samp(by_day, 0.0).confidence_interval(0.95)
    assert at_once(by_day, draws=9_999).interval(0) == pytest.approx((oracle.low, oracle.high), abs=0.25)


def test_a_day_counts_where_both_arms_have_a_known_profit_cut_to_the_bounds() -> None:
    units = everybody(np.array([[10.0, 900.0, 1.0], [4.0, 2.0, 8.0], [1.0, 1.0, 1.0]]), np.array([True, True, False]))
    units.present[:, 2] = [True, True, False]
    units.present[1, 0] = False
    difference, compared = day_differences(units, -50.0, 50.0)
    assert difference.tolist() == [9.0, 25.0, 0.0]
    assert compared.tolist() == [True, True, False]
    test = day_test(units, analysis(looks=3, bound_bps=50.0), after_days(1, 2, 3), seed="s", draws=99)
    assert [test.days(look) for look in range(3)] == [1, 2, 2]
    assert [test.mean_bps(look) for look in range(3)] == [9.0, 17.0, 17.0]


def test_later_looks_extend_the_same_draws() -> None:
    units, plan = alike(heavy(9, 2)), analysis(looks=9)
    early = day_test(units, plan, after_days(3, 6), seed="s", draws=DRAWS)
    late = day_test(units, plan, after_days(3, 6, 9), seed="s", draws=DRAWS)
    assert late.squared[:, :2] == pytest.approx(early.squared)
    assert late.kept[:, :2].tolist() == early.kept.tolist()


@pytest.mark.parametrize("difference", [0.0, 1e-14])
def test_arms_that_trade_alike_differ_on_no_day(difference: float) -> None:
    units = everybody(np.full((7, 8), 0.1), np.arange(7) < 3)
    units.profit[0] += difference
    test = day_test(units, analysis(looks=1), after_days(8), seed="s", draws=99)
    assert not test.varies(0)
    assert test.rejected_at is None


def test_so_few_days_have_a_smallest_p_and_so_do_so_few_draws() -> None:
    assert at_once(heavy(3, 1)).smallest_p(0) == 0.25
    assert at_once(heavy(30, 1)).smallest_p(0) == 1 / (DRAWS + 1)


RUNS = 1_500
LOOKS = after_days(*range(2, 25, 2))
PLAN = analysis(looks=len(LOOKS), look_days=2.0)


def most(runs: int, rate: float = 0.05) -> float:
    return rate + 3.0 * sqrt(rate * (1.0 - rate) / runs)


def test_days_of_heavy_tails_and_growing_risk_are_rejected_no_more_often_than_the_level() -> None:
    risk = np.linspace(0.3, 3.0, 24)
    found = [
        day_test(alike(risk * heavy(24, 10_000 + run), users=4), PLAN, LOOKS, seed=str(run), draws=499).rejected_at
        for run in range(RUNS)
    ]
    rejected = sum(look is not None for look in found)
    # A test that never rejects would keep any level.
    assert 0.03 <= rejected / RUNS <= most(RUNS)


def test_a_policy_that_holds_more_of_a_driftless_market_is_not_told_apart_by_the_markets_course() -> None:
    concluded = by_users_alone = 0
    runs = 500
    for run in range(runs):
        # All users trade as their arm does: half of the capital in the market, or for the policy at times all of it.
        chance = np.random.default_rng(run)
        market, more = heavy(24, 20_000 + run), chance.choice([0.0, 0.5], 24, p=[0.3, 0.7])
        units = alike(more * market)
        units.profit[:] += 0.5 * market
        primary = judge(units, analysis(looks=6, look_days=4.0), LOOKS[1::2], seed=str(run), draws=499)
        concluded += primary.conclusion in (Conclusion.BETTER, Conclusion.WORSE)
        by_users_alone += any(look.p_value <= look.level for look in primary.looks if look.p_value is not None)
    assert concluded / runs <= most(runs)
    assert by_users_alone / runs > 0.95


def test_a_skill_beyond_the_days_is_found_though_all_users_of_an_arm_trade_alike() -> None:
    found = [
        judge(alike(heavy(24, 30_000 + run) + 40.0), PLAN, LOOKS, seed=str(run), draws=499).conclusion
        for run in range(100)
    ]
    assert found.count(Conclusion.BETTER) >= 80
    assert Conclusion.WORSE not in found
