"""A decision is shown with what came to be known of it, and with null for what is not known."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location
from adapters.store.exposure_shadows import Shadow, save_shadows
from adapters.store.journal_rows import Entry
from adapters.store.outcomes import Outcome, save_outcomes
from adapters.store.reported_outcomes import ReportedOutcome, save_reported
from tests.fakes.journals import entry, insert
from tests.fakes.stores import STORES, running
from tests.fakes.waiting import run
from trading.vocabulary import Action, Arm
from wiring.journal_pages import JournalPages

MADE = entry(1, user_id="amy")
SHADOW = Shadow(
    experiment="default",
    run=2,
    user_id="amy",
    symbol="BTC",
    bar_close_s=1_700_000_000,
    decision_id=MADE.decision.request_id,
    arm=Arm.FALLBACK,
    target=0.25,
    action=Action.HOLD,
)
# The bar closed at 2023-11-14T22:13:20Z.
OUTCOME = Outcome(
    experiment="default",
    run=2,
    user_id="amy",
    day="2023-11-14",
    arm=Arm.RL,
    source="as_if",
    state="known",
    net_bps=-12.5,
    fees_bps=1.25,
    turnover=0.5,
    capital_usd=10_000.0,
    marked_at_s=1_769_903_990.25,
)
REPORTED = ReportedOutcome(
    decision_id=MADE.decision.request_id,
    user_id="amy",
    experiment="default",
    run=2,
    market_s=1_700_000_060.0,
    net_bps=-3.5,
    net_usd=None,
    at_s=1_760_000_000.5,
    document='{"net_bps": -3.5, "note": "ü"}',
)


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


async def everything(connection: StoreConnection) -> None:
    await save_shadows(connection, [SHADOW])
    await save_outcomes([OUTCOME, replace(OUTCOME, day="2023-11-15", net_bps=99.0)])(connection)
    await save_reported(REPORTED)(connection)


def shown(location: Location, *made: Entry, told: bool = True) -> Mapping[str, Any]:
    """What is shown of the first of these decisions."""

    async def main() -> Mapping[str, Any]:
        async with running(location) as store:
            await insert(store, made)
            if told:
                await store.write(everything)
            return await JournalPages(store).decision(made[0].decision.request_id)

    return run(main())


def test_what_is_known_is_shown(location: Location) -> None:
    page = shown(location, MADE)
    assert page["experiment"] == {
        "key": "default",
        "assigned_arm": "rl",
        "served_arm": "rl",
        "reason": "hash",
        "stage": "ramp",
        "version": 4,
        "run": 2,
        "propensity": 0.5,
        "shadow": {"arm": "fallback", "target": 0.25, "action": "HOLD"},
    }
    assert page["outcome"] == {
        "reported": {"net_bps": -3.5, "net_usd": None, "note": "ü", "reported_at": "2025-10-09T08:53:20.500Z"},
        "unit": {
            "day": "2023-11-14",
            "state": "known",
            "net_bps": -12.5,
            "fees_bps": 1.25,
            "arm": "rl",
            "source": "as_if",
        },
    }


def test_what_is_not_known_is_null(location: Location) -> None:
    page = shown(location, MADE, told=False)
    assert page["experiment"]["shadow"] is None
    assert page["outcome"] == {"reported": None, "unit": None}


def test_a_later_decision_on_the_bar_leaves_none_a_shadow_of_the_earlier(location: Location) -> None:
    later = entry(2, user_id="amy")
    assert shown(location, later, MADE)["experiment"]["shadow"] is None


def test_the_day_of_another_run_or_user_is_not_that_of_this_decision(location: Location) -> None:
    decision = MADE.decision
    for other in (
        replace(decision, request_id="a" * 32, assignment=replace(decision.assignment, run=1)),
        replace(decision, request_id="b" * 32, signal=replace(decision.signal, user_id="bob")),
    ):
        page = shown(location, Entry(decision=other, decided_at_s=MADE.decided_at_s))
        assert page["outcome"] == {"reported": None, "unit": None}


def test_without_a_market_there_is_neither_shadow_nor_day(location: Location) -> None:
    nowhere = replace(MADE.decision, market=None)
    page = shown(location, Entry(decision=nowhere, decided_at_s=MADE.decided_at_s))
    assert page["experiment"]["shadow"] is None
    assert page["outcome"]["unit"] is None
