"""The page of an experiment shows what came of the confidences of its run, and how slow its arms answered."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ab.account import Costs
from ab.hits import Subject
from ab.metrics import LatencyBucket
from ab.state import Step
from adapters.store.engine import Location
from adapters.store.journal_rows import Entry
from rl_models.calibration import DEFAULT_HORIZON_BARS
from rl_models.shelf import Shelf
from tests.fakes.experiments import running
from tests.fakes.exposures import START_S, Exposing, entries, hourly
from tests.fakes.journals import insert
from tests.fakes.market import HOUR_S, FakeMarket
from tests.fakes.settings import settings
from tests.fakes.stores import running as opened
from tests.fakes.stores import sqlite
from trading.vocabulary import Arm
from wiring.evidence import Question, gather
from wiring.experiment_report import Made, report_page
from wiring.performance import Horizons
from wiring.stores import OpenStore
from wiring.unit_days import Terms

TERMS = Terms(costs=Costs(fee_bps=10.0, spread_bps=2.0), dead_band=0.02)
RISING = {"BTC": hourly([100.0 + hour for hour in range(73)])}
AT_S = START_S + 48 * HOUR_S
LAST_JUDGED = 48 - DEFAULT_HORIZON_BARS
ABSENT = "No decision with a confidence has been marked yet."


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return sqlite(tmp_path)


def bought(user_id: str, *, hours: int, confidence: float | None, run: int = 1) -> Entry:
    """A purchase that the policy was so sure of, `hours` after the start, when the price was as the market says."""
    exposing = Exposing(user_id=user_id, arm=Arm.RL, hours=hours, target=1.0, price=100.0 + hours)
    (made,) = entries([exposing], run=run)
    advice = replace(made.decision.advice, model="ppo", version="3", confidence=confidence)
    decision = replace(made.decision, request_id=user_id.encode().hex().zfill(32), advice=advice)
    return made._replace(decision=decision)


def page(
    location: Location, made: Sequence[Entry], latencies: Mapping[Subject, Sequence[LatencyBucket]] | None = None
) -> str:
    async def fill() -> None:
        async with opened(location) as store:
            await insert(store, made)

    asyncio.run(fill())
    market = FakeMarket(RISING, now_s=AT_S)
    state = replace(running(), steps=(Step(stage=0, share=0.1, since_s=float(START_S)),))
    with OpenStore(location) as store:
        evidence = gather(store, market, TERMS, Question(state=state, at_s=AT_S), wall_s=AT_S)
        return report_page(
            evidence,
            Made(
                settings=settings(Path()),
                store=store,
                market=market,
                terms=TERMS,
                horizons=Horizons(Shelf(candidates=(), refusals=()), "none"),
                latencies=latencies or {},
                wall_s=AT_S,
            ),
        )


def test_the_calibration_is_of_the_decisions_of_this_run_whose_horizon_is_over(location: Location) -> None:
    made = [
        bought("amy", hours=LAST_JUDGED, confidence=0.6),
        bought("bob", hours=LAST_JUDGED + 1, confidence=0.7),
        bought("cid", hours=1, confidence=0.8, run=2),
        bought("dan", hours=1, confidence=None),
    ]
    html = page(location, made)
    assert "<h3>ppo, version 3</h3>" in html.replace("<bdi>", "").replace("</bdi>", "")
    assert "Confidence 60 % to 60 %: mean 60 %, earned 100 % of 1." in html
    assert "Confidence 70 %" not in html
    assert "Confidence 80 %" not in html


@pytest.mark.parametrize("made", [[], [bought("amy", hours=1, confidence=None)]])
def test_without_a_confidence_that_was_put_to_the_test_the_page_says_so(location: Location, made: list[Entry]) -> None:
    assert ABSENT in page(location, made)


def test_latencies_stand_under_the_arm_that_answered(location: Location) -> None:
    policy = Subject(model="ppo", version="3", arm=Arm.RL)
    # Even within its bucket: half are below 5 ms, 99 of 100 below 9.9 ms.
    html = page(location, [], {policy: [LatencyBucket(upper_ms=10.0, count=100)]})
    assert _cells(html, "Latency since this deployment began, median, ms") == ["5.0", "not known"]
    assert _cells(html, "Latency since this deployment began, 99th percentile, ms") == ["9.9", "not known"]


def _cells(html: str, name: str) -> list[str]:
    row = html.split(f">{name}</th>")[1].split("</tr>")[0]
    return [cell.split("</td>")[0] for cell in row.split("<td>")[1:]]
