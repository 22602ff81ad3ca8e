"""From settings to a market."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.data_aggregator.client import require_interval, require_listed
from adapters.live_market import LiveMarket
from adapters.market_clock import WALL_CLOCK, ClockTerms, MarketClock
from adapters.ohlcv_columns import VolumeUnit
from adapters.ohlcv_files import read_ohlcv
from adapters.replay_market import ReplayMarket, replay_terms
from adapters.simulated_market import SimulatedMarket, Simulation, simulation_terms
from adapters.store.clocks import find_clock, forget_bars_ahead, forget_clock, open_clock
from adapters.store.engine import Store
from settings import MarketSource, Settings
from trading.ports import Market
from wiring.stores import ask, find_store, tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A market but for its clock, and its store; `terms` None means that it lives on the wall clock."""

    terms: ClockTerms | None
    on: Callable[[MarketClock, Store], Market]


async def open_market(settings: Settings, store: Store) -> Market:
    """The market of MARKET_SOURCE; its clock runs from now on. Raises OperatorNeeded, StoreUnavailable."""
    return await begin_market(plan_market(settings), store)


def plan_market(settings: Settings) -> Plan:
    """Everything of the market of MARKET_SOURCE but its clock; may read large files. Raises OperatorNeeded."""
    return MARKETS[settings.market_source](settings)


async def begin_market(plan: Plan, store: Store) -> Market:
    """A market whose clock runs from now on. Raises StoreUnavailable."""
    clock = WALL_CLOCK if plan.terms is None else await store.write(open_clock(plan.terms, wall_s=time.time()))
    await store.write(forget_bars_ahead(clock.now_s(time.time())))
    return plan.on(clock, store)


def look_at_market(settings: Settings) -> Market:
    """The same market without starting its clock: for commands beside the service. Raises OperatorNeeded and its kinds.

    Not for a running event loop.
    """
    plan, location = plan_market(settings), find_store(settings)
    if plan.terms is None:
        return plan.on(WALL_CLOCK, Store(location))
    begun = ask(location, find_clock(plan.terms))
    return plan.on(begun or plan.terms.begin(time.time()), Store(location))


def restart_market(settings: Settings) -> bool:
    """Let the market begin anew with the next start of the service; False when there is no clock to forget.

    Raises OperatorNeeded and its kinds. Not for a running event loop.
    """
    terms = plan_market(settings).terms
    return terms is not None and tell(find_store(settings), forget_clock(terms))


def market_notes(market: Market) -> list[str]:
    """What an operator should know of this market's data, as sentences."""
    if not isinstance(market, ReplayMarket):
        return []
    notes = []
    for symbol, dataset in market.datasets.items():
        report = dataset.report
        if report.symbol not in (None, symbol):
            notes.append(f"{symbol}: {report.name} calls itself {report.symbol}; is it the right file?")
        notes += [f"{symbol}: {line}" for line in report.lines()]
    return notes


def _simulated(settings: Settings) -> Plan:
    simulation = Simulation(
        seed=settings.market_seed, symbols=settings.market_symbols, timeframe_s=settings.market_timeframe_s
    )
    terms = simulation_terms(simulation, speed=settings.market_speed)
    return Plan(terms=terms, on=lambda clock, _: SimulatedMarket(simulation, clock))


def _replay(settings: Settings) -> Plan:
    unit = VolumeUnit(settings.replay_volume.value)
    datasets = {symbol: read_ohlcv(path, volume_unit=unit) for symbol, path in settings.replay_files.items()}
    start_s = None if settings.replay_start is None else settings.replay_start.timestamp()
    terms = replay_terms(datasets, speed=settings.market_speed, start_s=start_s)
    return Plan(terms=terms, on=lambda clock, _: ReplayMarket(datasets, clock))


def _live(settings: Settings) -> Plan:
    symbols, timeframe_s = settings.market_symbols, settings.market_timeframe_s
    require_listed(symbols)
    require_interval(timeframe_s)
    return Plan(terms=None, on=lambda _, store: LiveMarket(store, symbols, timeframe_s))


MARKETS: Mapping[MarketSource, Callable[[Settings], Plan]] = {
    MarketSource.SIMULATED: _simulated,
    MarketSource.REPLAY: _replay,
    MarketSource.LIVE: _live,
}
