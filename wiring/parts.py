"""What one worker has, each part opened with those it needs.

Longer than other files: the parts meet here and nowhere else. What each of them does is in its own file.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from adapters.boot import boot_clock
from adapters.live_market import LiveMarket
from adapters.metrics import Metrics
from adapters.store.choices import ACTIVE_MODEL, active_model_from
from adapters.store.engine import Store
from adapters.store.journal import Journal
from adapters.store.records import to_row
from adapters.store.secrets import secret
from adapters.store.snapshot import SnapshotReader
from adapters.store.spool import Spool
from adapters.store.terms import save_terms
from adapters.store.thresholds import ThresholdReader
from rl_models.live_signals import LiveSignals
from rl_models.rule import FallbackRule, Rules
from schemas.decisions import MarketSourceView
from settings import Settings
from trading.jobs import Problem
from trading.ports import Market
from trading.thresholds import NO_THRESHOLDS, ThresholdSource
from trading.vocabulary import Decision
from wiring.acting import Acting, Scene
from wiring.agent_checks import AgentChecks
from wiring.agents import AgentDesk
from wiring.bar_signals import GeneratedSignals
from wiring.breaker_holds import BreakerHolds
from wiring.commands import AgentCommands
from wiring.deciding import Deciding
from wiring.engine_signal import EngineSignals, Views
from wiring.floor import Floor
from wiring.job_runner import Surroundings
from wiring.journal_pages import JournalPages
from wiring.markets import Plan, begin_market
from wiring.model_watch import write_feature_names
from wiring.models import find_models, follow_models, require_timeframe
from wiring.neighbours import Around, Neighbours
from wiring.observation import DoorCounts, Observation, Observed, trading_of
from wiring.once import Once
from wiring.policies import PolicyProcess
from wiring.predictions import Predictions
from wiring.queue import Queue
from wiring.runners import RunnerCalls, UserRules
from wiring.session_pages import SessionPages
from wiring.speed import OpenCache, open_bus
from wiring.stores import find_store
from wiring.trials import Trials

# Long polls only wait: so many for each request that may be inside at once.
POLLS_A_PLACE = 10
# Below DATA_DIR.
SPOOL = "spool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a worker needs of the door: an error in words of the wire, and what the door counts."""

    explain: Callable[[Exception], Problem]
    counts: Callable[[], DoorCounts]


class Parts:
    """Everything a worker process decides with: `open_neighbours`, `open_store`, `open_models`, `open_desks`, in turn.

    Nothing here starts a part that has a `start`, or stops one: see wiring.worker.
    """

    def __init__(self, settings: Settings, rule: FallbackRule, door: Door, calls: RunnerCalls | None) -> None:
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

    def open_neighbours(self) -> None:
        """Make the clients of the services beside us, on the clock of this boot."""
        self._clock = boot_clock()
        self.neighbours = Neighbours(self.settings, self.store, now=self._clock)

    async def open_store(self, plan: Plan) -> None:
        """Read what everybody knows, and begin the market. Raises StoreUnavailable; it may then be tried again."""
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

    async def open_models(self) -> None:
        """Open the models that are to serve, beside the event loop. Raises OperatorNeeded and its kinds."""
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

    def open_desks(self) -> None:
        """Make what decides, trades, answers and observes."""
        self._open_deciding()
        self._open_floor()
        self._open_queue()
        self._open_agents()
        self._open_acting()
        self._open_observation()

    async def write_terms(self) -> None:
        """Keep what decisions here are made by. Raises StoreUnavailable."""
        await self.store.write(save_terms(self.deciding.terms, self.deciding.terms_text))
        await write_feature_names(self.models, self.store)

    def _open_deciding(self) -> None:
        calls = self._calls
        self.deciding = Deciding(
            self.settings,
            self.known,
            self.market,
            self.models,
            rules=UserRules(Rules(self._rule, self._threshold_source()), None if calls is None else calls.rule),
            process=None if calls is None else PolicyProcess(call=calls.policy, cache=self.cache.advice),
            assigner=self.trials.split,
            recorder=self.metrics,
        )
        self.trials.open_shadows(self.deciding.live, self.deciding.advisers, self.deciding.exposures)

    def _open_floor(self) -> None:
        settings, live = self.settings, self.deciding.live
        self.journal = Journal(
            self.store,
            Spool(settings.data_dir / SPOOL),
            to_row=partial(to_row, terms=self.deciding.terms),
        )
        self.floor = Floor(
            settings,
            self.store,
            self.journal,
            self.known,
            live,
            self.market,
            recorder=self.metrics,
            now=self._clock,
        )
        market: MarketSourceView = {"source": self.market.source, "speed": self.market.speed}
        self.predictions = Predictions(
            self.deciding.desk,
            live,
            self.journal,
            self.floor.desk,
            self.bus,
            offer=self._offer,
            market=market,
            timeout_s=settings.prediction_timeout_seconds,
        )

    def _open_queue(self) -> None:
        self.bus.join(self._bus_secret)
        self.once = Once(self.store, self.bus, secret=self._secret, now=self._clock)
        around = Surroundings(
            store=self.store,
            journal=self.journal,
            bus=self.bus,
            now=self._clock,
            decide=self.predictions.decide_later,
            explain=self._door.explain,
            announce=self.predictions.announce,
        )
        self.queue = Queue(
            around,
            max_waiting=self.settings.max_queue_size,
            max_polls=POLLS_A_PLACE * self.settings.max_concurrent_requests,
        )

    def _open_agents(self) -> None:
        settings = self.settings
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

    def _open_acting(self) -> None:
        signals = LiveSignals(self.market)
        heard = self.neighbours.signals()
        self.engine = EngineSignals(
            Views(
                features=self.deciding.live,
                signals=signals,
                policy=lambda: self.deciding.policies.of(None),
                symbols=self.market.symbols,
                halt=self.known.halt,
            )
        )
        self.acting = Acting(
            Scene(
                store=self.store,
                market=self.market,
                features=self.deciding.live,
                signals=GeneratedSignals(signals) if heard is None else heard,
                agents=self.known.agents,
                decide=self.predictions.decide_on_bar,
                secret=self._secret,
                now=self._clock,
            )
        )

    def _open_observation(self) -> None:
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

    def _offer(self, decision: Decision) -> None:
        self.neighbours.offer(decision)
        self.trials.shadows.offer(decision)

    def _threshold_source(self) -> ThresholdSource:
        # Without the service, what it once said is not the last known: it is over.
        return NO_THRESHOLDS if self.settings.adaptive_threshold_url is None else self.thresholds

    def around(self) -> Around:
        """What the loops of the neighbours keep current."""
        return Around(
            floor=self.floor,
            market=self.market,
            known=self.known,
            thresholds=self.thresholds,
            usable_bars=self.deciding.live.history_bars,
        )
