"""What a replay says of a journal that was changed, or that lacks what a decision was made by."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from adapters.store.engine import Location
from adapters.store.experiment_tables import experiment_events
from adapters.store.tables import decisions
from settings import Settings
from tests.fakes.advisers import FakePolicy, signal
from tests.fakes.recorded_decisions import BARS, agreed, calibrated, decide, journal, tamper
from tests.fakes.settings import settings
from tests.fakes.stores import STORES, running
from trading.errors import PolicyTimedOut
from trading.vocabulary import Quote
from wiring.replay import replay


@pytest.fixture
def setup(tmp_path: Path) -> Settings:
    """The defaults over a store in `tmp_path`, everybody in the RL arm, with a shelf for more bundles."""
    (tmp_path / "shelf").mkdir()
    return settings(tmp_path, data_dir=tmp_path, rl_traffic_percentage=1.0, rl_models_path=tmp_path / "shelf")


@pytest.fixture
def here(tmp_path: Path) -> Location:
    """A store on SQLite, where it does not matter which."""
    return STORES["sqlite"](tmp_path)


def set_at(*path: str, to: object) -> Callable[[Any], None]:
    """A change of one place of a document."""

    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (set_at("assignment", "stage", to="ramp"), "assignment.stage"),
        (set_at("assignment", "version", to=1), "assignment.run"),
        (set_at("assignment", "propensity", to=0.5), "assignment.propensity"),
        (set_at("assignment", "model", to="ppo-btc-1h"), "assignment.model"),
        (set_at("assignment", "max_notional_usd", to=1.0), "assignment.max_notional_usd"),
        (set_at("held_arm", to="rl"), "held_arm"),
        (set_at("held_arm", to="fallback"), "served_arm"),
        (set_at("served_arm", to="fallback"), "served_arm"),
        (set_at("failure", to="policy_nan"), "served_arm"),
        (set_at("advice", "scores", to=[0.0, 0.0, 5.000001]), "advice.scores"),
        (set_at("advice", "confidence", to=0.99), "advice.confidence"),
        (set_at("advice", "reasoning", to="trust me"), "advice.reasoning"),
        (set_at("target_exposure", to=0.5), "target_exposure"),
        (set_at("action", to="SELL"), "action"),
        (set_at("blocked_by", to=["stale_data"]), "blocked_by"),
        (set_at("signal", "user_id", to="user124"), "column user_id"),
        (set_at("market", "ended", to=True), "failure"),
        (set_at("market", "close", to=1.0), "blocked_by"),
        (set_at("advice", "observations", to={}), "advice"),
    ],
)
def test_a_changed_document_is_caught_and_the_first_field_that_differs_is_named(
    here: Location,
    setup: Settings,
    change: Callable[[Any], None],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quote = Quote(price=BARS[-1].close, bid=None, ask=None, at_s=None)
    decision = decide(setup, signal(quote=quote), bundle=calibrated(setup, (0.0, 0.0, 5.0)))
    journal(here, decision, agreed(setup))
    assert replay(setup, "r1") == 0
    tamper(here, change)
    capsys.readouterr()
    assert replay(setup, "r1") == 1
    assert f"\n{named}:\n  recorded   " in capsys.readouterr().out


def test_a_bundle_that_is_gone_is_named_by_its_digest(
    here: Location, setup: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    decision = decide(setup, signal(), bundle=calibrated(setup, (0.0, 0.0, 5.0)))
    journal(here, decision, agreed(setup))
    assert replay(setup.model_copy(update={"rl_models_path": None}), "r1") == 2
    assert str(decision.advice.digest) in capsys.readouterr().err


def test_what_cannot_be_made_again_is_said(here: Location, setup: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    decision = decide(setup, signal(), policy=FakePolicy(error=PolicyTimedOut("late")))
    journal(here, decision, replace(agreed(setup), libraries="another machine"))
    assert replay(setup, "r1") == 0
    said = capsys.readouterr().out
    assert "that the arm asked first failed (policy_timeout)" in said
    assert "assignment" not in said
    assert "computed then with another machine; now with numpy" in said


def test_an_unknown_decision_and_a_store_that_is_not_there_are_no_difference(
    here: Location, setup: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(setup, "r1") == 2
    assert replay(setup.model_copy(update={"data_dir": tmp_path / "nowhere"}), "r1") == 2
    assert capsys.readouterr().err.count("no such decision") == 2


def test_terms_that_are_missing_are_named(here: Location, setup: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    journal(here, decide(setup, signal()), agreed(setup))

    async def forget() -> None:
        async with running(here) as store:
            await store.write(lambda connection: connection.execute(update(decisions).values(terms="sha256:gone")))

    asyncio.run(forget())
    assert replay(setup, "r1") == 2
    assert "no terms sha256:gone" in capsys.readouterr().err


def test_a_log_that_lacks_an_event_of_that_time_is_named(
    here: Location, setup: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    journal(here, decide(setup, signal()), agreed(setup))

    async def forget() -> None:
        async with running(here) as store:
            lost = delete(experiment_events).where(experiment_events.c.number == 2)
            await store.write(lambda connection: connection.execute(lost))

    asyncio.run(forget())
    assert replay(setup, "r1") == 2
    assert "the log of default has 1 of the first 2 events" in capsys.readouterr().err
