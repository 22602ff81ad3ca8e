"""The page of errors lists exactly what the wire can say."""

import re
from pathlib import Path

from routes.errors import ERRORS
from trading.vocabulary import AssignmentReason, BlockReason, ConfidenceReason, FailureReason

SECTIONS = (Path(__file__).parents[2] / "docs/errors.md").read_text().split("## ")


def test_the_table_of_codes_is_the_closed_list() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+) \|$", SECTIONS[0], re.MULTILINE)
    assert {code: (int(status), message) for code, status, message in rows} == ERRORS


def test_the_table_of_blocks_is_the_closed_list() -> None:
    assert _first_column(SECTIONS[1]) == [reason.value for reason in BlockReason]


def test_the_table_of_reasons_is_the_closed_list() -> None:
    assert sorted(_first_column(SECTIONS[2])) == sorted(r.value for r in (*AssignmentReason, *FailureReason))


def test_the_table_of_confidence_reasons_is_the_closed_list() -> None:
    assert _first_column(SECTIONS[3]) == [reason.value for reason in ConfidenceReason]


def _first_column(section: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
