"""What the desk decided comes out again from the journal alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ab.assignment import UnknownSplit
from ab.state import Command
from adapters.store.engine import Location
from settings import Settings
from tests.fakes.advisers import FakePolicy, agent, signal
from tests.fakes.market import FakeMarket
from tests.fakes.recorded_decisions import (
    BARS,
    NOW_S,
    RULE_BUYS,
    agreed,
    at,
    calibrated,
    decide,
    journal,
    log_of,
    shipped,
    split_by,
    tamper,
)
from tests.fakes.settings import settings
from tests.fakes.stores import STORES
from trading.agents import AgentState
from trading.errors import PolicyTimedOut
from trading.vocabulary import Action, Arm, AssignmentReason, BlockReason, ConfidenceReason, FailureReason, Quote
from wiring.replay import replay


@pytest.fixture
def setup(tmp_path: Path) -> Settings:
    """The defaults over a store in `tmp_path`, everybody in the RL arm, with a shelf for more bundles."""
    (tmp_path / "shelf").mkdir()
    return settings(tmp_path, data_dir=tmp_path, rl_traffic_percentage=1.0, rl_models_path=tmp_path / "shelf")


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """A fresh store with its tables, on each database in turn."""
    return STORES[request.param](tmp_path)


@pytest.fixture
def here(tmp_path: Path) -> Location:
    """A store on SQLite, where it does not matter which."""
    return STORES["sqlite"](tmp_path)


def ended() -> FakeMarket:
    """A replay that is over."""
    market = FakeMarket({"BTC": BARS}, ends=True)
    market.advance(60.0)
    return market


@pytest.mark.parametrize("name", ["ppo-btc-1h", "a2c-btc-1h", "dqn-btc-1h", "ensemble-btc-1h"])
def test_what_a_shipped_policy_decided_comes_out_again(
    location: Location, setup: Settings, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    decision = decide(setup, signal(), bundle=shipped(name))
    assert decision.served_arm is Arm.RL
    journal(location, decision, agreed(setup))
    assert replay(at(location, setup), "r1") == 0
    assert capsys.readouterr().out.startswith("equal: decision r1, ")


SCENES: dict[str, dict[str, Any]] = {
    "the rule after the policy timed out": {
        "asked": signal(reading=RULE_BUYS),
        "policy": FakePolicy(error=PolicyTimedOut("late")),
        "expect": {"served_arm": Arm.FALLBACK, "failure": FailureReason.POLICY_TIMEOUT, "action": Action.BUY},
    },
    "HOLD at the end of a replay": {
        "asked": signal(),
        "market": ended(),
        "expect": {"served_arm": Arm.HOLD, "blocked_by": (BlockReason.MARKET_ENDED,)},
    },
    "HOLD without a signal": {
        "asked": replace(signal(), reading=None),
        "expect": {"served_arm": Arm.HOLD, "failure": FailureReason.NO_SIGNAL, "action": Action.HOLD},
    },
    "HOLD before the first bar": {
        "asked": signal(),
        "market": FakeMarket({"BTC": ()}),
        "expect": {"served_arm": Arm.HOLD, "market": None},
    },
    "an old signal with a price that is far off": {
        "asked": signal(sent_at_s=NOW_S - 3600.0, quote=Quote(price=1e9, bid=None, ask=None, at_s=None)),
        "policy": FakePolicy(error=PolicyTimedOut("late")),
        "expect": {"blocked_by": (BlockReason.STALE_SIGNAL, BlockReason.PRICE_MISMATCH)},
    },
    "a paused agent that does not trade the symbol": {
        "asked": signal(),
        "policy": FakePolicy(error=PolicyTimedOut("late")),
        "known": {"user123": agent(AgentState.PAUSED, symbols=("ETH",))},
        "expect": {"blocked_by": (BlockReason.AGENT_PAUSED, BlockReason.SYMBOL_NOT_ALLOWED)},
    },
}


@pytest.mark.parametrize("scene", SCENES)
def test_what_was_decided_without_the_policy_comes_out_again(
    location: Location, setup: Settings, scene: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = dict(SCENES[scene])
    expect = given.pop("expect")
    decision = decide(setup, **given)
    assert {name: getattr(decision, name) for name in expect} == expect
    journal(location, decision, agreed(setup))
    assert replay(at(location, setup), "r1") == 0, capsys.readouterr()


@pytest.mark.parametrize(
    ("threshold", "source", "blocked_by"),
    [
        (0.4, "fake", ()),
        (0.6, "fake", (BlockReason.LOW_CONFIDENCE,)),
        (0.4, "simulated", (BlockReason.UNCALIBRATED,)),
    ],
)
def test_an_agents_threshold_is_judged_again(
    here: Location, setup: Settings, threshold: float, source: str, blocked_by: tuple[BlockReason, ...]
) -> None:
    bundle = calibrated(setup, (0.0, 0.0, 5.0))
    known = {"user123": agent(confidence_threshold=threshold)}
    decision = decide(setup, signal(), bundle=bundle, known=known, source=source)
    assert (decision.action, decision.blocked_by) == (Action.BUY, blocked_by)
    journal(here, decision, agreed(setup, source))
    assert replay(setup, "r1") == 0


def test_what_was_blocked_as_the_agent_was_not_known_well_enough_is_blocked_again(
    here: Location, setup: Settings
) -> None:
    decision = decide(
        setup, signal(), bundle=calibrated(setup, (0.0, 0.0, 5.0)), known={"user123": agent()}, known_for_s=60
    )
    assert decision.blocked_by == (BlockReason.STALE_STATE,)
    journal(here, decision, agreed(setup))
    assert replay(setup, "r1") == 0


def test_a_target_the_venue_cannot_hold_is_clipped_again(here: Location, setup: Settings) -> None:
    # The bundle wants 1.0 at the most, so this venue holds half.
    kept = agreed(setup)
    half = replace(kept.terms.exposures, highest=0.5)
    bundle = calibrated(setup, (0.0, 0.0, 5.0))
    decision = decide(setup, signal(), bundle=bundle)
    advice = replace(decision.advice, confidence=None, confidence_reason=ConfidenceReason.UNCALIBRATED)
    journal(
        here,
        replace(decision, advice=advice, target_exposure=0.5),
        replace(kept, terms=replace(kept.terms, exposures=half)),
    )
    assert replay(setup, "r1") == 0


def test_an_arm_is_made_again_from_the_log_as_it_was_then(
    location: Location, setup: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    decision = decide(setup, signal(), bundle=shipped("ppo-btc-1h"))
    journal(location, decision, agreed(setup), log_of(Command.PAUSE, Command.ROLLBACK, Command.START))
    assert replay(at(location, setup), "r1") == 0, capsys.readouterr()


@pytest.mark.parametrize(
    ("command", "reason"), [(Command.PAUSE, AssignmentReason.POSITION_HOLD), (Command.KILL, AssignmentReason.KILLED)]
)
def test_who_answered_while_a_position_was_open_comes_out_again(
    here: Location, setup: Settings, command: Command, reason: AssignmentReason, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_of(command)
    decision = decide(
        setup,
        signal(),
        bundle=shipped("ppo-btc-1h"),
        known={"user123": agent()},
        assigner=split_by(log),
        opened_by=Arm.RL,
    )
    assert (decision.assignment.arm, decision.serving_reason) == (Arm.FALLBACK, reason)
    journal(here, decision, agreed(setup), log)
    assert replay(setup, "r1") == 0
    said = "which arm had opened the position (rl)" in capsys.readouterr().out
    assert said is (decision.served_arm is Arm.RL)


def test_an_arm_that_was_given_while_no_experiment_was_known_is_taken_as_recorded(
    here: Location, setup: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    decision = decide(setup, signal(reading=RULE_BUYS), assigner=UnknownSplit(key="default"))
    journal(here, decision, agreed(setup))
    assert replay(setup, "r1") == 0
    assert "the assignment, which names no log of its experiment" in capsys.readouterr().out


def before_experiments_had_a_log(document: Any) -> None:
    """Write a document as it was in version 2."""
    document["v"] = 2
    del document["held_arm"]
    del document["advice"]["keeps"]
    for name in ("version", "run", "propensity", "model", "max_notional_usd"):
        del document["assignment"][name]


def test_a_decision_from_before_experiments_had_a_log_comes_out_again(
    location: Location, setup: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    journal(location, decide(setup, signal(), bundle=shipped("ppo-btc-1h")), agreed(setup), log=[])
    tamper(location, before_experiments_had_a_log)
    assert replay(at(location, setup), "r1") == 0, capsys.readouterr()
    assert "the assignment, which names no log of its experiment" in capsys.readouterr().out


def test_a_rule_that_kept_what_was_held_before_anybody_wrote_that_down_comes_out_again(
    location: Location, setup: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    holds = replace(RULE_BUYS, action=Action.HOLD)
    decision = decide(setup, signal(reading=holds), assigner=UnknownSplit(key="default"))
    assert decision.advice.keeps is True
    journal(location, decision, agreed(setup), log=[])
    tamper(location, before_experiments_had_a_log)
    assert replay(at(location, setup), "r1") == 0, capsys.readouterr()
