"""Made-up prices: a seeded regime-switching model in which any day can be computed without the days before it.

Time is cut in eras of 256 UTC days since GENESIS_S. From era to era the log price is drawn anew around the symbol's
base price (normal, sd 0.35, at most 0.7 away): over years the price reverts to the base. Within an era

- the regime of a day is drawn from REGIMES when the regime switches, which it does on a day with probability 1/8 and
  on the first day of every 32; until then it stays;
- the log return of a day is drift + volatility x N(0, 1) of its regime; the difference to the next era's start is
  spread over the days in proportion to their variance (a Brownian bridge);
- within a day the minutes are again a Brownian bridge between the days' ends, more volatile around 14:30 UTC; high and
  low of a minute are drawn from the distribution of the extremes of a Brownian bridge between its open and close.

Volume follows the regime, the hour and the size of the minute's move. Only raw bits of Philox are used, which numpy
keeps stable between its versions, and prices are rounded, so that every process makes the same bars.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_S = 86_400
GENESIS_S = 1_704_067_200  # 2024-01-01T00:00:00Z
ERA_DAYS = 256
MINUTES = 1_440

SWITCH_PROBABILITY = 1 / 8
LONGEST_REGIME_DAYS = 32
ANCHOR_SD = 0.35
ANCHOR_LIMIT = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """How a day of this kind moves: mean and sd of its log return, and its volume relative to the symbol's usual."""

    name: str
    drift: float
    volatility: float
    volume: float


REGIMES = (
    Regime(name="calm", drift=0.0, volatility=0.012, volume=0.6),
    Regime(name="rising", drift=0.006, volatility=0.022, volume=1.0),
    Regime(name="falling", drift=-0.006, volatility=0.026, volume=1.2),
    Regime(name="turbulent", drift=0.0, volatility=0.050, volume=2.2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A symbol's base price and the quote volume of its usual day, both in quote currency (USD)."""

    price: float
    daily_volume: float


LISTINGS = {
    "BTC": Listing(price=60_000.0, daily_volume=4e9),
    "ETH": Listing(price=3_000.0, daily_volume=2e9),
    "SOL": Listing(price=150.0, daily_volume=1.2e9),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """The 1,440 minutes of a day, float64[1440] each; prices in quote currency, volumes in base and quote."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume_base: Floats
    volume_quote: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """The days of an era: log price at their ends float64[257] (the first is the era's start), regime int[256]."""

    log_prices: Floats
    regimes: NDArray[np.int64]


def listing(symbol: str) -> Listing:
    """The listing of a symbol by the asset it begins with; any other gets one from the hash of its name."""
    for asset, known in LISTINGS.items():
        if symbol.upper().startswith(asset):
            return known
    price_share, volume_share = _uniforms("listing", symbol.upper(), count=2)
    return Listing(price=float(10 ** (3 * price_share)), daily_volume=float(2e8 * 10**volume_share))


class SimulatedPrices:
    """The price path of one symbol under one seed. Any two objects with the same arguments agree on every minute."""

    def __init__(self, seed: int, symbol: str) -> None:
        self._key = (str(seed), symbol)
        self._listing = listing(symbol)
        self._digits = 6 - int(np.floor(np.log10(self._listing.price)))
        self._eras = lru_cache(maxsize=8)(self._make_era)

    def regime(self, day: int) -> Regime:
        """The regime of a day, counted from GENESIS_S."""
        era, day_of_era = divmod(day, ERA_DAYS)
        return REGIMES[int(self._eras(era).regimes[day_of_era])]

    def minutes(self, day: int) -> Minutes:
        """The minutes of a day (0 and later), counted from GENESIS_S."""
        era, day_of_era = divmod(day, ERA_DAYS)
        first, last = self._eras(era).log_prices[day_of_era : day_of_era + 2]
        regime = REGIMES[int(self._eras(era).regimes[day_of_era])]
        chance = _uniforms("day", *self._key, str(day), count=6 * MINUTES)
        moves, noise = _normals(chance[: 2 * MINUTES]), _normals(chance[2 * MINUTES : 4 * MINUTES])
        up, down = chance[4 * MINUTES : 5 * MINUTES], chance[5 * MINUTES :]
        sd = regime.volatility * _profile() / np.sqrt(np.sum(_profile() ** 2))
        path = _bridge(first, last, sd * moves, sd**2)
        log_open, log_close = path[:-1], path[1:]
        steps = log_close - log_open
        reach_up = np.sqrt(steps**2 - 2 * sd**2 * np.log(up))
        reach_down = np.sqrt(steps**2 - 2 * sd**2 * np.log(down))
        middle = (log_open + log_close) / 2
        quote = self._quote_volumes(regime, np.abs(steps) / sd, noise)
        return Minutes(
            open=self._prices(log_open),
            high=self._prices(middle + reach_up / 2),
            low=self._prices(middle - reach_down / 2),
            close=self._prices(log_close),
            volume_base=np.round(quote / np.exp(middle), 8),
            volume_quote=np.round(quote, 2),
        )

    def _quote_volumes(self, regime: Regime, moves: Floats, noise: Floats) -> Floats:
        usual = self._listing.daily_volume * regime.volume / MINUTES
        return usual * _profile() * (0.5 + 0.6 * moves) * np.exp(0.5 * noise - 0.125)

    def _prices(self, logs: Floats) -> Floats:
        return np.asarray(np.round(np.exp(logs), self._digits), dtype=np.float64)

    def _make_era(self, era: int) -> Era:
        draws = _uniforms("era", *self._key, str(era), count=4 * ERA_DAYS)
        switches = draws[:ERA_DAYS] < SWITCH_PROBABILITY
        switches[::LONGEST_REGIME_DAYS] = True
        last_switch = np.maximum.accumulate(np.where(switches, np.arange(ERA_DAYS), 0))
        regimes = (draws[ERA_DAYS : 2 * ERA_DAYS] * len(REGIMES)).astype(np.int64)[last_switch]
        volatility = np.array([regime.volatility for regime in REGIMES])[regimes]
        drift = np.array([regime.drift for regime in REGIMES])[regimes]
        steps = drift + volatility * _normals(draws[2 * ERA_DAYS :])
        return Era(log_prices=_bridge(self._anchor(era), self._anchor(era + 1), steps, volatility**2), regimes=regimes)

    def _anchor(self, era: int) -> float:
        draw = float(_normals(_uniforms("anchor", *self._key, str(era), count=2))[0])
        away = min(max(ANCHOR_SD * draw, -ANCHOR_LIMIT), ANCHOR_LIMIT)
        return float(np.log(self._listing.price)) + away


def _bridge(first: float, last: float, steps: Floats, variances: Floats) -> Floats:
    share = np.cumsum(variances) / np.sum(variances)
    free = np.cumsum(steps)
    path = first + free + (last - first - free[-1]) * share
    path[-1] = last
    return np.concatenate(([first], path))


@lru_cache(maxsize=1)
def _profile() -> Floats:
    hours = np.arange(MINUTES) / 60
    shape = 0.7 + np.exp(-(((hours - 14.5) / 4.0) ** 2))
    return np.asarray(shape / shape.mean(), dtype=np.float64)


def _uniforms(*key: str, count: int) -> Floats:
    digest = hashlib.sha256("\n".join(key).encode()).digest()
    bits = np.random.Philox(key=int.from_bytes(digest[:16])).random_raw(count)
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _normals(uniforms: Floats) -> Floats:
    radius, turn = np.split(uniforms, 2)
    return np.asarray(np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * turn), dtype=np.float64)
