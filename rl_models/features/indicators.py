"""Streaming indicators: each takes one closed bar at a time and answers with a float, NaN while it warms up."""

import math
from collections.abc import Callable

from talib import stream

from rl_models.features.memory import DayWindow, Lag, Streamed
from trading.vocabulary import Bar

# One figure of a bar and of those before it; to be called once per bar, in order of time. NaN while warming up.
Indicator = Callable[[Bar], float]

_NAN3 = (math.nan, math.nan, math.nan)


def log_return(n: int) -> Indicator:
    """log(close / close n bars ago)."""
    lag = Lag(n)
    return lambda bar: math.log(bar.close / lag.push(bar.close))


def pct_change(n: int) -> Indicator:
    """close / close n bars ago - 1."""
    lag = Lag(n)
    return lambda bar: bar.close / lag.push(bar.close) - 1.0


def price_diff() -> Indicator:
    """close - previous close, in quote currency."""
    lag = Lag(1)
    return lambda bar: bar.close - lag.push(bar.close)


def volatility(n: int) -> Indicator:
    """Population standard deviation of the last n one-bar log returns."""
    lag = Lag(1)
    deviation = Streamed(lambda returns: stream.STDDEV(returns, n, 1.0), bars_needed=n, warming=math.nan)

    def update(bar: Bar) -> float:
        before = lag.push(bar.close)
        return math.nan if math.isnan(before) else deviation.push(math.log(bar.close / before))

    return update


def rsi(n: int) -> Indicator:
    """Wilder's relative strength index of the close, 0..100."""
    index = Streamed(lambda close: stream.RSI(close, n), bars_needed=n + 1, warming=math.nan)
    return lambda bar: index.push(bar.close)


def sma(n: int) -> Indicator:
    """Mean of the last n closes, in quote currency."""
    mean = Streamed(lambda close: stream.SMA(close, n), bars_needed=n, warming=math.nan)
    return lambda bar: mean.push(bar.close)


def ema(n: int) -> Indicator:
    """Exponential mean of the close with weight 2 / (n + 1), in quote currency."""
    mean = Streamed(lambda close: stream.EMA(close, n), bars_needed=n, warming=math.nan)
    return lambda bar: mean.push(bar.close)


def sma_ratio(n: int) -> Indicator:
    """close / mean of the last n closes - 1."""
    mean = sma(n)
    return lambda bar: bar.close / mean(bar) - 1.0


def ema_ratio(n: int) -> Indicator:
    """close / exponential mean of the close - 1."""
    mean = ema(n)
    return lambda bar: bar.close / mean(bar) - 1.0


def _macd_line(fast: int, slow: int, signal: int, line: int) -> Indicator:
    if fast >= slow:
        raise ValueError(f"fast ({fast}) must be below slow ({slow})")
    lines = Streamed(lambda close: stream.MACD(close, fast, slow, signal), bars_needed=slow + signal - 1, warming=_NAN3)
    return lambda bar: lines.push(bar.close)[line]


def macd(fast: int, slow: int, signal: int) -> Indicator:
    """EMA(fast) - EMA(slow) of the close, in quote currency. `signal` only lengthens the warm-up, as in TA-Lib."""
    return _macd_line(fast, slow, signal, 0)


def macd_hist_pct(fast: int, slow: int, signal: int) -> Indicator:
    """MACD line minus its signal line, in percent of the close."""
    histogram = _macd_line(fast, slow, signal, 2)
    return lambda bar: 100.0 * histogram(bar) / bar.close


def _bands(n: int, k: float) -> Streamed[tuple[float, float, float]]:
    return Streamed(lambda close: stream.BBANDS(close, n, k, k), bars_needed=n, warming=_NAN3)


def boll_ub(n: int, k: float) -> Indicator:
    """Mean of the last n closes + k population standard deviations, in quote currency."""
    bands = _bands(n, k)
    return lambda bar: bands.push(bar.close)[0]


def boll_lb(n: int, k: float) -> Indicator:
    """Mean of the last n closes - k population standard deviations, in quote currency."""
    bands = _bands(n, k)
    return lambda bar: bands.push(bar.close)[2]


def bb_position(n: int, k: float) -> Indicator:
    """(close - mean) / (k standard deviations) over n bars: -1 on the lower band, 1 on the upper; NaN if they meet."""
    bands = _bands(n, k)

    def update(bar: Bar) -> float:
        upper, middle, _ = bands.push(bar.close)
        return (bar.close - middle) / (upper - middle) if upper != middle else math.nan

    return update


def atr_pct(n: int) -> Indicator:
    """Wilder's average true range over n bars, in percent of the close."""
    true_range = Streamed(lambda high, low, close: stream.ATR(high, low, close, n), bars_needed=n + 1, warming=math.nan)
    return lambda bar: 100.0 * true_range.push(bar.high, bar.low, bar.close) / bar.close


def cci(n: int) -> Indicator:
    """Commodity channel index over n bars."""
    index = Streamed(lambda high, low, close: stream.CCI(high, low, close, n), bars_needed=n, warming=math.nan)
    return lambda bar: index.push(bar.high, bar.low, bar.close)


def dx(n: int) -> Indicator:
    """Wilder's directional movement index, 0..100."""
    index = Streamed(lambda high, low, close: stream.DX(high, low, close, n), bars_needed=n + 1, warming=math.nan)
    return lambda bar: index.push(bar.high, bar.low, bar.close)


def adx(n: int) -> Indicator:
    """Wilder's average directional movement index, 0..100."""
    index = Streamed(lambda high, low, close: stream.ADX(high, low, close, n), bars_needed=2 * n, warming=math.nan)
    return lambda bar: index.push(bar.high, bar.low, bar.close)


def dx_ema(n: int) -> Indicator:
    """Directional movement index, 0..100, smoothed with weight 2 / (n + 1) as stockstats (and so FinRL) does."""
    up, down = (Streamed(lambda moves: stream.EMA(moves, n), bars_needed=n, warming=math.nan) for _ in range(2))
    lag_high, lag_low = Lag(1), Lag(1)

    def update(bar: Bar) -> float:
        rise, fall = bar.high - lag_high.push(bar.high), lag_low.push(bar.low) - bar.low
        if math.isnan(rise):
            return math.nan
        rises = up.push(rise if rise > max(fall, 0.0) else 0.0)
        falls = down.push(fall if fall > max(rise, 0.0) else 0.0)
        return 100.0 * abs(rises - falls) / (rises + falls) if rises + falls else math.nan

    return update


def volume_ratio(n: int) -> Indicator:
    """log((1 + quote volume) / (1 + its mean over n bars)), in quote currency; finite for a bar without volume."""
    mean = Streamed(lambda volume: stream.SMA(volume, n), bars_needed=n, warming=math.nan)
    return lambda bar: math.log1p(bar.volume_quote) - math.log1p(max(mean.push(bar.volume_quote), 0.0))


def volume_max_ratio(n: int) -> Indicator:
    """quote volume / its largest over n bars; NaN if that is 0."""
    largest = Streamed(lambda volume: stream.MAX(volume, n), bars_needed=n, warming=math.nan)

    def update(bar: Bar) -> float:
        most = largest.push(bar.volume_quote)
        return bar.volume_quote / most if most else math.nan

    return update


def change_24h() -> Indicator:
    """Change of the close over 24 hours, in percent."""
    day = DayWindow()
    return lambda bar: 100.0 * (bar.close / day.push(bar.open_time_s, bar.close) - 1.0)


def quote_volume_24h() -> Indicator:
    """Quote volume of the last 24 hours, in quote currency."""
    day = DayWindow()

    def update(bar: Bar) -> float:
        day.push(bar.open_time_s, bar.volume_quote)
        return day.total()

    return update


def quote_volume_24h_log() -> Indicator:
    """log(1 + quote volume of the last 24 hours)."""
    volume = quote_volume_24h()
    return lambda bar: math.log1p(volume(bar))
