"""What a caller tells of a decision is kept once, in basis points of what its user trades with."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.store.engine import Location
from adapters.store.journal_rows import Entry
from adapters.store.reported_outcomes import ReportedOutcome, read_reported
from schemas.feedback import FeedbackParams, FeedbackRequest, FeedbackView
from tests.fakes.advisers import NOON_S, agent
from tests.fakes.journals import START_S, entry, insert
from tests.fakes.stores import STORES, running
from tests.fakes.waiting import run
from trading.errors import InvalidField, NotFound, OutcomeDiffers
from trading.vocabulary import AssignmentReason
from wiring.feedback import Feedback

MADE = entry(1, user_id="amy")
REQUEST_ID = MADE.decision.request_id


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def said(**fields: object) -> FeedbackParams:
    request = FeedbackRequest.model_validate({"request_id": REQUEST_ID, "user_id": "amy"} | fields)
    return request.model_dump()  # type: ignore[return-value]


def changed(**fields: object) -> Entry:
    decision = replace(MADE.decision, **fields)  # type: ignore[arg-type]
    return Entry(decision=decision, decided_at_s=MADE.decided_at_s)


def report(location: Location, made: Entry, *params: FeedbackParams) -> list[FeedbackView]:
    """The answers to reports of one decision, a second after each other."""
    times_s = iter(START_S + second for second in range(100))

    async def main() -> list[FeedbackView]:
        async with running(location) as store:
            await insert(store, [made])
            feedback = Feedback(store, wall_s=lambda: next(times_s))
            return [await feedback.report(one) for one in params]

    return run(main())


def kept(location: Location, experiment: str = "default", run_: int = 2) -> Sequence[ReportedOutcome]:
    async def main() -> Sequence[ReportedOutcome]:
        async with running(location) as store:
            return await store.read(read_reported(experiment, run_))

    return run(main())


def test_a_report_is_kept_with_its_decisions_experiment_run_and_market_time(location: Location) -> None:
    params = said(net_bps=-3.5, note="ü")
    (answer,) = report(location, MADE, params)
    assert answer == {
        "request_id": REQUEST_ID,
        "user_id": "amy",
        "net_bps": -3.5,
        "net_usd": None,
        "experiment": "default",
        "reported_at": "2025-10-09T08:53:20.000Z",
    }
    (told,) = kept(location)
    assert (told.market_s, told.net_bps, told.net_usd, told.at_s) == (NOON_S + 60, -3.5, None, START_S)
    assert json.loads(told.document) == params


def test_the_same_again_is_answered_as_the_first_time(location: Location) -> None:
    first, again = report(location, MADE, said(net_bps=1.0), said(net_bps=1.0))
    assert again == first


@pytest.mark.parametrize("other", [{"net_bps": 2.0}, {"net_usd": 1.0}, {"net_bps": 1.0, "note": "another"}])
def test_another_report_of_the_same_decision_is_refused_and_the_first_stays(
    location: Location, other: dict[str, object]
) -> None:
    with pytest.raises(OutcomeDiffers):
        report(location, MADE, said(net_bps=1.0), said(**other))
    (told,) = kept(location)
    assert told.net_bps == 1.0


def test_dollars_are_told_of_all_that_the_agent_trades_with(location: Location) -> None:
    owner = agent(capital_usd=50_000.0, symbols=("BTC", "ETH"))
    (answer,) = report(location, changed(agent=owner), said(net_usd=-125.0))
    assert (answer["net_bps"], answer["net_usd"]) == (-25.0, -125.0)
    (told,) = kept(location)
    assert (told.net_bps, told.net_usd) == (-25.0, -125.0)


def test_an_agent_that_named_no_capital_has_that_of_paper(location: Location) -> None:
    (answer,) = report(location, changed(agent=agent()), said(net_usd=1.0))
    assert answer["net_bps"] == 1.0


def test_dollars_of_a_user_without_an_agent_are_refused_and_basis_points_are_not(location: Location) -> None:
    alone = changed(agent=None)
    with pytest.raises(InvalidField, match="net_usd"):
        report(location, alone, said(net_usd=1.0))
    assert report(location, alone, said(net_bps=1.0))[0]["net_bps"] == 1.0


def test_dollars_beyond_all_measure_of_the_capital_are_refused(location: Location) -> None:
    with pytest.raises(InvalidField, match="net_usd"):
        report(location, changed(agent=agent(capital_usd=1e-300)), said(net_usd=1e12))


@pytest.mark.parametrize("fields", [{}, {"net_bps": 1.0, "net_usd": 1.0}])
def test_exactly_one_figure_is_told(location: Location, fields: dict[str, object]) -> None:
    with pytest.raises(InvalidField, match="net_bps"):
        report(location, MADE, said(**fields))


@pytest.mark.parametrize("other", [{"request_id": "9" * 32}, {"user_id": "bob"}])
def test_an_unknown_decision_and_one_of_another_user_are_the_same(location: Location, other: dict[str, object]) -> None:
    with pytest.raises(NotFound):
        report(location, MADE, said(net_bps=1.0, **other))


@pytest.mark.parametrize("reason", [AssignmentReason.DISABLED, AssignmentReason.UNKNOWN])
def test_a_decision_while_its_experiment_was_off_counts_in_its_run(
    location: Location, reason: AssignmentReason
) -> None:
    made = changed(assignment=replace(MADE.decision.assignment, reason=reason))
    (answer,) = report(location, made, said(net_bps=1.0))
    assert answer["experiment"] == "default"
    assert len(kept(location)) == 1


def test_a_decision_under_no_experiment_is_kept_and_counts_in_none(location: Location) -> None:
    made = changed(assignment=replace(MADE.decision.assignment, run=0))
    (answer,) = report(location, made, said(net_bps=1.0))
    assert answer["experiment"] is None
    assert kept(location) == []
    assert len(kept(location, run_=0)) == 1


def test_a_decision_without_a_market_earned_nothing(location: Location) -> None:
    with pytest.raises(InvalidField, match="request_id"):
        report(location, changed(market=None), said(net_bps=1.0))


def test_reports_from_several_workers_at_once_are_one(location: Location) -> None:
    async def main() -> None:
        async with running(location) as one, running(location) as two:
            await insert(one, [MADE])
            times_s = iter(START_S + second for second in range(100))
            answers = await asyncio.gather(
                *(Feedback(store, wall_s=lambda: next(times_s)).report(said(net_bps=1.0)) for store in (one, two) * 5)
            )
            assert all(answer == answers[0] for answer in answers)

    run(main())
    assert len(kept(location)) == 1
