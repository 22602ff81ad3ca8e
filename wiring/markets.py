"""From settings to a market."""

from collections.abc import Callable, Mapping

from adapters.ohlcv_columns import VolumeUnit
from adapters.ohlcv_files import read_ohlcv
from adapters.replay_market import ReplayMarket
from adapters.simulated_market import SimulatedMarket, Simulation
from settings import MarketSource, Settings
from trading.ports import Market


def open_market(settings: Settings) -> Market:
    """The market of MARKET_SOURCE; its clock runs from now on. Raises OperatorNeeded and its kinds."""
    return MARKETS[settings.market_source](settings, True)


def look_at_market(settings: Settings) -> Market:
    """The same market without starting its clock: for commands beside the service. Raises as `open_market`."""
    return MARKETS[settings.market_source](settings, False)


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


def _simulated(settings: Settings, begin: bool) -> Market:
    simulation = Simulation(
        seed=settings.market_seed, symbols=settings.market_symbols, timeframe_s=settings.market_timeframe_s
    )
    return SimulatedMarket.open(simulation, directory=settings.data_dir, speed=settings.market_speed, begin=begin)


def _replay(settings: Settings, begin: bool) -> Market:
    unit = VolumeUnit(settings.replay_volume.value)
    datasets = {symbol: read_ohlcv(path, volume_unit=unit) for symbol, path in settings.replay_files.items()}
    start_s = None if settings.replay_start is None else settings.replay_start.timestamp()
    return ReplayMarket.open(
        datasets, directory=settings.data_dir, speed=settings.market_speed, start_s=start_s, begin=begin
    )


MARKETS: Mapping[MarketSource, Callable[[Settings, bool], Market]] = {
    MarketSource.SIMULATED: _simulated,
    MarketSource.REPLAY: _replay,
}
