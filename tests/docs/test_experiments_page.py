"""What the page on experiments says is so."""

import json
import re
from dataclasses import fields

from ab.defaults import ANALYSIS, GUARDRAILS
from ab.plan import Analysis, Guard, Guardrail, OutcomeSource, Response
from ab.plan_checks import check_plan
from ab.plan_warnings import PlanWarningCode
from schemas.experiments import CreateRequest, to_plan
from tests.fakes.house import House
from tests.fakes.served import ROOT

PAGE = (ROOT / "docs/experiments.md").read_text()


def rows(head: str) -> dict[str, list[str]]:
    """The cells of the table whose first heading this is, by the word in the first cell of each row."""
    table = re.search(rf"^\| {re.escape(head)} \|[^\n]*\n\|---.*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    assert table is not None
    cells = [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in table[0].strip().splitlines()]
    return {first: others for first, *others in cells[2:]}


def example(key: str) -> dict[str, object]:
    """The body of the request on the page that creates the experiment of this key."""
    body = re.search(rf"-d '\n(\{{\"key\": \"{key}\"[^']*)'\n", PAGE)
    assert body is not None
    return dict(json.loads(body[1]))


def test_the_page_has_every_warning_of_a_plan_and_no_other() -> None:
    assert list(rows("`warnings`")) == list(PlanWarningCode)


def test_the_page_has_the_defaults_of_an_analysis() -> None:
    said = {name: cells[0] for name, cells in rows("field of `analysis`").items()}
    defaults = {field.name: getattr(ANALYSIS, field.name) for field in fields(Analysis)}
    assert said == {name: str(one) if name == "source" else f"{one:g}" for name, one in defaults.items()}


def test_the_page_has_every_source_and_what_a_missing_day_is_by_it() -> None:
    table = rows("`source`")
    assert set(table) == set(OutcomeSource)
    assert all(len(cells) == 2 and all(cells) for cells in table.values())


def test_the_page_has_every_guard_with_its_default() -> None:
    table = rows("`guard`")
    assert list(table) == list(Guard)
    for default in GUARDRAILS:
        assert table[default.guard][2:] == [f"{default.limit:g}", default.response, str(default.min_units)]


def test_the_page_has_every_response() -> None:
    assert list(rows("`response`")) == list(Response)


def test_the_plan_with_guardrails_is_taken_as_the_page_has_it() -> None:
    house = House()
    assert house.ask("/experiments", "POST", example("ppo-guarded")).status == 201
    (said,) = house.reads.asked
    assert isinstance(said, CreateRequest)
    plan = to_plan(said, salt="made-up")
    check_plan(plan)
    assert plan.guardrails == (
        Guardrail(guard=Guard.DAILY_LOSS, limit=300.0, response=Response.ROLL_BACK, min_units=0),
        Guardrail(guard=Guard.DRAWDOWN, limit=500.0, response=Response.KILL, min_units=0),
        Guardrail(guard=Guard.ERRORS, limit=0.02, response=Response.PAUSE, min_units=20),
    )
    assert (plan.analysis.source, plan.analysis.alpha) == (OutcomeSource.LEDGER, ANALYSIS.alpha)


def test_the_first_plan_of_the_page_has_the_default_guardrails() -> None:
    plan = to_plan(CreateRequest.model_validate(example("ppo-1")), salt="made-up")
    check_plan(plan)
    assert (plan.guardrails, plan.analysis) == (GUARDRAILS, ANALYSIS)
