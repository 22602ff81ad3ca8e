"""The page: whole in every state, parsed as XML, with nothing to load, and deaf to hostile text."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.plan import OutcomeSource
from ab.report.page import page
from ab.report.values import Report
from ab.results import Conclusion
from ab.state import Phase
from ab.waiting import Awaited, Wait
from tests.fakes.reports import EMPTY, EVENTS, RELIABILITY, RUNNING

SECTIONS = [
    "Verdict",
    "Effect",
    "Money per arm",
    "Stages and events",
    "Sample ratio",
    "Guardrails",
    "Serving",
    "Calibration",
    "How it was computed",
]
HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\x00\x1b\ud800\u202e"


def parsed(report: Report) -> ElementTree.Element:
    """The page as a tree; fails where it is not well-formed. What is parsed is our own text."""
    return ElementTree.fromstring(page(report))  # noqa: S314 our own text, parsed to prove that it can be


def said(report: Report) -> str:
    """All text of the body."""
    body = parsed(report).find("body")
    assert body is not None
    return " ".join(" ".join(body.itertext()).split())


@pytest.mark.parametrize("report", [EMPTY, RUNNING], ids=["empty", "running"])
def test_every_section_is_there_with_and_without_looks(report: Report) -> None:
    headings = ["".join(heading.itertext()) for heading in parsed(report).iter("h2")]
    assert headings == SECTIONS


@pytest.mark.parametrize("conclusion", Conclusion)
@pytest.mark.parametrize("phase", Phase)
def test_each_conclusion_in_each_phase_has_a_page(conclusion: Conclusion, phase: Phase) -> None:
    primary = replace(RUNNING.findings.primary, conclusion=conclusion)
    report = replace(
        RUNNING,
        state=replace(RUNNING.state, phase=phase),
        findings=replace(RUNNING.findings, primary=primary),
    )
    assert "effect is +4.0 bps of capital a day" in said(report)


def test_the_page_says_that_both_accidents_have_to_be_ruled_out() -> None:
    words = said(RUNNING)
    assert "Is the difference an accident of who was assigned?" in words
    assert "Is the difference an accident of what the market did on these days?" in words
    assert "p by users 0.0643, needed 0.0051, p by days 0.0679, needed 0.0041" in words


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (OutcomeSource.AS_IF, "there is no price to mark the account at"),
        (OutcomeSource.REPORTED, "a decision that could be traded has not been reported"),
        (OutcomeSource.LEDGER, "a fee is not told or an order may still be filled"),
    ],
)
def test_the_page_says_what_a_missing_day_is_by_the_source_of_the_plan(source: OutcomeSource, why: str) -> None:
    plan = replace(RUNNING.state.plan, analysis=replace(RUNNING.state.plan.analysis, source=source))
    words = said(replace(RUNNING, state=replace(RUNNING.state, plan=plan)))
    assert why in words
    assert ("price" in words) == (source is not OutcomeSource.REPORTED)
    assert ("never traded earned 0, which is known and counts" in words) == (source is OutcomeSource.LEDGER)


def test_hostile_text_is_shown_and_never_becomes_a_tag() -> None:
    plan = replace(RUNNING.state.plan, key=HOSTILE)
    report = replace(
        RUNNING,
        state=replace(RUNNING.state, plan=plan, reason=HOSTILE),
        findings=replace(RUNNING.findings, primary=replace(RUNNING.findings.primary, reason=HOSTILE)),
        waiting_for=(Wait(what=Awaited.TIME, why=HOSTILE),),
        events=(replace(EVENTS[0], by=HOSTILE, reason=HOSTILE),),
        calibration=(replace(RELIABILITY, model=HOSTILE, version=HOSTILE),),
        market=replace(RUNNING.market, source=HOSTILE),
        version=HOSTILE,
    )
    tree = parsed(report)
    assert not {"script", "img"} & {element.tag for element in tree.iter()}
    assert "<script>alert(1)</script>" in said(report)
    assert page(report).encode()


def test_text_of_others_cannot_turn_the_writing_direction_of_the_page() -> None:
    report = replace(RUNNING, events=(replace(EVENTS[0], by="\u202eenigne", reason="\u202eretal"),))
    isolated = {"".join(element.itertext()) for element in parsed(report).iter("bdi")}
    assert {"\u202eenigne", "\u202eretal"} <= isolated


@given(text=st.text())
def test_any_reason_leaves_the_page_well_formed(text: str) -> None:
    parsed(replace(EMPTY, state=replace(EMPTY.state, reason=text)))


def test_the_page_loads_and_runs_nothing() -> None:
    text = page(RUNNING)
    assert not re.search(r"(?i)https?:|//|url\(|@import|<script|<link|<img|<iframe|\bsrc=|\bon\w+=", text)
    assert "default-src 'none'" in text.replace("&#x27;", "'")


class Tags(HTMLParser):
    """What is open when an HTML parser, which knows no self-closing tags, has read the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.crossed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.crossed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open.pop() != tag:
            self.crossed.append(tag)


def test_a_parser_of_html_reads_the_same_tree() -> None:
    tags = Tags()
    tags.feed(page(RUNNING))
    assert tags.open == []
    assert tags.crossed == []


def test_identifiers_are_unique_and_what_charts_are_named_by_exists() -> None:
    tree = parsed(replace(RUNNING, calibration=(RELIABILITY, RELIABILITY)))
    known = [element.attrib["id"] for element in tree.iter() if "id" in element.attrib]
    named = [name for element in tree.iter() for name in element.get("aria-labelledby", "").split()]
    assert len(known) == len(set(known))
    assert set(named) <= set(known)
    charts = list(tree.iter("svg"))
    assert len(charts) == 5
    assert all("".join(next(chart.iter("desc")).itertext()) for chart in charts)


def test_the_page_follows_the_readers_light_and_paper() -> None:
    text = page(EMPTY)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "width=device-width" in text


def test_a_chart_that_does_not_draw_every_look_says_so() -> None:
    primary = replace(RUNNING.findings.primary, planned_looks=1_000)
    report = replace(RUNNING, findings=replace(RUNNING.findings, primary=primary))
    assert "There is room for 1 of 14 looks" in said(report)
    assert "There is room" not in said(RUNNING)


def test_a_calibration_without_marked_decisions_is_said_to_be_absent() -> None:
    assert "No decision with a confidence has been marked" in said(
        replace(RUNNING, calibration=(replace(RELIABILITY, bins=()),))
    )
