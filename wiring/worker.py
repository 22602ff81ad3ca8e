"""What one worker has: its store, market, models and desk, and the loops that keep them current."""

import asyncio
import gc
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from ab.assignment import Experiment
from adapters.boot import boot_clock
from adapters.metrics import FLUSH_S, Metrics
from adapters.store import retention
from adapters.store.choices import ACTIVE_MODEL, active_model_from
from adapters.store.engine import Store
from adapters.store.journal import Journal
from adapters.store.records import to_row
from adapters.store.retention import Keep
from adapters.store.secrets import secret
from adapters.store.snapshot import SnapshotReader
from adapters.store.spool import Spool
from adapters.store.terms import save_terms, terms_document
from rl_models.live import LiveFeatures
from schemas import MarketSourceView
from settings import Settings
from trading.desk import Advisers, Desk
from trading.jobs import Problem
from trading.ports import Market, Policy
from wiring.agent_checks import AgentChecks
from wiring.agents import AgentDesk
from wiring.circumstances import circumstances
from wiring.commands import AgentCommands
from wiring.feed import Feed
from wiring.job_runner import Surroundings
from wiring.journal_pages import JournalPages
from wiring.loops import begin, repeat, repeat_with_store, until_done
from wiring.markets import open_market
from wiring.model_watch import follow, write_feature_names
from wiring.models import find_models, follow_models, require_timeframe
from wiring.observation import COUNT_S, OBSERVE_S, DoorCounts, Observation, Observed
from wiring.once import Once
from wiring.policies import PolicyCall, PolicyProcess, ServedPolicies
from wiring.predictions import Predictions
from wiring.queue import Queue
from wiring.runners import RemoteRule, RuleCall
from wiring.speed import OpenCache, open_bus
from wiring.stores import find_store
from wiring.version import VERSION

log = logging.getLogger("rl_service.worker")

# The salt of the experiment that AB_TESTING_ENABLED and RL_TRAFFIC_PERCENTAGE set up; another salt is another split of
# the users. Under this one the README's user123 falls below 0.1, so a newcomer's first request meets the policy.
DEFAULT_EXPERIMENT = "default"
DEFAULT_SALT = "rl-vs-rule-13"

LOOK_S = 0.25
DRAIN_S = 3.0
RETENTION_S = 3600.0
HOUR_S, DAY_S = 3600.0, 86_400.0
# Long polls only wait: so many for each request that may be inside at once.
POLLS_A_PLACE = 10
MARKET_FEED = "market_feed"
# Below DATA_DIR.
SPOOL = "spool"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerCalls:
    """How to reach the runners when they are processes of their own."""

    policy: PolicyCall
    rule: RuleCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a worker needs of the door: an error in words of the wire, and what the door counts."""

    explain: Callable[[Exception], Problem]
    counts: Callable[[], DoorCounts]


class Worker:
    """Everything a worker process decides with. `start` and `stop` belong to the event loop."""

    def __init__(self, settings: Settings, rule: Policy, door: Door, calls: RunnerCalls | None = None) -> None:
        self.settings = settings
        self.experiment = open_experiment(settings)
        self.metrics = Metrics()
        self.store = Store(find_store(settings))
        self.known = SnapshotReader(self.store)
        self.bus = open_bus(settings)
        self.cache = OpenCache(settings)
        self._rule = rule
        self._door = door
        self._calls = calls
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open everything, read the history of every symbol, then keep all of it current."""
        await self.store.start()
        await self.bus.start()
        await self.cache.start()
        await until_done(self._read_store, LOOK_S)
        await self._open_models()
        self._open_desk()
        self._open_desks()
        await until_done(self._write_terms, LOOK_S)
        self.feed.refresh()
        await self.journal.start()
        self.queue.start()
        # What is here now stays: the collector need not walk over it again while requests wait.
        gc.collect()
        gc.freeze()
        self._tasks = self._loops()

    def drain(self) -> None:
        """Run nothing new of the queue and end every long poll."""
        self._draining = asyncio.create_task(self.queue.drain(), name="queue_drain")

    async def stop(self) -> None:
        """End the loops; what was accepted and what was decided is brought to where it stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # With the store away neither would end: the leases do.
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.queue.drain()
                await self.once.drain()
        await self.queue.stop()
        await self.journal.stop()
        await self.bus.stop()
        await self.cache.stop()
        await self.store.stop()
        self.metrics.flush()

    def not_ready(self) -> list[str]:
        """What the worker still waits for, as words of the wire; empty when it can answer as it should."""
        missing = {task.get_name() for task in self._tasks if task.done()}
        if self.feed.late:
            missing.add(MARKET_FEED)
        return sorted(missing)

    def impaired(self) -> list[str]:
        """What does not work as it should while requests are answered, as words of the wire."""
        journal = self.journal.state(now_s=time.time())
        signs = {
            "store": self.store.failure is not None,
            "journal": journal.away or journal.dropped > 0,
            "models": self.models.refusal is not None,
        }
        return [name for name, seen in signs.items() if seen]

    async def _read_store(self) -> None:
        await self.known.refresh()
        self.market: Market = await open_market(self.settings, self.store)
        self._secret = await self.store.write(secret("decision_ids"))

    async def _open_models(self) -> None:
        # Verifying bundles takes a second: this worker's heart beats on.
        self.models = await asyncio.to_thread(
            follow_models,
            self.settings,
            wanted=self._wanted_model,
            agents_models=self.known.model_types,
            answers_here=self._calls is None,
        )
        self.models.require(lambda model: require_timeframe(model, self.market))
        await asyncio.to_thread(self.models.refresh)

    def _wanted_model(self) -> str:
        return active_model_from(self.known.choice(ACTIVE_MODEL)) or self.settings.rl_model

    def _open_desk(self) -> None:
        settings, calls = self.settings, self._calls
        self.live = LiveFeatures(self.market, self.models.current.networks)
        self.feed = Feed(self.market, self.live)
        process = None if calls is None else PolicyProcess(call=calls.policy, cache=self.cache.advice)
        self.policies = ServedPolicies(self.live, self.models, process)
        self.circumstances = circumstances(
            settings, self.experiment, market_source=self.market.source, service_version=VERSION
        )
        self._terms, self._terms_text = terms_document(self.circumstances)
        rule = self._rule
        self.desk = Desk(
            features=self.live,
            assigner=self.experiment,
            agents=self.known,
            advisers=Advisers(rl=self.policies, fallback=(rule,) if calls is None else (RemoteRule(calls.rule), rule)),
            recorder=self.metrics,
            limits=self.circumstances.terms.limits,
            exposures=self.circumstances.terms.exposures,
        )
        self.journal = Journal(
            self.store,
            Spool(settings.data_dir / SPOOL),
            to_row=partial(to_row, terms=self._terms),
        )
        market: MarketSourceView = {"source": self.market.source, "speed": self.market.speed}
        self.predictions = Predictions(
            self.desk,
            self.live,
            self.journal,
            self.bus,
            market=market,
            timeout_s=settings.prediction_timeout_seconds,
        )

    def _open_desks(self) -> None:
        settings, clock = self.settings, boot_clock()
        self.once = Once(self.store, self.bus, secret=self._secret, now=clock)
        around = Surroundings(
            store=self.store,
            journal=self.journal,
            bus=self.bus,
            now=clock,
            decide=self.predictions.decide_later,
            explain=self._door.explain,
            announce=self.predictions.announce,
        )
        self.queue = Queue(
            around,
            max_waiting=settings.max_queue_size,
            max_polls=POLLS_A_PLACE * settings.max_concurrent_requests,
        )
        self.checks = AgentChecks(self.market, lambda: find_models(settings), mode=settings.execution_mode)
        self.agents = AgentDesk(self.store, self.known, self.models, self.checks)
        self.commands = AgentCommands(self.agents, self.checks, self.market, self.known, self.once)
        self.pages = JournalPages(self.store)
        observed = Observed(
            store=self.store,
            known=self.known,
            journal=self.journal,
            bus=self.bus,
            once=self.once,
            door=self._door.counts,
        )
        self.observation = Observation(observed, self.metrics)

    def _loops(self) -> list[asyncio.Task[None]]:
        observation = self.observation
        return [
            begin(repeat(self.feed.refresh, self.feed.pause_s), MARKET_FEED),
            begin(repeat(self.metrics.flush, lambda: FLUSH_S), "metrics"),
            begin(repeat(observation.observe, lambda: OBSERVE_S), "observation"),
            begin(repeat_with_store(observation.count_jobs, lambda: COUNT_S), "queue_depth"),
            begin(repeat_with_store(self.known.refresh, lambda: LOOK_S), "snapshot"),
            begin(follow(self.models, self.policies.switch, self.store), "model_watch"),
            # Not all workers of a machine at once.
            begin(repeat_with_store(self._sweep, lambda: random.uniform(0.5, 1.0) * RETENTION_S), "retention"),
        ]

    async def _write_terms(self) -> None:
        await self.store.write(save_terms(self._terms, self._terms_text))
        await write_feature_names(self.models, self.store)

    async def _sweep(self) -> None:
        settings = self.settings
        decisions_s = settings.journal_retention_days * DAY_S
        # The id of a keyed decision is made of its key: a key may be new again only when its decision is gone.
        keep = Keep(
            decisions_s=decisions_s,
            results_s=settings.result_retention_hours * HOUR_S,
            answers_s=decisions_s + DAY_S,
        )
        swept = await retention.sweep(self.store, keep, now_s=time.time())
        log.info("kept long enough: %s", swept)


def open_experiment(settings: Settings) -> Experiment:
    """The default experiment as the environment sets it up."""
    return Experiment(
        key=DEFAULT_EXPERIMENT,
        salt=DEFAULT_SALT,
        enabled=settings.ab_testing_enabled,
        rl_share=settings.rl_traffic_percentage,
    )
