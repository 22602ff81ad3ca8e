"""Which price does a coin have at a moment, and which candles come of it?"""

import math
import time
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tests.fakes.stack.coins import COINS
from tests.fakes.stack.terms import Terms

INTERVALS_S = {
    "1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14400,
    "6h": 21600, "8h": 28800, "12h": 43200, "1d": 86400,
}  # fmt: skip
MOST = 1000
# How many rows a stale market is behind.
LATE_ROWS = 10
# The path is a sum of smooth noises: period in seconds, largest share of the price.
WAVES = (
    (8 * 86400, 0.10),
    (86400, 0.04),
    (4 * 3600, 0.015),
    (3600, 0.008),
    (900, 0.004),
    (60, 0.001),
    (5, 0.0003),
)
INSIDE = (0.35, 0.7)
Row = list[Any]


@lru_cache(maxsize=400_000)
def _knot(coin: str, period_s: int, place: int) -> float:
    return zlib.crc32(f"{coin} {period_s} {place}".encode()) / 2**31 - 1


def _noise(coin: str, period_s: int, at_s: float) -> float:
    place, share = divmod(at_s / period_s, 1)
    before, after = _knot(coin, period_s, int(place)), _knot(coin, period_s, int(place) + 1)
    return before + (after - before) * share * share * (3 - 2 * share)


def price_at(coin: str, at_s: float) -> float:
    """USD at a moment (Unix seconds): the same from every process."""
    return COINS[coin].price * math.exp(sum(most * _noise(coin, period_s, at_s) for period_s, most in WAVES))


@lru_cache(maxsize=100_000)
def _candle(coin: str, open_s: int, interval_s: int, until_s: float) -> tuple[str, ...]:
    seen = [open_s + share * interval_s for share in INSIDE if open_s + share * interval_s < until_s]
    path = [price_at(coin, at_s) for at_s in (open_s, *seen, until_s)]
    share = (until_s - open_s) / 86400 * (1.25 + 0.75 * _knot(f"{coin} volume", interval_s, open_s // interval_s))
    quote = COINS[coin].daily_volume * share
    figures = (path[0], max(path) * 1.0001, min(path) * 0.9999, path[-1], quote / path[-1], quote)
    return tuple(f"{figure:.8f}" for figure in figures)


def candle(coin: str, open_s: int, interval_s: int, now_s: float) -> Row:
    """A Binance kline row; the one still open shows what has happened until `now_s`."""
    open_, high, low, close, volume, quote = _candle(coin, open_s, interval_s, min(open_s + interval_s, now_s))
    taker = f"{float(volume) / 2:.8f}", f"{float(quote) / 2:.8f}"
    return [open_s * 1000, open_, high, low, close, volume, (open_s + interval_s) * 1000 - 1, quote, 100, *taker, "0"]


class Candles:
    """The market behind a service, on a clock of its own, truthful or not as the terms say."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.set_clock()

    def set_clock(self) -> None:
        """Begin at the terms' clock; before, the clock is that of the wall."""
        start_s = self._terms.clock_s
        self._start_s = time.time() if start_s is None else start_s
        self._monotonic_s = time.monotonic()

    def now_s(self) -> float:
        if self._terms.clock_s is None and self._terms.speed == 1.0:
            return time.time()
        return self._start_s + self._terms.speed * (time.monotonic() - self._monotonic_s)

    def price(self, coin: str) -> float:
        """USD now; what the terms say goes before the path."""
        stated = self._terms.prices.get(coin)
        return price_at(coin, self.now_s()) if stated is None else float(stated)

    def day(self, coin: str) -> dict[str, float]:
        """The last 24 hours: open, high, low, volume (base units) and quote volume (USD)."""
        now_s = self.now_s()
        last = int(now_s // 3600) * 3600
        rows = [candle(coin, last - hours * 3600, 3600, now_s) for hours in range(24)]
        return {
            "open": float(rows[-1][1]),
            "high": max(float(row[2]) for row in rows),
            "low": min(float(row[3]) for row in rows),
            "volume": sum(float(row[5]) for row in rows),
            "quote": sum(float(row[7]) for row in rows),
        }

    def klines(self, coin: str, interval: str, limit: int, end_s: float | None = None) -> list[Row]:
        """The last `limit` rows opened at or before `end_s`, oldest first; the last one is still open."""
        interval_s = INTERVALS_S[interval]
        now_s = self.now_s()
        last = int(min(now_s, now_s if end_s is None else end_s) // interval_s) * interval_s
        lie = self._terms.candles
        count = min(limit, MOST) + (LATE_ROWS if lie == "stale" else 0)
        rows = [candle(coin, last - back * interval_s, interval_s, now_s) for back in range(count - 1, -1, -1)]
        return LIES[lie](rows, interval_s)


def _late(rows: list[Row], interval_s: int) -> list[Row]:
    return rows[:-LATE_ROWS]


def _shifted(rows: list[Row], by_s: int) -> list[Row]:
    return [[row[0] + by_s * 1000, *row[1:6], row[6] + by_s * 1000, *row[7:]] for row in rows]


def _with(rows: list[Row], place: int, column: int, value: object) -> list[Row]:
    """The same rows but for one cell, where there are as many."""
    if len(rows) < -place:
        return rows
    lying = [list(row) for row in rows]
    lying[place][column] = value
    return lying


# How klines lie. Where one row is wrong it is the last closed one, or the two before it.
LIES: dict[str, Callable[[list[Row], int], list[Row]]] = {
    "true": lambda rows, _: rows,
    "empty": lambda rows, _: [],
    "stale": _late,
    "nan": lambda rows, _: _with(rows, -2, 4, "NaN"),
    "infinite": lambda rows, _: _with(rows, -2, 2, "Infinity"),
    "null": lambda rows, _: _with(rows, -2, 4, None),
    "text": lambda rows, _: _with(rows, -2, 4, "n/a"),
    "negative": lambda rows, _: _with(rows, -2, 5, "-1.00000000"),
    "crossed": lambda rows, _: [[*row[:2], row[3], row[2], *row[4:]] if row is rows[-2] else row for row in rows],
    "unsorted": lambda rows, _: [*rows[:-3], rows[-2], rows[-3], rows[-1]],
    "newest_first": lambda rows, _: rows[::-1],
    "duplicate": lambda rows, _: [*rows[:-2], rows[-2], rows[-2], rows[-1]],
    "gap": lambda rows, _: [*rows[:-4], *rows[-2:]],
    "future": lambda rows, interval_s: _shifted(rows, 2 * interval_s),
    "off_grid": lambda rows, interval_s: _shifted(rows, -max(1, interval_s // 7)),
    "short": lambda rows, _: [row[:4] for row in rows],
}
