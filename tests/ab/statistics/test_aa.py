"""The A/A check passes on outcomes of any kind, because the test is exact on all of them."""

from dataclasses import replace

import numpy as np

from ab.statistics.aa import AaCheck, aa_check
from ab.statistics.world import Tails, World, trade
from tests.fakes.analyses import after_days, analysis

WORLD = World(
    users=60,
    days=8,
    effect_bps=0.0,
    deviation_bps=40.0,
    market_bps=60.0,
    risk=1.0,
    tails=Tails.T3,
    ramp=((0, 0.5), (3, 1.0)),
)


def test_arms_that_mean_nothing_differ_about_as_often_as_the_level_says() -> None:
    units = trade(WORLD, np.random.default_rng(1))
    units.present[::7, 5] = False
    found = aa_check(units, analysis(looks=8, alpha=0.2), after_days(*range(1, 9)), seed="s", runs=300, draws=199)
    assert found.passed
    # It also has to find some: a check that never finds anything would always pass.
    assert found.significant >= 30


def test_the_logged_arms_have_no_say() -> None:
    units = trade(replace(WORLD, effect_bps=500.0), np.random.default_rng(1))
    looks, plan = after_days(4, 8), analysis(looks=2)
    assert aa_check(units, plan, looks, seed="s", runs=60, draws=199) == aa_check(
        replace(units, treated=~units.treated), plan, looks, seed="s", runs=60, draws=199
    )


def test_a_check_fails_beyond_three_standard_errors() -> None:
    assert AaCheck(runs=400, significant=33, most=33.1).passed
    assert not AaCheck(runs=400, significant=34, most=33.1).passed
