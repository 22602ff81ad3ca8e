"""The primary result says what may be said, keeps what it found and admits what it cannot tell."""

import tracemalloc
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from scipy import stats

from ab.results import Conclusion
from ab.statistics.days import day_test
from ab.statistics.primary import judge, sequential_test
from ab.statistics.units import Units
from tests.fakes.analyses import after_days, alike, analysis, everybody

DRAWS = 1_999
PLAN = analysis(looks=6, look_days=4.0)
DAYS = 24
LOOKS = after_days(4, 8, 12, 16, 20, 24)


def history(users: int, effect_bps: float, seed: int = 1) -> Units:
    chance = np.random.default_rng(seed)
    treated = chance.random(users) < 0.5
    return everybody(chance.standard_normal((users, DAYS)) * 40.0 + effect_bps * treated[:, None], treated)


@pytest.mark.parametrize(("effect_bps", "conclusion"), [(15.0, Conclusion.BETTER), (-15.0, Conclusion.WORSE)])
def test_an_effect_that_lasts_is_found_and_stays_found(effect_bps: float, conclusion: Conclusion) -> None:
    found = [judge(history(120, effect_bps), PLAN, LOOKS[:looks], seed="s", draws=DRAWS) for looks in (4, 6)]
    assert [primary.conclusion for primary in found] == [conclusion, conclusion]
    shown = [look for look in found[0].looks if look.significant][-1 if effect_bps > 0 else 0]
    assert f"At look {shown.number} of 6 the policy earned {abs(shown.effect_bps):.2f} bps" in found[0].reason
    assert ("more" if effect_bps > 0 else "less") in found[0].reason
    significant = [look.significant for look in found[1].looks]
    assert significant == sorted(significant)
    assert significant[3]
    assert not significant[0]


def test_later_looks_leave_the_earlier_ones_as_they_were() -> None:
    units = history(60, 3.0)
    early = judge(units, PLAN, LOOKS[:3], seed="s", draws=DRAWS)
    late = judge(units, PLAN, LOOKS[:5], seed="s", draws=DRAWS)
    assert late.looks[:3] == early.looks


def test_a_look_counts_its_users_and_its_effect_is_the_difference_of_means() -> None:
    units = history(60, 3.0)
    look = judge(units, PLAN, LOOKS[:4], seed="s", draws=DRAWS).looks[3]
    means = units.profit[:, :16].mean(axis=1)
    assert look.effect_bps == pytest.approx(means[units.treated].mean() - means[~units.treated].mean())
    assert (look.users_rl, look.users_control) == (units.treated.sum(), (~units.treated).sum())
    oracle = stats.ttest_ind(means[units.treated], means[~units.treated], equal_var=False)
    assert look.p_value == pytest.approx(oracle.pvalue, abs=0.04)
    assert look.smallest_p == 1 / (DRAWS + 1)
    assert (look.number, look.at_s, look.days) == (4, 16 * 86_400.0, 16)


def test_the_first_significant_look_is_the_one_by_which_both_p_values_were_within_their_levels() -> None:
    apart = 0
    for seed in range(40):
        looks = judge(history(60, 6.0, seed), PLAN, LOOKS, seed="s", draws=499).looks
        first = next((look.number for look in looks if look.significant), None)
        users = next((look.number for look in looks if look.p_value <= look.level), None)
        days = next((look.number for look in looks if look.p_value_days <= look.level_days), None)
        apart += users != days
        assert first == (None if users is None or days is None else max(users, days))
    assert apart > 5


def test_an_interval_is_without_zero_where_both_p_values_are_within_their_levels() -> None:
    both = 0
    for seed in range(20):
        for look in judge(history(60, 8.0, seed), PLAN, LOOKS, seed="s", draws=499).looks:
            inside = (look.low_bps is None or look.low_bps < 0) and (look.high_bps is None or look.high_bps > 0)
            within = look.p_value <= look.level and look.p_value_days <= look.level_days
            assert inside == (not within)
            both += within
    assert both > 5


def test_the_interval_reaches_as_far_as_that_of_either_test() -> None:
    # Alike within their arms, users leave no room: all of it is of the days.
    difference = np.random.default_rng(3).standard_normal(DAYS) * 10.0 + 2.0
    by_days = judge(alike(difference), PLAN, LOOKS, seed="s", draws=DRAWS).looks[-1]
    assert by_days.low_bps < difference.mean() - 2.0
    assert by_days.high_bps > difference.mean() + 2.0
    # Where users differ for good and days hardly do, all of it is of the users.
    treated = np.arange(40) % 2 == 0
    lasting = np.random.default_rng(4).standard_normal((40, 1)) * 50.0 + np.zeros(DAYS) + 1e-3 * difference
    by_users = judge(everybody(lasting, treated), PLAN, LOOKS, seed="s", draws=DRAWS).looks[-1]
    oracle = stats.ttest_ind(lasting[treated].mean(1), lasting[~treated].mean(1), equal_var=False)
    ends = oracle.confidence_interval(0.95)
    assert (by_users.low_bps, by_users.high_bps) == pytest.approx((ends.low, ends.high), abs=6.0)


def test_what_users_of_one_mind_gain_by_the_market_alone_is_not_concluded_from() -> None:
    difference = np.random.default_rng(1).standard_t(3, DAYS) * 30.0 + 5.0
    units = alike(difference)
    primary = judge(units, PLAN, LOOKS[:4], seed="s", draws=DRAWS)
    last = primary.looks[-1]
    assert last.p_value <= last.level
    assert not last.significant
    assert primary.conclusion is Conclusion.UNDECIDED
    assert "No accident of who was assigned" in primary.reason
    assert "all users met the same 16 days" in primary.reason
    assert f"an accident of the market with p {last.p_value_days:.2g}" in primary.reason
    assert judge(units, PLAN, LOOKS, seed="s", draws=DRAWS).conclusion is Conclusion.INCONCLUSIVE


def test_a_difference_of_nearly_every_day_that_the_assignment_may_explain_is_not_concluded_from() -> None:
    # One user of many earns a lot on each day: whoever has that user is ahead every day.
    profit = np.random.default_rng(2).standard_normal((40, DAYS))
    profit[0] += 100.0
    plan = replace(PLAN, margin_bps=0.01)
    primary = judge(everybody(profit, np.arange(40) % 2 == 0), plan, LOOKS, seed="s", draws=DRAWS)
    assert primary.looks[-1].p_value_days <= primary.looks[-1].level_days
    assert not primary.looks[-1].significant
    assert primary.conclusion is Conclusion.INCONCLUSIVE
    assert "No accident of the days" in primary.reason


def test_tests_that_reject_with_opposite_signs_conclude_nothing() -> None:
    # On twenty days the policy's two first users earn more than the rule's; then all lose, and most enter only then.
    treated = np.arange(60) % 2 == 0
    entered = np.where(np.arange(60) < 56, 20, 0)
    profit = np.where(treated[:, None], 1.0, 0.0) + np.zeros(DAYS)
    profit[:, 20:] = np.where(treated, -9.0, 0.0)[:, None]
    profit += np.random.default_rng(5).standard_normal(profit.shape) * 0.1
    present = np.arange(DAYS) >= entered[:, None]
    units = replace(everybody(profit, treated), entered=entered, present=present)
    primary = judge(units, PLAN, LOOKS, seed="s", draws=DRAWS)
    last = primary.looks[-1]
    assert last.effect_bps < 0
    assert last.p_value <= last.level
    assert any(look.p_value_days <= look.level_days for look in primary.looks[:5])
    assert not any(look.significant for look in primary.looks)
    assert primary.conclusion is Conclusion.INCONCLUSIVE
    assert "not with the same sign" in primary.reason


def test_an_effect_that_has_turned_by_the_time_the_days_agree_is_not_concluded_from() -> None:
    # Twelve users gain; on one day many more are there, and lose. By users the gain is shown before, by days after it.
    treated = np.arange(60) % 2 == 0
    by_day = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0] + [3.0] * 12)
    profit = np.where(treated[:, None], by_day, 0.0)
    profit[12:, 16] = np.where(treated[12:], -2.0, 0.0)
    present = (np.arange(60)[:, None] < 12) | (np.arange(DAYS) == 16)
    units = replace(everybody(profit, treated), entered=np.where(np.arange(60) < 12, 0, 16), present=present)
    looks = judge(units, PLAN, LOOKS[:5], seed="s", draws=DRAWS).looks
    assert looks[2].p_value <= looks[2].level
    assert looks[2].effect_bps > 0 > looks[4].effect_bps
    assert [look.p_value_days <= look.level_days for look in looks] == [False] * 4 + [True]
    assert not any(look.significant for look in looks)


def test_a_gain_by_users_and_a_later_loss_by_days_conclude_nothing_until_users_show_the_loss_too() -> None:
    by_day = np.array([1.5, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0] + [-3.0] * 12)
    looks = judge(alike(by_day), PLAN, LOOKS, seed="s", draws=DRAWS).looks
    assert next(look for look in looks if look.p_value <= look.level).effect_bps > 0
    assert next(look for look in looks if look.p_value_days <= look.level_days).effect_bps < 0
    by_days = [look.p_value_days <= look.level_days for look in looks]
    assert [look.significant for look in looks] == by_days
    assert by_days == sorted(by_days)
    assert not any(by_days[:4])


def test_without_a_day_on_which_both_arms_earned_nothing_is_concluded() -> None:
    units = history(60, 30.0)
    odd = np.arange(DAYS) % 2 == 1
    present = units.present & (odd == units.treated[:, None])
    look = judge(replace(units, present=present), PLAN, LOOKS, seed="s", draws=DRAWS).looks[-1]
    assert look.days == 0
    assert look.p_value_days is look.level_days is look.low_bps is look.high_bps is None
    assert look.p_value <= look.level
    assert not look.significant


@pytest.mark.parametrize(("looks", "look_days"), [(5, 1.0), (9, 0.5), (1, 5.0)])
def test_too_few_planned_days_can_have_no_significant_result(looks: int, look_days: float) -> None:
    few = analysis(looks=looks, look_days=look_days)
    primary = judge(history(60, 50.0), few, after_days(ceil(look_days)), seed="s", draws=DRAWS)
    assert primary.conclusion is Conclusion.CANNOT_CONCLUDE
    assert "5 days at the last look" in primary.reason
    enough = judge(history(60, 50.0), analysis(looks=6), after_days(1), seed="s", draws=DRAWS)
    assert enough.conclusion is Conclusion.UNDECIDED


def test_no_look_is_undecided_and_so_is_an_early_one() -> None:
    units = history(60, 0.0)
    assert judge(units, PLAN, (), seed="s").conclusion is Conclusion.UNDECIDED
    early = judge(units, PLAN, LOOKS[:1], seed="s", draws=DRAWS)
    assert early.conclusion is Conclusion.UNDECIDED
    assert "So early" in early.reason
    assert (early.looks[0].low_bps, early.looks[0].high_bps) == (None, None)


def test_a_margin_that_the_interval_stays_above_is_not_worse_and_one_it_does_not_is_inconclusive() -> None:
    units, looks = history(60, 0.0), LOOKS
    wide = judge(units, replace(PLAN, margin_bps=40.0), looks, seed="s", draws=DRAWS)
    assert wide.conclusion is Conclusion.NOT_WORSE
    assert "40 bps was allowed" in wide.reason
    narrow = judge(units, replace(PLAN, margin_bps=0.5), looks, seed="s", draws=DRAWS)
    assert narrow.conclusion is Conclusion.INCONCLUSIVE
    assert "All 6 looks" in narrow.reason
    before = judge(units, replace(PLAN, margin_bps=0.5), looks[:5], seed="s", draws=DRAWS)
    assert before.conclusion is Conclusion.UNDECIDED


def test_a_single_user_in_an_arm_cannot_be_concluded_from() -> None:
    units = everybody(np.random.default_rng(1).standard_normal((9, DAYS)), np.arange(9) == 0)
    primary = judge(units, PLAN, after_days(1, 2), seed="s", draws=DRAWS)
    assert primary.conclusion is Conclusion.UNDECIDED
    assert "1 users of the policy and 8 of the rule" in primary.reason
    assert judge(units, PLAN, LOOKS, seed="s", draws=DRAWS).conclusion is Conclusion.CANNOT_CONCLUDE
    assert primary.looks[1].effect_bps is primary.looks[1].p_value is primary.looks[1].level is None


def test_five_users_are_too_few_so_far_before_the_last_look_and_for_good_at_it() -> None:
    units = everybody(np.arange(5.0 * DAYS).reshape(5, DAYS) ** 2, np.arange(5) < 3)
    primary = judge(units, PLAN, LOOKS, seed="s", draws=DRAWS)
    assert primary.conclusion is Conclusion.CANNOT_CONCLUDE
    assert primary.looks[-1].smallest_p == 2 / 2**5
    assert "5 users" in primary.reason
    before = judge(units, PLAN, LOOKS[:5], seed="s", draws=DRAWS)
    assert before.conclusion is Conclusion.UNDECIDED
    assert "5 users" in before.reason


def test_what_few_users_could_not_show_more_users_do() -> None:
    units = history(80, 40.0)
    entered = np.where(np.arange(80) < 5, 0, 4)
    units = replace(units, entered=entered, present=np.arange(DAYS) >= entered[:, None])
    found = [judge(units, PLAN, LOOKS[:looks], seed="s", draws=DRAWS).conclusion for looks in (1, 6)]
    assert found == [Conclusion.UNDECIDED, Conclusion.BETTER]


def test_too_few_draws_can_have_no_significant_result_either() -> None:
    primary = judge(history(60, 50.0), PLAN, LOOKS[:2], seed="s", draws=9)
    assert primary.looks[-1].smallest_p == 0.1
    assert primary.conclusion is Conclusion.CANNOT_CONCLUDE


def test_where_all_earned_the_same_nothing_can_be_compared() -> None:
    units = everybody(np.full((40, DAYS), 0.1), np.arange(40) < 20)
    for looks, conclusion in ((LOOKS[:2], Conclusion.UNDECIDED), (LOOKS, Conclusion.CANNOT_CONCLUDE)):
        primary = judge(units, PLAN, looks, seed="s", draws=DRAWS)
        assert primary.conclusion is conclusion
        assert "the same so far" in primary.reason


def test_outcomes_of_which_chance_gives_every_result_cannot_be_concluded_from() -> None:
    profit = np.zeros((10, DAYS))
    profit[3] = 50.0
    primary = judge(everybody(profit, np.arange(10) < 5), PLAN, LOOKS, seed="s", draws=DRAWS)
    assert primary.looks[-1].level == 0.0
    assert primary.conclusion is Conclusion.CANNOT_CONCLUDE
    assert "so alike" in primary.reason


def test_without_users_nothing_can_be_concluded() -> None:
    units = everybody(np.zeros((0, DAYS)), np.zeros(0, dtype=np.bool_))
    assert judge(units, PLAN, after_days(1), seed="s", draws=99).conclusion is Conclusion.UNDECIDED
    assert judge(units, PLAN, LOOKS, seed="s", draws=99).conclusion is Conclusion.CANNOT_CONCLUDE


def test_a_single_outlier_counts_no_more_than_the_bounds() -> None:
    units = history(60, 3.0)
    units.profit[np.flatnonzero(units.treated)[0], 0] = 1e9
    bounded = judge(units, replace(PLAN, lowest_bps=-100.0, highest_bps=100.0), after_days(1), seed="s", draws=DRAWS)
    assert bounded.looks[0].high_bps is None
    assert abs(bounded.looks[0].effect_bps) < 30.0


def test_more_looks_than_planned_are_refused() -> None:
    with pytest.raises(ValueError, match="6 were planned"):
        judge(history(60, 0.0), PLAN, (*LOOKS, *after_days(28)), seed="s", draws=99)


def test_many_looks_are_judged_in_parts_as_they_would_be_at_once() -> None:
    chance = np.random.default_rng(8)
    treated = chance.random(60) < 0.5
    units = everybody(chance.standard_normal((60, 45)) * 40.0 + 6.0 * treated[:, None], treated)
    plan, looks = analysis(looks=45), after_days(*range(1, 46))
    primary = judge(units, plan, looks, seed="s", draws=DRAWS)
    users = sequential_test(units, plan, looks, seed="s", draws=DRAWS)
    days = day_test(units, plan, looks, seed="s", draws=DRAWS)
    for place, look in enumerate(primary.looks):
        assert (look.number, look.at_s) == (place + 1, looks[place].at_s)
        assert look.p_value == users.extreme_count(place) / (DRAWS + 1)
        assert look.level == users.level_count(place) / (DRAWS + 1)
        assert look.p_value_days == days.extreme_count(place) / (DRAWS + 1)
        assert look.level_days == days.level_count(place) / (DRAWS + 1)
        assert look.effect_bps == pytest.approx(users.randomised.difference[0, place], rel=1e-12)
    assert primary.looks[-1].level_days > 0.0


def test_three_times_the_looks_take_no_more_memory() -> None:
    tracemalloc.start()
    units = alike(np.random.default_rng(1).standard_normal(120))
    peaks = []
    for looks in (40, 120):
        tracemalloc.reset_peak()
        judge(units, analysis(looks=120), after_days(*range(1, looks + 1)), seed="s", draws=DRAWS)
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
