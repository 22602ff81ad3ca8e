"""The services beside us as one worker reaches them: clients, breakers, and what keeps their data current."""

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from adapters.adaptive_threshold.client import AdaptiveThreshold
from adapters.brokers import v1, v1m, v2
from adapters.brokers.catalogue import BROKERS, Surroundings
from adapters.data_aggregator.client import DataAggregator
from adapters.data_aggregator.versions import Version as AggregatorDialect
from adapters.live_market import MEMORY_BARS, LiveMarket
from adapters.store.engine import Store
from adapters.store.snapshot import SnapshotReader
from adapters.store.thresholds import ThresholdReader
from adapters.trading_service.catalogue import SESSIONS
from adapters.trading_service.sessions import ROUTE as SESSION_ROUTE
from adapters.trading_service.sessions import Sessions
from adapters.trading_service.signals import hear_signals
from adapters.trading_service.versions import Version, probe
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import Tokens, read_secret
from settings import AggregatorVersion, Settings, SignalSource, TradingVersion
from trading.agents import ExecutionMode
from trading.boot import Clock
from trading.breaker import BreakerStatus
from trading.errors import InvalidSetting, StoreUnavailable, UpstreamUnavailable
from trading.ports import Market
from trading.vocabulary import Decision
from wiring.bar_poller import TURN_S, BarPoller
from wiring.bar_poller import Watched as WatchedBars
from wiring.bar_signals import HeardSignals
from wiring.floor import Floor, paper_terms
from wiring.loops import begin, repeat_with_store
from wiring.threshold_poller import ThresholdPoller, Watched
from wiring.threshold_samples import ThresholdSamples
from wiring.trading_sessions import TradingSessions
from wiring.venues import Place

log = logging.getLogger("rl_service.upstream")

TRADING_SERVICE, DATA_AGGREGATOR, ADAPTIVE_THRESHOLD = "trading_service", "data_aggregator", "adaptive_threshold"
ORDER_ROUTE = "order"
PROBE_S = 3.0
AGAIN_S = 2.0
LOOK_S = 1.0
# Closed bars stay for as long as decisions made on them are looked at.
KEPT_S = 35 * 86_400
# V2 takes 10 orders a minute and 100 calls in 15 minutes from one address; the others what the exchange takes. What
# is left of the 100 is for sessions and for what it says it holds, which is asked every minute.
V2_ORDERS = ((10, 60.0), (50, 900.0))
V2_QUESTIONS = ((25, 900.0),)
NAMES: Mapping[Version, str] = {Version.V1: v1.NAME, Version.V1M: v1m.NAME, Version.V2: v2.NAME}


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the loops of a worker keep current; `usable_bars` closed bars in a row are what its features need."""

    floor: Floor
    market: Market
    known: SnapshotReader
    thresholds: ThresholdReader
    usable_bars: int


class Neighbours:
    """The clients of one worker. `start` opens them; nothing waits for a service that is away."""

    def __init__(self, settings: Settings, store: Store, *, now: Clock) -> None:
        self._settings = settings
        self._store = store
        self._now = now
        self._owner = secrets.token_hex(8)
        self.breakers = Breakers()
        self.trading_service = self._upstream(TRADING_SERVICE, settings.trading_service_url)
        self.sessions = None if self.trading_service is None else _sessions(self.trading_service, store, now)
        self.data_aggregator = self._upstream(DATA_AGGREGATOR, settings.data_aggregator_url)
        self.adaptive_threshold = self._upstream(ADAPTIVE_THRESHOLD, settings.adaptive_threshold_url)
        self.bars: BarPoller | None = None
        self.poller: ThresholdPoller | None = None
        self.samples: ThresholdSamples | None = None

    async def start(self) -> None:
        """Open the clients."""
        for upstream in self._upstreams():
            await upstream.start()

    async def stop(self) -> None:
        """Let another worker poll, and cut what is in flight."""
        if self.bars is not None:
            with suppress(StoreUnavailable):
                await self.bars.stop()
        for upstream in self._upstreams():
            await upstream.stop()

    def loops(self, around: Around) -> list[asyncio.Task[None]]:
        """Begin what keeps the data of the services current, for as long as the worker runs."""
        loops, market = [], around.market
        if self.trading_service is not None and self.sessions is not None:
            finding = self._find_trading_service(self.trading_service, self.sessions, around)
            loops.append(begin(finding, "trading_service"))
        if isinstance(market, LiveMarket) and self.data_aggregator is not None:
            self.bars = self._bar_poller(self.data_aggregator, market, around.usable_bars)
            loops.append(begin(repeat_with_store(self.bars.turn, lambda: TURN_S), "bars"))
            loops.append(begin(repeat_with_store(market.refresh, market.pause_s), "live_market"))
        if self.adaptive_threshold is not None:
            loops += self._threshold_loops(AdaptiveThreshold(self.adaptive_threshold), around)
        return loops

    def _threshold_loops(self, service: AdaptiveThreshold, around: Around) -> list[asyncio.Task[None]]:
        thresholds = around.thresholds
        self.poller = ThresholdPoller(
            service,
            self._store,
            thresholds,
            Watched(agents=around.known.running, symbols=around.market.symbols),
            owner=self._owner,
            now=self._now,
        )
        self.samples = ThresholdSamples(service, self._store, thresholds, now=self._now)
        return [
            begin(self.poller.run(), "threshold_poller"),
            begin(repeat_with_store(thresholds.refresh, lambda: LOOK_S), "thresholds"),
            begin(self.samples.run(), "threshold_samples"),
        ]

    def offer(self, decision: Decision) -> None:
        """A decision that AdaptiveThreshold may be asked about. Never waits."""
        if self.samples is not None:
            self.samples.offer(decision)

    def signals(self) -> HeardSignals | None:
        """TradingService's signals for agents that decide by themselves; None where theirs are generated."""
        settings, upstream = self._settings, self.trading_service
        if settings.signal_source is not SignalSource.TRADING_SERVICE or upstream is None:
            return None
        return HeardSignals(
            lambda left_s: hear_signals(upstream, deadline_s=left_s), max_age_s=settings.signal_max_age_seconds
        )

    def misses_bars(self) -> bool:
        """True while this worker asks for bars and gets none that can be used; one that is only late is no trouble."""
        failing = {} if self.bars is None else self.bars.state().failing
        return any(reason != "late" for reason in failing.values())

    def troubled(self) -> bool:
        """True while a breaker lets nothing through."""
        shut = (BreakerStatus.OPEN, BreakerStatus.HELD_OPEN)
        return any(state.status in shut for state in self.breakers.states())

    async def _find_trading_service(self, upstream: Upstream, sessions: TradingSessions, around: Around) -> None:
        live = self._settings.execution_mode is ExecutionMode.LIVE
        while True:
            stated = self._settings.trading_service_version
            try:
                version = (
                    await probe(upstream, deadline_s=PROBE_S)
                    if stated is TradingVersion.AUTO
                    else Version(stated.value)
                )
            except UpstreamUnavailable as error:
                log.log(logging.WARNING if live else logging.DEBUG, "no TradingService yet: %s", error)
                await asyncio.sleep(AGAIN_S)
                continue
            sessions.know(version, self._sessions_of(version, upstream))
            if live:
                log.info("live orders go to TradingService %s", version)
                around.floor.venues.add(ExecutionMode.LIVE, self._place(version, upstream, around.market))
            # A loop that ends is one that the worker has lost.
            await asyncio.Event().wait()

    def _sessions_of(self, version: Version, upstream: Upstream) -> Sessions | None:
        file = self._settings.trading_jwt_secret_file
        try:
            return SESSIONS[version](upstream, None if file is None else Tokens(read_secret(file)))
        except InvalidSetting as error:
            # Where orders depend on the same, they say so themselves.
            log.warning("nobody can be told of sessions at TradingService %s: %s", version, error)
            return None

    def _place(self, version: Version, upstream: Upstream, market: Market) -> Place:
        settings, file = self._settings, self._settings.trading_jwt_secret_file
        around = Surroundings(
            store=self._store,
            market=market,
            paper_terms=paper_terms(settings),
            trading_service=upstream,
            tokens=None if file is None else Tokens(read_secret(file)),
            lists_client_ids=settings.trading_lists_client_ids,
            account_user_id=settings.trading_account_user,
        )
        breaker = self.breakers.of(TRADING_SERVICE, ORDER_ROUTE)
        limited = version is Version.V2
        return Place(
            broker=BROKERS[NAMES[version]](around),
            windows=V2_ORDERS if limited else (),
            questions=V2_QUESTIONS if limited else (),
            open=lambda: breaker.state().status not in (BreakerStatus.OPEN, BreakerStatus.HELD_OPEN),
        )

    def _bar_poller(self, upstream: Upstream, market: LiveMarket, usable_bars: int) -> BarPoller:
        stated = self._settings.data_aggregator_version
        version = None if stated is AggregatorVersion.AUTO else AggregatorDialect(stated.value)
        return BarPoller(
            DataAggregator(upstream, version=version),
            self._store,
            WatchedBars(
                symbols=market.symbols(),
                timeframe_s=market.timeframe_s,
                usable_bars=min(usable_bars, MEMORY_BARS - 1),
                keep_bars=max(2 * MEMORY_BARS, KEPT_S // market.timeframe_s),
            ),
            owner=self._owner,
            now=self._now,
        )

    def _upstream(self, name: str, url: str | None) -> Upstream | None:
        return None if url is None else Upstream(name, url, self.breakers)

    def _upstreams(self) -> Sequence[Upstream]:
        every = (self.trading_service, self.data_aggregator, self.adaptive_threshold)
        return [upstream for upstream in every if upstream is not None]


def _sessions(upstream: Upstream, store: Store, now: Clock) -> TradingSessions:
    return TradingSessions(store, lambda: upstream.refuses(SESSION_ROUTE), now=now)
