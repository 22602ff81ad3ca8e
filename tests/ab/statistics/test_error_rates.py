"""The error rates of the primary test in a trading world, on a harness that first shows the error of naive peeking."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm

from ab.results import Conclusion
from ab.statistics.primary import judge, sequential_test
from ab.statistics.world import Tails, World, trade
from tests.fakes.analyses import after_days, analysis

DAYS = 24
LOOKS = after_days(*range(2, DAYS + 1, 2))
PLAN = analysis(looks=len(LOOKS), look_days=2.0)
DRAWS = 499
RUNS = 1_500


def world(users: int, *, effect_bps: float = 0.0, risk: float = 1.5) -> World:
    return World(
        users=users,
        days=DAYS,
        effect_bps=effect_bps,
        deviation_bps=40.0,
        market_bps=60.0,
        risk=risk,
        tails=Tails.T3,
        ramp=((0, 0.2), (4, 0.5), (10, 1.0)),
    )


def beyond(rate: float, runs: int) -> float:
    return rate + 3.0 * sqrt(rate * (1.0 - rate) / runs)


@pytest.mark.parametrize(("looks", "published"), [(5, 0.142), (10, 0.193), (20, 0.248)])
def test_peeking_with_a_fixed_test_errs_as_published(looks: int, published: float) -> None:
    # Armitage, McPherson & Rowe, Journal of the Royal Statistical Society A 132 (1969) 235, table 2.
    runs = 40_000
    walks = np.random.default_rng(looks).standard_normal((runs, looks)).cumsum(axis=1) / np.sqrt(
        np.arange(1, looks + 1)
    )
    found = (np.abs(walks) > norm.isf(0.025)).any(axis=1).mean()
    assert found == pytest.approx(published, abs=3.0 * sqrt(published * (1.0 - published) / runs))


@pytest.mark.parametrize("users", [60, 200])
def test_equal_arms_are_told_apart_no_more_often_than_the_level(users: int) -> None:
    chance = np.random.default_rng(users)
    significant = naive = 0
    for run in range(RUNS):
        test = sequential_test(trade(world(users), chance), PLAN, LOOKS, seed=f"{users}:{run}", draws=DRAWS)
        significant += test.rejected_at is not None
        naive += bool((test.squared[0] > norm.isf(0.025) ** 2).any())
    assert significant / RUNS <= beyond(0.05, RUNS)
    # The world is one in which looking without a plan would err.
    assert naive / RUNS > 0.12


def test_an_arm_of_the_same_mean_and_three_times_the_risk_is_no_more_often_told_apart() -> None:
    chance = np.random.default_rng(3)
    histories = (trade(world(60, risk=3.0), chance) for _ in range(RUNS))
    tests = (sequential_test(each, PLAN, LOOKS, seed=str(run), draws=DRAWS) for run, each in enumerate(histories))
    assert sum(test.rejected_at is not None for test in tests) / RUNS <= beyond(0.05, RUNS)


def test_looking_at_every_step_costs_less_than_three_points_of_power() -> None:
    chance = np.random.default_rng(4)
    single = planned = 0
    runs = 1_000
    for run in range(runs):
        units = trade(world(200, effect_bps=6.0), chance)
        test = sequential_test(units, PLAN, LOOKS, seed=str(run), draws=DRAWS)
        planned += test.rejected_at is not None
        single += test.extreme_count(len(LOOKS) - 1) <= 0.05 * (DRAWS + 1)
    assert 0.5 <= single / runs <= 0.95
    assert planned / runs >= single / runs - 0.03


def test_the_verdict_of_both_tests_calls_equal_policies_apart_no_more_often_than_the_level() -> None:
    chance = np.random.default_rng(5)
    runs = 600
    found = [judge(trade(world(60), chance), PLAN, LOOKS, seed=str(run), draws=DRAWS) for run in range(runs)]
    told_apart = sum(primary.conclusion in (Conclusion.BETTER, Conclusion.WORSE) for primary in found)
    assert told_apart / runs <= beyond(0.05, runs)


def test_looking_at_every_step_costs_the_verdict_of_both_tests_less_than_three_points_of_power() -> None:
    chance = np.random.default_rng(6)
    single = planned = 0
    runs, once = 600, replace(PLAN, looks=1)
    for run in range(runs):
        units = trade(world(200, effect_bps=6.0), chance)
        planned += judge(units, PLAN, LOOKS, seed=str(run), draws=DRAWS).conclusion is Conclusion.BETTER
        single += judge(units, once, LOOKS[-1:], seed=str(run), draws=DRAWS).conclusion is Conclusion.BETTER
    assert 0.5 <= single / runs <= 0.95
    assert planned / runs >= single / runs - 0.03
