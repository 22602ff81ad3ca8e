"""What the bounds leave of a day is what cutting simulated days leaves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.statistics.cut import CutDay
from ab.statistics.world import Tails, noise

DAYS = 1_000_000


def day(tails: Tails, deviation_bps: float = 300.0) -> CutDay:
    return CutDay(deviation_bps=deviation_bps, lowest_bps=-200.0, highest_bps=500.0, tails=tails)


@pytest.mark.parametrize("tails", list(Tails))
@pytest.mark.parametrize("effect_bps", [-250.0, 0.0, 40.0, 900.0])
def test_effect_and_deviation_are_those_of_simulated_days(tails: Tails, effect_bps: float) -> None:
    earned = 300.0 * noise((DAYS,), tails, np.random.default_rng(1))
    control, treated = np.clip(earned, -200.0, 500.0), np.clip(earned + effect_bps, -200.0, 500.0)
    assert day(tails).effect_bps(effect_bps) == pytest.approx(treated.mean() - control.mean(), abs=1.0)
    arms = np.sqrt((treated.var() + control.var()) / 2.0)
    assert day(tails).arms_deviation_bps(effect_bps) == pytest.approx(arms, rel=0.005)


@given(
    tails=st.sampled_from(list(Tails)),
    deviation_bps=st.floats(0.01, 1e5),
    effect_bps=st.floats(0.001, 1e4),
)
def test_no_cut_adds_to_an_effect_or_turns_it(tails: Tails, deviation_bps: float, effect_bps: float) -> None:
    one = day(tails, deviation_bps)
    more, less = one.effect_bps(effect_bps), one.effect_bps(-effect_bps)
    assert -1e-9 <= more <= effect_bps * (1.0 + 1e-6) + 1e-9
    assert -effect_bps * (1.0 + 1e-6) - 1e-9 <= less <= 1e-9
    assert 0.0 < one.arms_deviation_bps(0.0) <= deviation_bps * (1.0 + 1e-9)


def test_bounds_that_nothing_reaches_leave_all() -> None:
    one = day(Tails.NORMAL, 0.01)
    assert one.effect_bps(0.001) == pytest.approx(0.001, rel=1e-9)
    assert one.arms_deviation_bps(0.001) == pytest.approx(0.01, rel=1e-6)
