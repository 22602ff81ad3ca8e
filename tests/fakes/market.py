"""FakeMarket: a market whose clock is set by hand and whose bars are given; keeps trading.ports.Market."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from trading.errors import UnknownSymbol
from trading.vocabulary import Bar

HOUR_S = 3600
EPOCH_S = 1_599_998_400  # 2020-09-13T12:00:00Z


def flat_bar(open_time_s: int, close: float = 100.0, volume_base: float = 1.0) -> Bar:
    """A bar whose four prices are `close`; the quote volume is `volume_base * close`."""
    return Bar(
        open_time_s=open_time_s,
        open=close,
        high=close,
        low=close,
        close=close,
        volume_base=volume_base,
        volume_quote=volume_base * close,
    )


def bars_from_closes(
    closes: Sequence[float], *, start_s: int = EPOCH_S, timeframe_s: int = HOUR_S, volume_base: float = 1.0
) -> tuple[Bar, ...]:
    """Bars in a row without holes; each opens at the close before it."""
    opens = [closes[0], *closes[:-1]] if closes else []
    return tuple(
        Bar(
            open_time_s=start_s + index * timeframe_s,
            open=opened,
            high=max(opened, closed),
            low=min(opened, closed),
            close=closed,
            volume_base=volume_base,
            volume_quote=volume_base * closed,
        )
        for index, (opened, closed) in enumerate(zip(opens, closes, strict=True))
    )


class FakeMarket:
    """Market over given bars. The clock stands still, at the close of the last bar unless told, until it is moved.

    Market and wall time are equal at the moment of construction; from there the market runs `speed` times as fast.
    `ends` makes `ended()` true after the last bar's close, as in a replay.
    """

    def __init__(
        self,
        bars: Mapping[str, Sequence[Bar]],
        *,
        timeframe_s: int = HOUR_S,
        now_s: float | None = None,
        speed: float = 1.0,
        ends: bool = False,
        source: str = "fake",
    ) -> None:
        self._bars = {symbol: tuple(rows) for symbol, rows in bars.items()}
        self._timeframe_s = timeframe_s
        self._now_s = self._last_close_s() if now_s is None else now_s
        self._epoch_s = self._now_s
        self._speed = speed
        self._ends = ends
        self._source = source

    @property
    def source(self) -> str:
        return self._source

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def timeframe_s(self) -> int:
        return self._timeframe_s

    def set_now(self, now_s: float) -> None:
        """Put the market's clock at `now_s`, forwards or backwards."""
        self._now_s = now_s

    def advance(self, seconds: float) -> None:
        """Move the market's clock on."""
        self._now_s += seconds

    def put(self, symbol: str, bars: Sequence[Bar]) -> None:
        """List a symbol with these bars, in place of any it had. The clock stays."""
        self._bars[symbol] = tuple(bars)

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._bars))

    def now_s(self) -> float:
        return self._now_s

    def closed_bars(self, symbol: str, *, after_s: int | None, limit: int) -> Sequence[Bar]:
        if symbol not in self._bars:
            raise UnknownSymbol(symbol)
        bars = self._bars[symbol]
        end = bisect_right(bars, self._now_s, key=lambda bar: bar.open_time_s + self._timeframe_s)
        start = max(end - limit, 0)
        if after_s is not None:
            start = max(start, bisect_right(bars, after_s, key=lambda bar: bar.open_time_s))
        return bars[start:end]

    def wall_time_s(self, market_time_s: float) -> float:
        return self._epoch_s + (market_time_s - self._epoch_s) / self._speed

    def ended(self) -> bool:
        return self._ends and self._now_s > self._last_close_s()

    def _last_close_s(self) -> float:
        opens = [bars[-1].open_time_s for bars in self._bars.values() if bars]
        return float(max(opens) + self._timeframe_s) if opens else float(EPOCH_S)
