"""What one worker has: its store, market, models and desk, and the loops that keep them current."""

import asyncio
import gc
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from adapters.boot import boot_clock
from adapters.live_market import LiveMarket
from adapters.metrics import FLUSH_S, Metrics
from adapters.store.choices import ACTIVE_MODEL, active_model_from
from adapters.store.engine import Store
from adapters.store.journal import Journal
from adapters.store.records import to_row
from adapters.store.secrets import secret
from adapters.store.snapshot import SnapshotReader
from adapters.store.spool import Spool
from adapters.store.terms import save_terms, terms_document
from adapters.store.thresholds import ThresholdReader
from rl_models.live import LiveFeatures
from rl_models.live_signals import LiveSignals
from rl_models.rule import FallbackRule, Rules
from schemas.decisions import MarketSourceView
from settings import Settings
from trading.desk import Advisers, Desk
from trading.jobs import Problem
from trading.ports import Market
from trading.thresholds import NO_THRESHOLDS, ThresholdSource
from trading.vocabulary import Decision
from wiring.acting import Acting, Scene
from wiring.agent_checks import AgentChecks
from wiring.agents import AgentDesk
from wiring.bar_signals import GeneratedSignals
from wiring.breaker_holds import BreakerHolds
from wiring.circumstances import circumstances
from wiring.commands import AgentCommands
from wiring.drain import end_this_process
from wiring.engine_signal import EngineSignals, Views
from wiring.feed import Feed
from wiring.floor import Floor
from wiring.job_runner import Surroundings
from wiring.journal_pages import JournalPages
from wiring.life import Life
from wiring.loops import begin, repeat, repeat_with_store, until_done, watch
from wiring.markets import Plan, begin_market, plan_market
from wiring.model_watch import follow, write_feature_names
from wiring.models import find_models, follow_models, require_timeframe
from wiring.neighbours import Around, Neighbours
from wiring.observation import COUNT_S, OBSERVE_S, DoorCounts, Observation, Observed, trading_of
from wiring.once import Once
from wiring.policies import PolicyProcess, ServedPolicies
from wiring.predictions import Predictions
from wiring.queue import Queue
from wiring.runners import RunnerCalls, UserRules
from wiring.session_pages import SessionPages
from wiring.speed import OpenCache, open_bus
from wiring.stores import find_store
from wiring.trials import Trials
from wiring.upkeep import sweep_old
from wiring.version import VERSION

LOOK_S = 0.25
# What was running when nothing is answered any more; it has drained since the signal.
DRAIN_S = 1.0
RETENTION_S = 3600.0
# Long polls only wait: so many for each request that may be inside at once.
POLLS_A_PLACE = 10
MARKET_FEED = "market_feed"
# Below DATA_DIR.
SPOOL = "spool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a worker needs of the door: an error in words of the wire, and what the door counts."""

    explain: Callable[[Exception], Problem]
    counts: Callable[[], DoorCounts]


class Worker:
    """Everything a worker process decides with. `start`, `drain` and `stop` belong to the event loop."""

    def __init__(
        self,
        settings: Settings,
        rule: FallbackRule,
        door: Door,
        calls: RunnerCalls | None = None,
        *,
        end: Callable[[], None] = end_this_process,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.store = Store(find_store(settings))
        self.known = SnapshotReader(self.store)
        self.thresholds = ThresholdReader(self.store, lambda user_id: self.known.of(user_id) is not None)
        self.bus = open_bus(settings)
        self.cache = OpenCache(settings)
        self._rule = rule
        self._door = door
        self._calls = calls
        self._end = end
        self._tasks: list[asyncio.Task[None]] = []
        self._life = Life()

    async def start(self) -> bool:
        """Open everything, read the history of every symbol, then keep all of it current.

        False when it was told to end meanwhile: it is to be stopped, and to answer nothing.
        """
        return await self._life.begin(self._start)

    async def _start(self) -> None:
        self._clock = boot_clock()
        self.neighbours = Neighbours(self.settings, self.store, now=self._clock)
        for start, stop in (
            (self.store.start, self._stop_store),
            (self.cache.start, self.cache.stop),
            (self.bus.start, self.bus.stop),
            (self.neighbours.start, self.neighbours.stop),
        ):
            self._life.at_end(stop)
            await start()
        # Large files, and verifying bundles, take seconds: this worker's heart beats on.
        plan = await asyncio.to_thread(plan_market, self.settings)
        await until_done(lambda: self._read_store(plan), LOOK_S)
        await self._open_models()
        self._open_desk()
        self._open_desks()
        await until_done(self._write_terms, LOOK_S)
        await self.policies.switch()
        self.feed.refresh()
        self.holds.apply()
        await self.journal.start()
        self.queue.start()
        self._life.at_end(self._keep_what_runs)
        # What is here now stays: the collector need not walk over it again while requests wait.
        gc.collect()
        gc.freeze()
        self._tasks = self._loops()

    def drain(self) -> bool:
        """Run nothing new of the queue and end every long poll; one that still starts, starts no more.

        True when it had started: somebody may wait for an answer.
        """
        started = self._life.end()
        if started:
            self._draining = asyncio.create_task(self.queue.drain(), name="queue_drain")
        return started

    async def stop(self) -> None:
        """End what was started, in about STOP_S; what was accepted and decided is brought to where it stays."""
        self._life.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._life.close()

    async def _keep_what_runs(self) -> None:
        await self.floor.stop()
        await asyncio.gather(self._drained(), self.journal.stop())
        await self.queue.stop()
        self.metrics.flush()

    async def _drained(self) -> None:
        # With the store away neither would end: the leases do.
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.queue.drain()
                await self.once.drain()

    async def _stop_store(self) -> None:
        with suppress(TimeoutError):
            async with self._life.time_left():
                await self.store.stop()

    def _lost(self) -> set[str]:
        # The loops that have ended while the worker goes on.
        if self._life.ending:
            return set()
        parts = (self._tasks, self.store.tasks, self.bus.tasks, self.journal.tasks, self.queue.tasks)
        return {task.get_name() for tasks in parts for task in tasks if task.done()}

    def not_ready(self) -> list[str]:
        """What the worker still waits for, as words of the wire; empty when it can answer as it should."""
        missing = self._lost()
        if self.feed.late:
            missing.add(MARKET_FEED)
        return sorted(missing)

    async def _read_store(self, plan: Plan) -> None:
        await self.known.refresh()
        self.market: Market = await begin_market(plan, self.store)
        if isinstance(self.market, LiveMarket):
            await self.market.refresh()
        self.trials = Trials(
            self.settings,
            self.store,
            self.known,
            self.market,
            check_model=lambda model: self.checks.check_arm(model, self.models.current),
            timings=self.metrics,
            now=self._clock,
        )
        await self.trials.experiments.ensure_default()
        self._secret = await self.store.write(secret("decision_ids"))
        self._bus_secret = await self.store.write(secret("bus"))

    async def _open_models(self) -> None:
        self.models = await asyncio.to_thread(
            follow_models,
            self.settings,
            wanted=self._wanted_model,
            agents_models=self._named_models,
            answers_here=self._calls is None,
        )
        self.models.require(lambda model: require_timeframe(model, self.market))
        await asyncio.to_thread(self.models.refresh)

    def _wanted_model(self) -> str:
        return active_model_from(self.known.choice(ACTIVE_MODEL)) or self.settings.rl_model

    def _named_models(self) -> frozenset[str]:
        model = self.trials.split.model
        return self.known.model_types() | (frozenset() if model is None else {model})

    def _open_desk(self) -> None:
        settings, calls = self.settings, self._calls
        self.live = LiveFeatures(self.market, self.models.current.networks)
        self.feed = Feed(self.market, self.live)
        process = None if calls is None else PolicyProcess(call=calls.policy, cache=self.cache.advice)
        self.policies = ServedPolicies(self.live, self.models, process)
        self.circumstances = circumstances(settings, market_source=self.market.source, service_version=VERSION)
        self._terms, self._terms_text = terms_document(self.circumstances)
        rules = UserRules(Rules(self._rule, self._threshold_source()), None if calls is None else calls.rule)
        advisers = Advisers(rl=self.policies, fallback=rules)
        self.desk = Desk(
            features=self.live,
            assigner=self.trials.split,
            agents=self.known,
            holdings=self.known,
            symbols=lambda: len(self.market.symbols()),
            advisers=advisers,
            recorder=self.metrics,
            limits=self.circumstances.terms.limits,
            exposures=self.circumstances.terms.exposures,
        )
        self.trials.open_shadows(self.live, advisers, self.circumstances.terms.exposures)
        self.journal = Journal(
            self.store,
            Spool(settings.data_dir / SPOOL),
            to_row=partial(to_row, terms=self._terms),
        )
        self.floor = Floor(
            settings,
            self.store,
            self.journal,
            self.known,
            self.live,
            self.market,
            recorder=self.metrics,
            now=self._clock,
        )
        market: MarketSourceView = {"source": self.market.source, "speed": self.market.speed}
        self.predictions = Predictions(
            self.desk,
            self.live,
            self.journal,
            self.floor.desk,
            self.bus,
            offer=self._offer,
            market=market,
            timeout_s=settings.prediction_timeout_seconds,
        )

    def _open_desks(self) -> None:
        settings, clock = self.settings, self._clock
        self.bus.join(self._bus_secret)
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
        sessions = self.neighbours.sessions
        self.sessions = SessionPages(sessions)
        self.checks = AgentChecks(
            self.market,
            lambda: find_models(settings),
            mode=settings.execution_mode,
            session_trades=None if sessions is None else sessions.trades,
        )
        self.agents = AgentDesk(self.store, self.known, self.models, self.checks, self.floor.closer)
        self.commands = AgentCommands(self.agents, self.checks, self.market, self.known, self.once)
        self.pages = JournalPages(self.store)
        self._life.at_end(self.trials.judging.stop)
        self._open_acting()
        self.holds = BreakerHolds(self.store, self.known, self.neighbours.breakers)
        observed = Observed(
            store=self.store,
            known=self.known,
            journal=self.journal,
            bus=self.bus,
            once=self.once,
            door=self._door.counts,
            shadows=self.trials.shadows,
            trading=trading_of(self.floor, self.acting, self.neighbours),
        )
        self.observation = Observation(observed, self.metrics)

    def _open_acting(self) -> None:
        signals = LiveSignals(self.market)
        heard = self.neighbours.signals()
        self.engine = EngineSignals(
            Views(
                features=self.live,
                signals=signals,
                policy=lambda: self.policies.of(None),
                symbols=self.market.symbols,
                halt=self.known.halt,
            )
        )
        self.acting = Acting(
            Scene(
                store=self.store,
                market=self.market,
                features=self.live,
                signals=GeneratedSignals(signals) if heard is None else heard,
                agents=self.known.agents,
                decide=self.predictions.decide_on_bar,
                secret=self._secret,
                now=self._clock,
            )
        )

    def _offer(self, decision: Decision) -> None:
        self.neighbours.offer(decision)
        self.trials.shadows.offer(decision)

    def _threshold_source(self) -> ThresholdSource:
        # Without the service, what it once said is not the last known: it is over.
        return NO_THRESHOLDS if self.settings.adaptive_threshold_url is None else self.thresholds

    def _around(self) -> Around:
        return Around(
            floor=self.floor,
            market=self.market,
            known=self.known,
            thresholds=self.thresholds,
            usable_bars=self.live.history_bars,
        )

    def _loops(self) -> list[asyncio.Task[None]]:
        observation, sweep = self.observation, partial(sweep_old, self.settings, self.store)
        return [
            begin(repeat(self.feed.refresh, self.feed.pause_s), MARKET_FEED),
            begin(repeat(self.metrics.flush, lambda: FLUSH_S), "metrics"),
            begin(repeat(observation.observe, lambda: OBSERVE_S), "observation"),
            begin(repeat_with_store(observation.count_jobs, lambda: COUNT_S), "queue_depth"),
            begin(repeat_with_store(self.known.refresh, lambda: LOOK_S), "snapshot"),
            begin(repeat(self.holds.apply, lambda: LOOK_S), "breaker_holds"),
            begin(follow(self.models, self.policies.switch, self.store), "model_watch"),
            # Not all workers of a machine at once.
            begin(repeat_with_store(sweep, lambda: random.uniform(0.5, 1.0) * RETENTION_S), "retention"),
            *self.floor.loops(),
            *self.neighbours.loops(self._around()),
            begin(self.acting.run(), "acting"),
            *self.trials.loops(),
            begin(watch(self._lost, self._end), "watch"),
        ]

    async def _write_terms(self) -> None:
        await self.store.write(save_terms(self._terms, self._terms_text))
        await write_feature_names(self.models, self.store)
