"""Where the signals come from that acting agents decide on: generated from the bars, or those of TradingService V1m."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from adapters.trading_service.signals import Heard, HeardSignal
from rl_models.live_signals import LiveSignals
from trading.acting import AgentBar
from trading.errors import UpstreamUnavailable
from trading.vocabulary import Quote, Signal

# V1m reads the candles of ten coins, one after the other, before it answers. For as long a worker that hears nothing
# leaves the bars to the others.
HEAR_S = 5.0
# How far ahead of our clock theirs may be.
CLOCK_SKEW_S = 5.0

log = logging.getLogger("rl_service.acting")


class GeneratedSignals:
    """Implements wiring.acting.Signals: there at once, and none while they warm up."""

    def __init__(self, signals: LiveSignals) -> None:
        self._signals = signals

    def ready(self, close_s: int) -> bool:
        """See Signals."""
        return True

    def of(self, bar: AgentBar) -> Signal | None:
        """See Signals."""
        reading = self._signals.at(bar.symbol, bar.bar_close_s)
        if reading is None:
            return None
        return Signal(user_id=bar.user_id, symbol=bar.symbol, reading=reading, quote=None, sent_at_s=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    close_s: int
    heard: asyncio.Task[Mapping[str, HeardSignal]]


class HeardSignals:
    """Implements wiring.acting.Signals: asked at each close for all agents of this worker, and once more if that fails.

    `hear` gets the seconds it has, and raises UpstreamUnavailable. Where both questions fail, the signals are ready,
    without any, only HEAR_S after the first began: until then the bars are for workers that hear some. A signal counts
    for `max_age_s` seconds after it was made. Where there is none, there is no other in its place.
    """

    def __init__(
        self,
        hear: Callable[[float], Awaitable[Heard]],
        *,
        max_age_s: float,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._hear = hear
        self._max_age_s = max_age_s
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._sleep = sleep
        self._round: _Round | None = None

    def ready(self, close_s: int) -> bool:
        """See Signals. What closed before the newest bar is decided on by nobody any more."""
        known = self._round
        if known is None or known.close_s < close_s:
            heard = asyncio.create_task(self._listen(), name="signals")
            known = self._round = _Round(close_s=close_s, heard=heard)
        return known.heard.done()

    def of(self, bar: AgentBar) -> Signal | None:
        """See Signals."""
        known = self._round
        signal = None if known is None or known.close_s != bar.bar_close_s else known.heard.result().get(bar.symbol)
        now_s = self._wall_s()
        if signal is None or not -CLOCK_SKEW_S <= now_s - signal.at_s <= self._max_age_s:
            return Signal(user_id=bar.user_id, symbol=bar.symbol, reading=None, quote=None, sent_at_s=None)
        # With its price: a market that is not ours blocks the decision.
        quote = Quote(price=signal.price, bid=None, ask=None, at_s=signal.at_s)
        return Signal(
            user_id=bar.user_id, symbol=bar.symbol, reading=signal.reading, quote=quote, sent_at_s=signal.at_s
        )

    async def _listen(self) -> Mapping[str, HeardSignal]:
        until_s = self._monotonic_s() + HEAR_S
        heard = await self._ask(until_s)
        if heard is None:
            # Half of what is left: time for it to heal, and to answer.
            await self._sleep(self._left_s(until_s) / 2)
            heard = await self._ask(until_s)
        if heard is None:
            await self._sleep(self._left_s(until_s))
            return {}
        for refused in heard.refused:
            log.debug("a signal of TradingService is not taken: %s", refused.reason)
        return {signal.symbol: signal for signal in heard.signals}

    async def _ask(self, until_s: float) -> Heard | None:
        left_s = self._left_s(until_s)
        if left_s == 0.0:
            return None
        try:
            return await self._hear(left_s)
        except UpstreamUnavailable as error:
            log.warning("no signals of TradingService: %s", error)
            return None

    def _left_s(self, until_s: float) -> float:
        return max(until_s - self._monotonic_s(), 0.0)
