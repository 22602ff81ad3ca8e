"""Each source of outcomes that a plan may name has days."""

from ab.plan import OutcomeSource
from wiring.unit_days import SOURCES


def test_a_plan_may_name_the_sources_that_there_are() -> None:
    assert set(SOURCES) == set(OutcomeSource)
