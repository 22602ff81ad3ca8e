"""What a browser makes of the page: no column is cut at the width of a desk's window, no two texts of a chart meet."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import pytest

from ab.report.page import page
from ab.report.values import Report
from ab.results import Look
from tests.conftest import skip_or_fail
from tests.fakes.reports import BY_LEDGER, DAY_S, EMPTY, EVENTS, RELIABILITY, RUNNING, START_S, look, money_day

DESK, TABLET, PHONE = 1100, 800, 400


def told(looks: Sequence[Look], *, margin_bps: float = 5.0, planned: int = 30) -> Report:
    """A run of these looks, a day of money for each."""
    plan, findings = RUNNING.state.plan, RUNNING.findings
    analysis = replace(plan.analysis, looks=planned, margin_bps=margin_bps)
    return replace(
        RUNNING,
        state=replace(RUNNING.state, plan=replace(plan, analysis=analysis)),
        findings=replace(findings, primary=replace(findings.primary, looks=tuple(looks), planned_looks=planned)),
        money_days=[money_day(after) for after in range(len(looks))],
    )


def crowd(number: int, effect_bps: float, wide_bps: float) -> Look:
    """A look at 200,000 users, with both ends from the seventh day on."""
    ends = (None, None) if number < 7 else (effect_bps - wide_bps, effect_bps + wide_bps)
    numbers = {"users_rl": 100_123, "users_control": 99_877, "effect_bps": effect_bps}
    return replace(look(number), low_bps=ends[0], high_bps=ends[1], **numbers)  # type: ignore[arg-type]


def rich() -> Report:
    """Money of millions of dollars, gained by one arm and lost by the other at twice the capital a day."""
    days = [
        replace(
            day,
            net_bps={arm: (value or 0.0) * 1e4 for arm, value in day.net_bps.items()},
            net_usd={arm: (value or 0.0) * 1e5 for arm, value in day.net_usd.items()},
        )
        for day in map(money_day, range(12))
    ]
    return replace(RUNNING, money_days=days)


LONG = "x" * 400
REPORTS = {
    "rich": rich(),
    "long words": replace(
        RUNNING,
        state=replace(RUNNING.state, reason=LONG, plan=replace(RUNNING.state.plan, key=LONG[:64])),
        events=(*EVENTS, replace(EVENTS[1], number=7, reason=LONG)),
        calibration=(replace(RELIABILITY, model=LONG[:128], version=LONG[:64]),),
        market=replace(RUNNING.market, source=LONG),
    ),
    "empty": EMPTY,
    "running": replace(RUNNING, calibration=(RELIABILITY,)),
    "ledger": BY_LEDGER,
    "one look": told([look(1)]),
    "few planned": told([look(1), look(2)], planned=3),
    "some planned": told([look(number) for number in range(1, 8)], planned=7),
    "twenty planned": told([look(number) for number in range(1, 21)], planned=20),
    "all looks": told([look(number) for number in range(1, 31)]),
    "narrow": told([crowd(number, 0.02, 0.03) for number in range(1, 13)], margin_bps=0.05),
    "wide": told([crowd(number, 310.0, 400.0) for number in range(1, 13)]),
    "widest": told([crowd(number, -99_000.0, 90_000.0) for number in range(1, 13)], margin_bps=1.0),
    "margin far off": told([crowd(number, 12.0, 19.0) for number in range(1, 13)], margin_bps=10_000.0),
    "a thousand looks": told(
        [replace(look(number), at_s=START_S + number * DAY_S) for number in range(1, 1_001)], planned=1_000
    ),
}


class Seen(TypedDict):
    """Of one page at one width: its own width, those of its tables with their room, and texts of charts that meet."""

    page: int
    tables: list[tuple[str, int, int]]
    meeting: list[tuple[str, str]]


# Frames of the measuring page: they run nothing, which their policy would not let them.
LOOK = """
const found = {};
const meets = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
for (const frame of document.querySelectorAll("iframe")) {
  const page = frame.contentDocument, meeting = [];
  for (const chart of page.querySelectorAll("svg")) {
    const texts = [...chart.querySelectorAll("text")].map(one => [one.textContent, one.getBoundingClientRect()]);
    texts.forEach(([text, box], place) => {
      for (const [other, around] of texts.slice(place + 1)) if (meets(box, around)) meeting.push([text, other]);
      if (box.left < 0 || box.right > page.documentElement.clientWidth) meeting.push([text, "the edge"]);
    });
  }
  const tables = [...page.querySelectorAll("table")].map(
    one => [one.caption.textContent, one.scrollWidth, one.parentElement.clientWidth]);
  found[frame.title] = {page: page.documentElement.scrollWidth, tables, meeting};
}
document.querySelector("pre").textContent = JSON.stringify(found);
"""


def frames() -> Iterator[str]:
    for name, report in REPORTS.items():
        source = html.escape(page(report))
        for width in (DESK, TABLET, PHONE):
            size = f'width="{width}" height="3000" frameborder="0"'
            yield f'<iframe title="{name} {width}" {size} srcdoc="{source}"></iframe>'


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What Chromium shows of each page at each width."""
    browser = shutil.which("chromium")
    if browser is None:
        skip_or_fail("there is no chromium")
    measuring = tmp_path_factory.mktemp("layout") / "measuring.html"
    script = f'<pre></pre><script>addEventListener("load", () => {{ {LOOK} }});</script>'
    measuring.write_text(
        f"<!DOCTYPE html><html><head><meta charset='utf-8'></head><body>{''.join(frames())}{script}</body></html>",
        encoding="utf-8",
    )
    return measured(str(browser), measuring)


def measured(browser: str, measuring: Path) -> dict[str, Seen]:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--dump-dom"]
    shown = subprocess.run([browser, *options, measuring.as_uri()], check=True, capture_output=True, timeout=60)
    found = re.search("<pre>(.+?)</pre>", shown.stdout.decode(), re.DOTALL)
    assert found is not None, "the measuring page was not ready"
    seen: dict[str, Seen] = json.loads(html.unescape(found[1]))
    return seen


@pytest.mark.parametrize("name", REPORTS)
def test_all_columns_are_seen_at_the_width_of_a_desks_window(seen: dict[str, Seen], name: str) -> None:
    tables = seen[f"{name} {DESK}"]["tables"]
    assert tables
    assert [table for table in tables if table[1] > table[2]] == []


@pytest.mark.parametrize("width", [DESK, TABLET, PHONE])
@pytest.mark.parametrize("name", REPORTS)
def test_a_wide_table_scrolls_in_its_own_box_and_the_page_never(seen: dict[str, Seen], name: str, width: int) -> None:
    assert seen[f"{name} {width}"]["page"] <= width


@pytest.mark.parametrize("width", [DESK, TABLET, PHONE])
@pytest.mark.parametrize("name", REPORTS)
def test_no_two_texts_of_a_chart_meet(seen: dict[str, Seen], name: str, width: int) -> None:
    assert seen[f"{name} {width}"]["meeting"] == []
