"""Missing is not zero and not yet entered is not missing; what cannot be an outcome is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ab.outcomes import OutcomeRow, OutcomeState
from ab.statistics.units import look_times, units_from
from tests.fakes.analyses import after_days, analysis, everybody
from trading.vocabulary import Arm

FIRST_DAY = 20_000


def row(user: str, day: int, net_bps: float | None, arm: Arm = Arm.RL) -> OutcomeRow:
    state = OutcomeState.MISSING if net_bps is None else OutcomeState.KNOWN
    return OutcomeRow(user_id=user, arm=arm, day=FIRST_DAY + day, net_bps=net_bps, state=state)


def test_a_users_outcome_is_the_mean_of_the_days_known_so_far() -> None:
    rows = [row("a", 0, 10.0), row("a", 1, None), row("a", 2, 40.0), row("b", 1, -6.0, Arm.FALLBACK)]
    means, known = units_from(rows, FIRST_DAY).means(after_days(1, 2, 3), -100.0, 100.0)
    assert means[0].tolist() == [10.0, 10.0, 25.0]
    assert known[0].tolist() == [True, True, True]
    assert known[1].tolist() == [False, True, True]
    assert means[1, 1:].tolist() == [-6.0, -6.0]


def test_a_user_enters_on_the_day_of_the_first_row_and_later_days_without_one_are_missing() -> None:
    units = units_from([row("b", 3, 1.0, Arm.FALLBACK), row("a", 2, None), row("a", 1, 5.0)], FIRST_DAY)
    assert dict(zip(units.users, units.entered.tolist(), strict=True)) == {"a": 1, "b": 3}
    assert dict(zip(units.users, units.treated.tolist(), strict=True)) == {"a": True, "b": False}
    assert units.missing == 2


def test_each_day_is_cut_to_the_bounds_on_both_sides() -> None:
    units = units_from([row("a", 0, 900.0), row("a", 1, 0.0), row("b", 0, -900.0), row("b", 1, 0.0)], FIRST_DAY)
    means, _ = units.means(after_days(2), -300.0, 500.0)
    assert means[:, 0].tolist() == [250.0, -150.0]


@pytest.mark.parametrize("net_bps", [math.nan, math.inf, -math.inf])
def test_an_outcome_that_is_no_finite_number_is_refused(net_bps: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        units_from([row("a", 0, net_bps)], FIRST_DAY)


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([row("a", 0, 1.0), row("a", 0, 1.0)], "twice"),
        ([row("a", 0, 1.0), row("a", 1, 1.0, Arm.FALLBACK)], "one arm"),
        ([row("a", 0, 1.0, Arm.HOLD)], "one arm"),
        ([row("a", -1, 1.0)], "before the comparison"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(rows: list[OutcomeRow], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        units_from(rows, FIRST_DAY)


def test_units_whose_parts_do_not_agree_are_refused() -> None:
    units = everybody(np.ones((3, 2)), np.array([True, False, True]))
    with pytest.raises(ValueError, match="one value a user"):
        replace(units, treated=np.array([True]))
    with pytest.raises(ValueError, match="one row a user"):
        replace(units, profit=np.ones((2, 2)))
    with pytest.raises(ValueError, match="before they entered"):
        replace(units, entered=np.array([1, 0, 0]))
    with pytest.raises(ValueError, match="there twice"):
        replace(units, users=("a", "a", "b"))


def test_without_a_row_there_are_no_users() -> None:
    units = units_from([], FIRST_DAY)
    means, known = units.means(after_days(1), -1.0, 1.0)
    assert units.users == ()
    assert means.shape == known.shape == (0, 1)


def test_the_looks_that_are_due_see_the_days_that_are_over() -> None:
    ten_o_clock = FIRST_DAY * 86_400.0 + 36_000.0
    due = look_times(ten_o_clock, ten_o_clock + 3.4 * 86_400.0, analysis(looks=9, look_days=0.7))
    assert [look.days for look in due] == [1, 1, 2, 3]
    assert due[1].at_s == pytest.approx(ten_o_clock + 1.4 * 86_400.0)


def test_there_are_no_more_looks_than_planned_and_one_at_midnight_sees_the_day_before_it() -> None:
    midnight = FIRST_DAY * 86_400.0
    due = look_times(midnight, midnight + 100.0 * 86_400.0, analysis(looks=3, look_days=2.0))
    assert [look.days for look in due] == [2, 4, 6]
