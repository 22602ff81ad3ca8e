"""What the page on experiments says is so."""

import re

from ab.plan_warnings import PlanWarningCode
from tests.fakes.served import ROOT

PAGE = (ROOT / "docs/experiments.md").read_text()


def test_the_page_has_every_warning_of_a_plan_and_no_other() -> None:
    table = re.search(r"\| `warnings` \|.*?\n\n", PAGE, re.DOTALL)
    assert table is not None
    assert re.findall(r"^\| `(\w+)` \|", table[0], re.MULTILINE)[1:] == list(PlanWarningCode)
