"""The generated signal of each symbol at its last close, for agents that decide by themselves."""

from rl_models.features.memory import DAY_S
from rl_models.signal_generator import SignalGenerator
from trading.ports import Market
from trading.vocabulary import Bar, Reading

# After so many bars the RSI has forgotten, to 1e-9, where it began.
RSI_MEMORY_BARS = 400
# Bars read beyond that, as a few may be missing.
SPARE_BARS = 50


class LiveSignals:
    """One generator per symbol that was asked for, kept current bar by bar. For one event loop."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._history_bars = max(DAY_S // market.timeframe_s + 1, RSI_MEMORY_BARS) + SPARE_BARS
        self._symbols: dict[str, _Symbol] = {}

    def at(self, symbol: str, close_s: int) -> Reading | None:
        """The signal at the close of the bar that closed at `close_s` (market time, Unix seconds).

        None while it warms up, and where no bar closed then. Later bars change nothing at it. Raises UnknownSymbol.
        """
        known = self._symbols.get(symbol)
        if known is None or not self._continue(known, close_s):
            known = self._reopen(symbol, close_s)
        return known.reading if known.close_s == close_s else None

    def _continue(self, known: "_Symbol", close_s: int) -> bool:
        if close_s <= known.close_s:
            return close_s == known.close_s
        last_open_s = known.close_s - self._market.timeframe_s
        fresh = self._market.closed_bars(known.name, after_s=last_open_s, limit=self._history_bars)
        if len(fresh) == self._history_bars:
            return False
        for bar in fresh:
            known.push(bar, until_s=close_s)
        return True

    def _reopen(self, symbol: str, close_s: int) -> "_Symbol":
        opened = _Symbol(symbol, self._market.timeframe_s)
        for bar in self._market.closed_bars(symbol, after_s=None, limit=self._history_bars):
            opened.push(bar, until_s=close_s)
        self._symbols[symbol] = opened
        return opened


class _Symbol:
    def __init__(self, name: str, timeframe_s: int) -> None:
        self.name = name
        self.close_s = 0
        self.reading: Reading | None = None
        self._timeframe_s = timeframe_s
        self._generator = SignalGenerator(timeframe_s)

    def push(self, bar: Bar, *, until_s: int) -> None:
        close_s = bar.open_time_s + self._timeframe_s
        if close_s <= until_s:
            self.reading = self._generator.update(bar)
            self.close_s = close_s
