"""A loss that the cut of a day hides lets nothing good be said, and whoever reads a figure is told of the cut."""

from dataclasses import replace

import numpy as np
import pytest

from ab.results import Conclusion
from ab.statistics.primary import judge
from ab.statistics.uncut import uncut_difference_bps
from ab.statistics.units import Units
from tests.fakes.analyses import after_days, analysis, everybody

DAYS = 24
LOOKS = after_days(4, 8, 12, 16, 20, 24)
PLAN = analysis(looks=6, look_days=4.0, bound_bps=500.0)


def gaining(a_day_bps: float, once_bps: float) -> Units:
    """The policy's users earn so much a day, and once something else."""
    chance = np.random.default_rng(1)
    treated = np.arange(100) < 50
    profit = chance.normal(0.0, 15.0, (100, DAYS)) + a_day_bps * treated[:, None]
    for user in range(50):
        profit[user, chance.integers(DAYS)] = once_bps
    return everybody(profit, treated)


@pytest.mark.parametrize("once_bps", [-960.0, -1500.0])
def test_a_policy_that_gains_a_little_each_day_and_once_loses_all_of_it_is_not_better(once_bps: float) -> None:
    units = gaining(40.0, once_bps)
    primary = judge(units, PLAN, LOOKS, seed="s", draws=999)
    assert primary.looks[-1].low_bps > 0.0
    assert primary.conclusion is Conclusion.UNDECIDED
    earned = units.profit[:50].mean() - units.profit[50:].mean()
    assert earned < 0.0
    assert (earned > -PLAN.margin_bps) == (once_bps == -960.0)
    assert f"Cut to -500..500 bps a user-day, the days show an effect of {primary.looks[-1].effect_bps:.2f} bps" in (
        primary.reason
    )
    assert f"less the rule's, is {earned:.2f} bps a day" in primary.reason
    assert "50 of them were beyond" in primary.reason


def test_it_is_better_where_the_days_bear_it_out_without_the_cut_too() -> None:
    primary = judge(gaining(40.0, -600.0), PLAN, LOOKS, seed="s", draws=999)
    assert primary.conclusion is Conclusion.BETTER
    assert primary.reason.endswith("Days are cut to -500..500 bps a user-day; 50 of them were beyond.")
    uncut = judge(gaining(40.0, -400.0), PLAN, LOOKS, seed="s", draws=999)
    assert uncut.conclusion is Conclusion.BETTER
    assert "cut" not in uncut.reason


@pytest.mark.parametrize(("once_bps", "conclusion"), [(-650.0, Conclusion.NOT_WORSE), (-900.0, Conclusion.UNDECIDED)])
def test_not_worse_is_said_while_what_was_earned_is_above_the_margin(once_bps: float, conclusion: Conclusion) -> None:
    units = gaining(20.0, once_bps)
    earned = uncut_difference_bps(units, DAYS)
    assert earned is not None
    assert (-15.0 < earned < 0.0) == (conclusion is Conclusion.NOT_WORSE)
    assert judge(units, replace(PLAN, margin_bps=15.0), LOOKS, seed="s", draws=999).conclusion is conclusion


def test_a_loss_after_the_latest_look_is_of_the_next_one() -> None:
    units = gaining(40.0, 40.0)
    units.profit[:50, 20] = -5000.0
    assert judge(units, PLAN, LOOKS[:5], seed="s", draws=999).conclusion is Conclusion.BETTER
    assert judge(units, PLAN, LOOKS, seed="s", draws=999).conclusion is not Conclusion.BETTER


def test_what_is_worse_stays_worse_though_the_cut_hides_a_gain() -> None:
    primary = judge(gaining(-40.0, 9000.0), PLAN, LOOKS, seed="s", draws=999)
    assert primary.conclusion is Conclusion.WORSE
    assert "50 of them were beyond" in primary.reason


def test_without_a_known_day_in_each_arm_there_is_no_difference() -> None:
    units = gaining(0.0, 0.0)
    alone = replace(units, present=units.present & units.treated[:, None])
    assert uncut_difference_bps(alone, DAYS) is None
