"""Decisions of a desk as the journal keeps them, with all that they were made by."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import SecretStr
from pydantic_core import to_json
from sqlalchemy import insert, update

from ab.assignment import Split
from ab.commands import fold
from ab.defaults import default_plan
from ab.state import Command, Event
from adapters.store.engine import Location, Store
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
from tests.fakes.advisers import FakeAgents, FakeFallback, FakeHoldings, FakePolicies, FakePolicy, FakeRecorder
from tests.fakes.bars import random_bars
from tests.fakes.bundles import constant_onnx, policy_manifest
from tests.fakes.market import EPOCH_S, HOUR_S, FakeMarket
from tests.fakes.stores import running
from trading.agents import Agent, ExecutionMode
from trading.desk import Advisers, Desk
from trading.ports import Assigner, Policy
from trading.vocabulary import Action, Arm, Decision, Reading, Signal
from wiring.circumstances import circumstances
from wiring.experiment_log import event_text, state_after, state_text

BARS = random_bars(700)
NOW_S = float(EPOCH_S + 700 * HOUR_S)
RULE_BUYS = Reading(confidence=0.85, rsi=65.0, change_percent=3.5, volume_usd=1.5e9, action=Action.BUY)


def shipped(name: str) -> Bundle:
    """A bundle as it is served."""
    return load_bundle(SHIPPED_BUNDLES / name / "1", inline_p99_s=None)


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


def calibrated(setup: Settings, scores: tuple[float, ...]) -> Bundle:
    """A bundle on the shelf that always says so, with a confidence of 0.5 for BTC on a market that is not made up."""
    assert setup.rl_models_path is not None
    return load_bundle(write_bundle(setup.rl_models_path, policy_manifest(), constant_onnx(scores)))
