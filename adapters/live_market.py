"""The market as it is, in bars that the store has; keeps trading.ports.Market."""

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

from adapters.store.bars import newer_bars
from adapters.store.engine import Store
from trading.errors import UnknownSymbol
from trading.vocabulary import STALE_TIMEFRAMES, Bar

LIVE = "live"

# Bars in memory by symbol: as many as the first filling brings, and more than the longest warm-up by far.
MEMORY_BARS = 1_000
# Between two looks at the store: while a bar is due, and else.
DUE_S = 0.25
IDLE_S = 1.0


class LiveMarket:
    """Bars of the wall clock's time, as one poller writes them for all workers. Empty before the first `refresh`.

    When they stop coming, what is there grows stale. For one event loop; only `refresh` waits.
    """

    def __init__(
        self, store: Store, symbols: Sequence[str], timeframe_s: int, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._timeframe_s = timeframe_s
        self._wall_s = wall_s
        self._bars: dict[str, list[Bar]] = {symbol: [] for symbol in sorted(symbols)}

    async def refresh(self) -> None:
        """Take in what was written since the last time. Raises StoreUnavailable."""
        earliest_s = int(self._wall_s()) - (MEMORY_BARS + 1) * self._timeframe_s
        after_s = {symbol: bars[-1].open_time_s if bars else earliest_s for symbol, bars in self._bars.items()}
        for symbol, fresh in (await self._store.read(newer_bars(self._timeframe_s, after_s))).items():
            self._bars[symbol] = (self._bars[symbol] + fresh)[-MEMORY_BARS:]

    def pause_s(self) -> float:
        """Until the next refresh."""
        now_s = self._wall_s()
        closed_s = now_s // self._timeframe_s * self._timeframe_s
        if any(not bars or bars[-1].open_time_s + self._timeframe_s < closed_s for bars in self._bars.values()):
            return DUE_S
        return min(max(closed_s + self._timeframe_s - now_s, DUE_S), IDLE_S)

    @property
    def source(self) -> str:
        return LIVE

    @property
    def speed(self) -> float:
        return 1.0

    @property
    def timeframe_s(self) -> int:
        return self._timeframe_s

    def symbols(self) -> tuple[str, ...]:
        return tuple(self._bars)

    def now_s(self) -> float:
        return self._wall_s()

    def closed_bars(self, symbol: str, *, after_s: int | None, limit: int) -> Sequence[Bar]:
        if symbol not in self._bars:
            raise UnknownSymbol(symbol)
        bars = self._bars[symbol]
        end = bisect_right(bars, self.now_s() - self._timeframe_s, key=_open_time_s)
        start = max(end - limit, 0)
        if after_s is not None:
            start = max(start, bisect_right(bars, after_s, key=_open_time_s))
        return bars[start:end]

    def wall_time_s(self, market_time_s: float) -> float:
        return market_time_s

    def stale(self) -> bool:
        """True while a symbol has no bar, or its last one is so old that no decision on it is acted on."""
        last_closes_s = [bars[-1].open_time_s + self._timeframe_s if bars else 0 for bars in self._bars.values()]
        return any(self.now_s() - close_s > STALE_TIMEFRAMES * self._timeframe_s for close_s in last_closes_s)

    def ended(self) -> bool:
        return False


def _open_time_s(bar: Bar) -> int:
    return bar.open_time_s
