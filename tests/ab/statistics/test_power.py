"""Power agrees with the normal formula where that holds, and the planned looks cost little of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ab.plan import Analysis
from ab.statistics.power import Design, power, users_needed
from ab.statistics.world import Tails, noise
from tests.fakes.analyses import analysis
from trading.errors import InvalidField

PLAN = analysis(looks=20)


def expecting(effect_bps: float, users_per_arm: int = 100, tails: Tails = Tails.NORMAL) -> Design:
    return Design(effect_bps=effect_bps, deviation_bps=40.0, users_per_arm=users_per_arm, tails=tails)


def by_t(effect_bps: float, users: int) -> float:
    # The power of a two-sided t-test of two equal arms: noncentral t.
    noncentral = effect_bps / (40.0 / math.sqrt(20.0) * math.sqrt(2.0 / users))
    limit = stats.t.isf(0.025, 2 * users - 2)
    return float(stats.nct.sf(limit, 2 * users - 2, noncentral) + stats.nct.cdf(-limit, 2 * users - 2, noncentral))


@pytest.mark.parametrize(("effect_bps", "users"), [(0.0, 50), (3.0, 100), (8.0, 12), (-4.0, 100), (0.5, 4_000)])
def test_a_single_look_has_the_power_of_the_t_test(effect_bps: float, users: int) -> None:
    found = power(expecting(effect_bps, users), PLAN)
    assert found.single == pytest.approx(by_t(effect_bps, users), abs=0.03)
    assert found.standard_error <= 0.05


def test_the_planned_looks_lose_little_and_only_to_the_single_one() -> None:
    found = power(expecting(3.5), PLAN)
    assert found.single - 0.05 <= found.planned <= found.single


def test_the_smallest_detectable_effect_is_found_four_times_in_five() -> None:
    smallest = power(expecting(1.0, tails=Tails.T3), PLAN).smallest_detectable_bps
    assert power(expecting(smallest, tails=Tails.T3), PLAN, seed=1).planned == pytest.approx(0.8, abs=0.03)


def test_the_users_needed_have_the_power_they_are_needed_for() -> None:
    users = users_needed(2.0, 40.0 / math.sqrt(20.0), 0.05)
    assert by_t(2.0, users) == pytest.approx(0.8, abs=0.005)
    assert users_needed(0.0, 40.0, 0.05) is None
    assert power(expecting(2.0), PLAN).users_needed == users


def cut_then_tested(design: Design, plan: Analysis, *, runs: int = 1_500) -> float:
    """How often Welch's test finds the effect in user-days that earned it and were cut then."""
    chance, users, found = np.random.default_rng(11), design.users_per_arm, 0
    treated = np.arange(2 * users) < users
    for _ in range(runs):
        days = design.deviation_bps * noise((2 * users, plan.looks), design.tails, chance)
        cut = np.clip(days + design.effect_bps * treated[:, None], plan.lowest_bps, plan.highest_bps).mean(axis=1)
        found += stats.ttest_ind(cut[treated], cut[~treated], equal_var=False).pvalue <= plan.alpha
    return found / runs


@pytest.mark.parametrize("tails", list(Tails))
@pytest.mark.parametrize(
    ("deviation_bps", "effect_bps", "users", "bound_bps"),
    [(300.0, 12.0, 100, 500.0), (1000.0, 30.0, 100, 500.0), (2000.0, 150.0, 30, 500.0), (100.0, -60.0, 20, 50.0)],
)
def test_bounds_cut_the_effect_as_they_cut_the_days(
    deviation_bps: float, effect_bps: float, users: int, bound_bps: float, tails: Tails
) -> None:
    design = Design(effect_bps=effect_bps, deviation_bps=deviation_bps, users_per_arm=users, tails=tails)
    plan = analysis(looks=10, bound_bps=bound_bps)
    assert power(design, plan).single == pytest.approx(cut_then_tested(design, plan), abs=0.03)


def test_what_is_detectable_and_who_is_needed_know_the_cut_as_the_power_does() -> None:
    plan = analysis(looks=10, bound_bps=500.0)
    expected = Design(effect_bps=60.0, deviation_bps=1000.0, users_per_arm=100, tails=Tails.NORMAL)
    found = power(expected, plan)
    smallest = replace(expected, effect_bps=found.smallest_detectable_bps)
    assert power(smallest, plan, seed=1).planned == pytest.approx(0.8, abs=0.03)
    enough = replace(expected, users_per_arm=found.users_needed)
    assert power(enough, plan, seed=1).single == pytest.approx(0.8, abs=0.03)
    assert cut_then_tested(enough, plan) == pytest.approx(0.8, abs=0.03)


def test_an_effect_that_no_size_makes_detectable_has_none() -> None:
    plan = replace(analysis(looks=2, bound_bps=500.0), highest_bps=0.01)
    found = power(Design(effect_bps=1.0, deviation_bps=100.0, users_per_arm=4, tails=Tails.NORMAL), plan)
    assert found.smallest_detectable_bps is None
    assert found.planned is not None


def test_many_far_looks_are_bounded_work() -> None:
    assert power(expecting(0.01, 100_000), analysis(looks=1_000, look_days=7.0)).days == 7_000.0


def test_what_can_have_no_power_is_refused() -> None:
    with pytest.raises(InvalidField, match="users_per_arm"):
        expecting(1.0, 1)
    with pytest.raises(InvalidField, match="deviation_bps"):
        Design(effect_bps=1.0, deviation_bps=0.0, users_per_arm=9, tails=Tails.NORMAL)
    with pytest.raises(InvalidField, match="effect_bps"):
        expecting(-0.0009)


@pytest.mark.parametrize(("users", "alpha"), [(2, 0.05), (3, 0.01), (100, 0.00009)])
def test_too_few_users_to_find_anything_have_no_power_but_a_reason(users: int, alpha: float) -> None:
    plan = replace(PLAN, alpha=alpha)
    found = power(expecting(1000.0, users), plan)
    assert (found.single, found.planned, found.smallest_detectable_bps, found.standard_error) == (None,) * 4
    assert found.reason is not None
    assert found.days == 20.0


def test_users_who_are_needed_can_find_something() -> None:
    needed = power(expecting(1000.0), PLAN).users_needed
    assert needed == 3
    assert power(expecting(1000.0, needed), PLAN).reason is None


def test_days_cut_to_both_bounds_still_give_a_number() -> None:
    design = Design(effect_bps=1.0, deviation_bps=1e5, users_per_arm=3, tails=Tails.NORMAL)
    assert np.isfinite(power(design, analysis(looks=2, bound_bps=5.0)).planned)
