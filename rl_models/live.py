"""The features of every symbol, kept warm in memory, so that a prediction never waits for data."""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rl_models import regime
from rl_models.features.schema import FeatureSchema
from rl_models.features.stream import FeatureStream
from rl_models.manifest import Manifest
from trading.errors import BundleRefused, FeaturesMissing, NoMarketData, UnknownSymbol
from trading.ports import Market
from trading.vocabulary import Bar, MarketView, Reading

# Bars read beyond the longest warm-up, so that a few missing ones do not leave a symbol warming up.
SPARE_BARS = 50


class LiveFeatures:
    """Implements trading.ports.Features over a market: one stream per symbol and schema, and a regime per symbol.

    Knows nothing before the first `refresh`. For one thread: that of the event loop.
    """

    def __init__(self, market: Market, networks: Sequence[Manifest] = ()) -> None:
        self._market = market
        self._needs: dict[str, tuple[FeatureSchema, int]] = {}
        self._symbols: dict[str, _Symbol] = {}
        self._require(networks)

    async def track(self, networks: Sequence[Manifest]) -> None:
        """Keeps the features of these policies warm as well, from when this returns; others have their turn meanwhile.

        Raises BundleRefused for another timeframe.
        """
        self._require(networks)
        for symbol in self._market.symbols():
            known = self._symbols.get(symbol)
            if known is None or known.needs != self._needs:
                self._reopen(symbol)
                await asyncio.sleep(0)

    def refresh(self) -> None:
        """Takes in what has closed since the last time. Reads history again when the market jumped, either way."""
        for symbol in self._market.symbols():
            known = self._symbols.get(symbol)
            if known is None or not self._continue(known):
                self._reopen(symbol)

    @property
    def source(self) -> str:
        """The source of the market."""
        return self._market.source

    def view(self, symbol: str) -> MarketView:
        """See Features."""
        known = self._symbols.get(symbol) or self._unknown(symbol)
        market = self._market
        now_s = market.now_s()
        if now_s >= known.next_close_s:
            self._look_ahead(known, now_s)
        return MarketView(
            as_of_s=known.as_of_s,
            now_s=now_s,
            valid_until_s=known.valid_until_s,
            timeframe_s=market.timeframe_s,
            close=known.close,
            ended=market.ended(),
            regime=known.regime.label,
        )

    def observe(self, symbol: str, schema_digest: str, reading: Reading | None, exposure: float) -> NDArray[np.float64]:
        """The raw observation float64[n] of a tracked schema at the last closed bar.

        Raises UnknownSymbol, NoMarketData, FeaturesWarmingUp, FeaturesMissing.
        """
        known = self._symbols.get(symbol) or self._unknown(symbol)
        stream = known.streams.get(schema_digest)
        if stream is None:
            raise FeaturesMissing(f"no features are kept for schema {schema_digest}")
        return stream.observe(reading, exposure)

    def _require(self, networks: Sequence[Manifest]) -> None:
        for manifest in networks:
            if manifest.timeframe_s != self._market.timeframe_s:
                raise BundleRefused(
                    f"{manifest.name}:{manifest.version} decides on bars of {manifest.timeframe_s} s, "
                    f"this market has bars of {self._market.timeframe_s} s"
                )
            if manifest.schema is not None:
                digest = manifest.schema.digest
                known = self._needs.get(digest, (manifest.schema, 0))
                self._needs[digest] = (manifest.schema, max(manifest.warmup_bars, known[1]))

    @property
    def history_bars(self) -> int:
        """How many closed bars of a symbol are read before its features are known."""
        return max([regime.WARMUP_BARS, *(warmup_bars for _, warmup_bars in self._needs.values())]) + SPARE_BARS

    def _continue(self, known: "_Symbol") -> bool:
        if self._market.now_s() < known.as_of_s:
            return False
        fresh = self._market.closed_bars(known.name, after_s=known.last_open_s, limit=self.history_bars)
        if len(fresh) == self.history_bars or (fresh and fresh[0].open_time_s <= known.last_open_s):
            return False
        for bar in fresh:
            known.push(bar)
        if fresh:
            self._look_ahead(known, self._market.now_s())
        return True

    def _look_ahead(self, known: "_Symbol", now_s: float) -> None:
        # The next close after now, also while a bar is missing: what is decided now holds until then.
        timeframe_s = self._market.timeframe_s
        closes = max(int((now_s - known.as_of_s) // timeframe_s), 0) + 1
        known.next_close_s = known.as_of_s + closes * timeframe_s
        known.valid_until_s = self._market.wall_time_s(known.next_close_s)

    def _reopen(self, symbol: str) -> None:
        history = self._market.closed_bars(symbol, after_s=None, limit=self.history_bars)
        if not history:
            self._symbols.pop(symbol, None)
            return
        opened = _Symbol(symbol, self._market.timeframe_s, dict(self._needs))
        for bar in history:
            opened.push(bar)
        self._look_ahead(opened, self._market.now_s())
        self._symbols[symbol] = opened

    def _unknown(self, symbol: str) -> "_Symbol":
        if symbol not in self._market.symbols():
            raise UnknownSymbol(symbol)
        raise NoMarketData(f"no closed bar of {symbol} yet")


class _Symbol:
    def __init__(self, name: str, timeframe_s: int, needs: dict[str, tuple[FeatureSchema, int]]) -> None:
        self.name = name
        self.needs = needs
        self.streams = {
            digest: FeatureStream(schema, timeframe_s, warmup_bars) for digest, (schema, warmup_bars) in needs.items()
        }
        self.regime = regime.RegimeStream(timeframe_s)
        self.last_open_s = 0
        self.as_of_s = 0.0
        self.next_close_s = 0.0
        self.valid_until_s = 0.0
        self.close = 0.0
        self._timeframe_s = timeframe_s

    def push(self, bar: Bar) -> None:
        for stream in self.streams.values():
            stream.push(bar)
        self.regime.update(bar)
        self.last_open_s = bar.open_time_s
        self.as_of_s = float(bar.open_time_s + self._timeframe_s)
        self.close = bar.close
