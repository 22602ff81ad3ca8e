"""What the desk decided comes out again from the journal alone, and whatever was changed since is named."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import to_json
from sqlalchemy import delete, insert, update

from ab.assignment import Split, UnknownSplit
from ab.commands import fold
from ab.defaults import default_plan
from ab.state import Command, Event
from adapters.store.engine import Location, Store
from adapters.store.experiment_tables import experiment_events
from adapters.store.experiments import ExperimentChange, LoggedEvent, change_experiment
from adapters.store.records import to_row
from adapters.store.tables import decisions
from adapters.store.terms import Circumstances, save_terms, terms_document
from rl_models.bundle import Bundle, load_bundle, write_bundle
from rl_models.live import LiveFeatures
from rl_models.policy import BundlePolicy
from rl_models.rule import FallbackRule
from rl_models.shelf import SHIPPED_BUNDLES
from settings import Settings
from tests.fakes.advisers import (
    FakeAgents,
    FakeFallback,
    FakeHoldings,
    FakePolicies,
    FakePolicy,
    FakeRecorder,
    agent,
    signal,
)
from tests.fakes.bars import random_bars
from tests.fakes.bundles import constant_onnx, policy_manifest
from tests.fakes.market import EPOCH_S, HOUR_S, FakeMarket
from tests.fakes.settings import settings
from tests.fakes.stores import STORES, running
from trading.agents import Agent, AgentState, ExecutionMode
from trading.desk import Advisers, Desk
from trading.errors import PolicyTimedOut
from trading.ports import Assigner, Policy
from trading.vocabulary import (
    Action,
    Arm,
    AssignmentReason,
    BlockReason,
    ConfidenceReason,
    Decision,
    FailureReason,
    Quote,
    Reading,
    Signal,
)
from wiring.circumstances import circumstances
from wiring.experiment_log import event_text, state_after, state_text
from wiring.replay import replay

BARS = random_bars(700)
NOW_S = float(EPOCH_S + 700 * HOUR_S)
RULE_BUYS = Reading(confidence=0.85, rsi=65.0, change_percent=3.5, volume_usd=1.5e9, action=Action.BUY)


def shipped(name: str) -> Bundle:
    """A bundle as it is served."""
    return load_bundle(SHIPPED_BUNDLES / name / "1", inline_p99_s=None)


@pytest.fixture
def setup(tmp_path: Path) -> Settings:
    """The defaults over a store in `tmp_path`, everybody in the RL arm, with a shelf for more bundles."""
    (tmp_path / "shelf").mkdir()
    return settings(tmp_path, data_dir=tmp_path, rl_traffic_percentage=1.0, rl_models_path=tmp_path / "shelf")


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """A fresh store with its tables, on each database in turn."""
    return STORES[request.param](tmp_path)


def at(location: Location, setup: Settings) -> Settings:
    """The settings of a service on this database."""
    if location.file is not None:
        return setup.model_copy(update={"data_dir": location.file.parent})
    return setup.model_copy(update={"database_url": SecretStr(location.url.render_as_string(hide_password=False))})


def agreed(setup: Settings, source: str = "fake") -> Circumstances:
    """What a worker with these settings decides by."""
    return circumstances(setup, market_source=source, service_version="0.1.0")


def log_of(*commands: Command, share: float = 1.0) -> Sequence[Event]:
    """The log of the default experiment with one stage of this share, and these commands after its start."""
    plan = default_plan("default", "s", share)
    return [
        Event(
            experiment="default",
            number=number,
            command=command,
            by="operator",
            reason=None,
            at_s=float(number),
            market_s=float(number),
            plan=plan if command is Command.CREATE else None,
        )
        for number, command in enumerate((Command.CREATE, Command.START, *commands), start=1)
    ]


STARTED = log_of()


def split_by(log: Sequence[Event]) -> Split:
    """Who has which arm after these events."""
    state = state_after([event_text(event) for event in log])
    assert state is not None
    return Split(state)


POSITION = {("user123", "BTC", ExecutionMode.PAPER): Decimal(1)}


def decide(
    setup: Settings,
    asked: Signal,
    *,
    bundle: Bundle | None = None,
    policy: Policy | None = None,
    known: Mapping[str, Agent] | None = None,
    market: FakeMarket | None = None,
    source: str = "fake",
    known_for_s: float = 0.0,
    assigner: Assigner | None = None,
    opened_by: Arm | None = None,
) -> Decision:
    """What a desk with this bundle, or this policy, answers to a signal; with a position if an arm opened one."""
    terms = agreed(setup, source).terms
    market = market or FakeMarket({"BTC": BARS, "ETH": BARS}, source=source)
    live = LiveFeatures(market, () if bundle is None else bundle.networks)
    live.refresh()
    active = policy or (FakePolicy() if bundle is None else BundlePolicy(live, bundle))
    desk = Desk(
        features=live,
        assigner=assigner or split_by(STARTED),
        agents=FakeAgents(known or {}, known_for_s),
        holdings=FakeHoldings() if opened_by is None else FakeHoldings(POSITION, arm=opened_by),
        symbols=lambda: 2,
        advisers=Advisers(
            rl=FakePolicies(active, {"ensemble": active}),
            fallback=FakeFallback(FallbackRule(fallback_exposure=terms.fallback_exposure)),
        ),
        recorder=FakeRecorder(),
        limits=terms.limits,
        exposures=terms.exposures,
        wall_s=lambda: NOW_S,
    )
    return asyncio.run(desk.decide(asked, request_id="r1", budget_s=1.0))


async def keep_log(store: Store, log: Sequence[Event]) -> None:
    """Put an experiment's events into the store as the service does."""
    state = None
    for event in log:
        state = fold(state, event)
        detail = event_text(event)
        kept = LoggedEvent(
            number=event.number,
            at_s=event.at_s,
            market_s=event.market_s,
            by=event.by,
            command=event.command,
            detail=detail,
        )
        change = ExperimentChange(event=kept, document=state_text(state), in_force=True)
        await store.write(change_experiment(event.experiment, lambda *_, change=change: change))


def journal(location: Location, decision: Decision, kept: Circumstances, log: Sequence[Event] = STARTED) -> None:
    """Put a decision, and the log of its experiment, into the store as the service does."""
    digest, text = terms_document(kept)
    row = to_row(decision, decided_at_s=NOW_S, terms=digest)

    async def write() -> None:
        async with running(location) as store:
            await store.write(save_terms(digest, text))
            await keep_log(store, log)
            values = row | {"document": to_json(row["document"]).decode()}
            await store.write(lambda connection: connection.execute(insert(decisions).values(values)))

    asyncio.run(write())


def tamper(location: Location, change: Callable[[Any], None]) -> None:
    """Change the document of the one decision behind the service's back."""

    async def work(connection: Any) -> None:
        document = json.loads((await connection.execute(decisions.select())).one().document)
        change(document)
        await connection.execute(update(decisions).values(document=json.dumps(document)))

    async def write() -> None:
        async with running(location) as store:
            await store.write(work)

    asyncio.run(write())


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


def calibrated(setup: Settings, scores: tuple[float, ...]) -> Bundle:
    """A bundle on the shelf that always says so, with a confidence of 0.5 for BTC on a market that is not made up."""
    assert setup.rl_models_path is not None
    return load_bundle(write_bundle(setup.rl_models_path, policy_manifest(), constant_onnx(scores)))


@pytest.fixture
def here(tmp_path: Path) -> Location:
    """A store on SQLite, where it does not matter which."""
    return STORES["sqlite"](tmp_path)


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
