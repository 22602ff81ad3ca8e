"""Each source of outcomes that a plan may name has days, and no other may be named."""

from dataclasses import replace

import pytest

from ab.plan import OutcomeSource
from ab.plan_checks import check_plan
from tests.fakes.experiments import plan
from trading.errors import InvalidField
from wiring.unit_days import SOURCES


@pytest.mark.parametrize("source", OutcomeSource)
def test_a_plan_may_name_the_sources_that_there_are(source: OutcomeSource) -> None:
    named = plan(analysis=replace(plan().analysis, source=source))
    if source in SOURCES:
        check_plan(named)
    else:
        with pytest.raises(InvalidField, match="not offered yet"):
            check_plan(named)
