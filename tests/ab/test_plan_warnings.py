"""A plan that can be carried out and conclude nothing has a warning that says so; one that can conclude has none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ab.defaults import ANALYSIS, default_plan
from ab.plan import Plan, Stage
from ab.plan_checks import check_plan
from ab.plan_warnings import PlanWarningCode, plan_warnings
from ab.results import Conclusion
from ab.statistics.primary import judge
from tests.fakes.analyses import after_days, alike
from tests.fakes.experiments import plan, stage


def judged(looks: int = 30, *, look_days: float = 1.0, alpha: float = 0.05, stages: tuple[Stage, ...] = ()) -> Plan:
    """A plan of an hour's ramp, judged so often."""
    analysis = replace(ANALYSIS, looks=looks, look_days=look_days, alpha=alpha)
    return plan(analysis=analysis, stages=stages or (stage(0.1, min_days=0.04), stage(0.5)))


def codes(of: Plan) -> list[str]:
    check_plan(of)
    return [warning.code for warning in plan_warnings(of)]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_a_plan_that_can_conclude_has_no_warning(share: float) -> None:
    assert codes(default_plan("default", "salt", share)) == []
    assert codes(plan()) == []


@pytest.mark.parametrize(
    ("looks", "look_days", "alpha", "fewest"), [(5, 1.0, 0.05, 6), (1, 5.0, 0.05, 6), (2, 3.0, 0.01, 8)]
)
def test_fewer_days_than_the_test_over_days_takes_are_said_with_how_many_it_takes(
    looks: int, look_days: float, alpha: float, fewest: int
) -> None:
    (warning,) = plan_warnings(judged(looks, look_days=look_days, alpha=alpha))
    assert warning.code is PlanWarningCode.TOO_FEW_DAYS
    assert f"it takes {fewest} days or more" in warning.message
    assert codes(judged(fewest, alpha=alpha)) == []


@settings(deadline=None, max_examples=60)
@given(looks=st.integers(1, 8), look_days=st.sampled_from([1.0, 1.25, 1.5, 2.0]), alpha=st.sampled_from([0.05, 0.2]))
def test_what_is_warned_of_is_what_the_verdict_comes_to_at_the_last_look(
    looks: int, look_days: float, alpha: float
) -> None:
    asked = judged(looks, look_days=look_days, alpha=alpha)
    days = -int(-looks * look_days // 1)
    # A policy whose every day is better: nothing but the number of days is against it.
    units = alike(np.linspace(90.0, 110.0, days))
    times = after_days(*[min(days, round(look_days * number + 0.499)) for number in range(1, looks + 1)])
    found = judge(units, asked.analysis, times, seed="s", draws=9_999)
    assert (found.conclusion is Conclusion.CANNOT_CONCLUDE) == (PlanWarningCode.TOO_FEW_DAYS in codes(asked))


def test_a_level_below_what_the_draws_resolve_is_warned_of_whatever_the_days() -> None:
    assert codes(judged(alpha=0.000_09)) == ["too_few_draws"]
    assert codes(judged(alpha=0.000_1)) == []


def test_a_plan_that_begins_above_one_half_compares_nobody() -> None:
    (warning,) = plan_warnings(judged(2, stages=(stage(0.6), stage(1.0))))
    assert warning.code is PlanWarningCode.NOBODY_COMPARED
    assert "begins with 0.6" in warning.message
    assert codes(judged(stages=(stage(0.5), stage(1.0)))) == []


def test_looks_that_end_before_the_last_compared_stage_can_begin_are_warned_of() -> None:
    slow = (stage(0.01, min_days=10.0), stage(0.1, min_days=20.0), stage(0.5), stage(1.0))
    (warning,) = plan_warnings(judged(30, stages=slow))
    assert warning.code is PlanWarningCode.RAMP_OUTLASTS_LOOKS
    assert "stage 3 begins no sooner than 30 days" in warning.message
    assert codes(judged(31, stages=slow)) == []
    # Beyond one half nothing is compared: no look is to come of it.
    assert codes(judged(11, stages=(slow[0], stage(0.5, min_days=300.0), stage(1.0)))) == []
    assert codes(judged(30, stages=(stage(0.5, min_days=300.0),))) == []
