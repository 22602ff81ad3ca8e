"""The page of errors lists exactly what the wire can say."""

import re
from pathlib import Path

from routes.errors import ERRORS
from trading.jobs import PROBLEMS
from trading.limits import ORD_REJ_REASON
from trading.vocabulary import AssignmentReason, BlockReason, ConfidenceReason, FailureReason
from wiring.session_pages import SessionProblem

SECTIONS = (Path(__file__).parents[2] / "docs/errors.md").read_text().split("## ")


def test_the_table_of_codes_is_the_closed_list() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+) \|$", SECTIONS[0], re.MULTILINE)
    assert {code: (int(status), message) for code, status, message in rows} == ERRORS


def test_the_table_of_ends_is_that_of_the_jobs() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+): (.+) \|$", SECTIONS[1], re.MULTILINE)
    problems = {status: problem for status, problem in PROBLEMS.items() if problem.code not in ERRORS}
    assert rows == [(problem.code, str(status), problem.message) for status, problem in problems.items()]


def test_the_table_of_blocks_is_the_closed_list() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (\d+) \|$", SECTIONS[2], re.MULTILINE)
    assert rows == [(reason.value, str(ORD_REJ_REASON[reason])) for reason in BlockReason]


def test_the_table_of_reasons_is_the_closed_list() -> None:
    assert sorted(_first_column(SECTIONS[3])) == sorted(r.value for r in (*AssignmentReason, *FailureReason))


def test_the_table_of_confidence_reasons_is_the_closed_list() -> None:
    assert _first_column(SECTIONS[4]) == [reason.value for reason in ConfidenceReason]


def test_the_table_of_session_problems_is_the_closed_list() -> None:
    assert _first_column(SECTIONS[5]) == [problem.value for problem in SessionProblem]


def _first_column(section: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
