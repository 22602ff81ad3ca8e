"""Brings each bar of the live market into the store soon after it closes; one of all workers does, the others wait."""

import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from adapters.data_aggregator.holes import require_settled
from adapters.data_aggregator.klines import MOST_ROWS
from adapters.data_aggregator.refusal import MarketDataRefused
from adapters.store.bars import end_old_bars, keep_bars, last_bars
from adapters.store.engine import Store
from adapters.store.leases import hold, release
from trading.boot import Clock, Moment
from trading.errors import StoreUnavailable, Unavailable, UpstreamLimited, UpstreamRefused
from trading.vocabulary import Bar

log = logging.getLogger("rl_service.market")

LEASE = "bar_poller"
# Renewed, and by the others tried, every RENEW_S: who dies is replaced within the sum of both.
LEASE_S = 7.0
RENEW_S = 2.0
TURN_S = 0.25
# For one question, and how many are asked at once: a turn ends before its lease does.
ASK_S = 4.0
AT_ONCE = 4
# A bar is asked for this long after its close, each symbol at a moment of its own.
DELAY_S = 0.25
SPREAD_S = 1.5
# The pause after a bar that was not there, doubled up to the longest.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
# When it wants fewer calls and does not say when.
LIMITED_S = 30.0
# Kept bars that are asked for again, to see whether they still are what they were.
OVERLAP_BARS = 2
# Writes of a symbol between two removals of what is too old.
CLEAN_EVERY = 50


class BarSource(Protocol):
    """Tells closed bars; the DataAggregator is one."""

    async def closed_bars(self, symbol: str, timeframe_s: int, *, limit: int, deadline_s: float) -> list[Bar]:
        """The last closed bars, oldest first, at least one; `limit` counts the one still open. Raises Unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is polled: `usable_bars` in a row is what the features need, `keep_bars` of a symbol stay in the store."""

    symbols: Sequence[str]
    timeframe_s: int
    usable_bars: int
    keep_bars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollerState:
    """How the poller of this process stands. What is called total was counted since the process began.

    `failing` has the symbols whose last bar is missing, with the reason; it is empty while another worker polls.
    `failed_totals` are by reason; disputed bars were told otherwise after they had been kept.
    """

    holds: bool
    kept_total: int
    disputed_total: int
    failed_totals: Mapping[str, int]
    failing: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class _Symbol:
    name: str
    delay_s: float
    newest_close_s: float = 0.0
    tried_s: float = -math.inf
    not_before_s: float = -math.inf
    pause_s: float = FIRST_PAUSE_S
    failing: str | None = None
    disputed_to_s: int = -1
    writes: int = 0

    def due(self, moment: Moment, timeframe_s: int) -> bool:
        close_s = _last_close_s(moment.wall_s, timeframe_s)
        if self.newest_close_s >= close_s or moment.wall_s < close_s + self.delay_s:
            return False
        return moment.monotonic_s >= self.not_before_s


class BarPoller:
    """The poller of one process; `turn` is to be called every TURN_S, and not again before it has ended.

    Bars are due by the wall clock, pauses and the lease go by the monotonic one.
    """

    def __init__(
        self,
        source: BarSource,
        store: Store,
        watched: Watched,
        *,
        owner: str,
        now: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._source = source
        self._store = store
        self._watched = watched
        self._owner = owner
        self._now = now
        self._chance = chance
        self._symbols = [_Symbol(name=name, delay_s=self._delay_s(place)) for place, name in enumerate(watched.symbols)]
        self._held_until_s = -math.inf
        self._renew_at_s = -math.inf
        self._quiet_until_s = -math.inf
        self._kept = 0
        self._disputed = 0
        self._failed: Counter[str] = Counter()

    async def turn(self) -> None:
        """Take part in the lease; who holds it asks for what is due. Raises StoreUnavailable."""
        moment = self._now()
        if moment.monotonic_s >= self._renew_at_s:
            self._renew_at_s = moment.monotonic_s + RENEW_S
            epoch = await self._store.write(hold(LEASE, self._owner, self._now, for_s=LEASE_S))
            self._held_until_s = -math.inf if epoch is None else moment.monotonic_s + LEASE_S
        moment = self._now()
        if not self._holds(moment) or moment.monotonic_s < self._quiet_until_s:
            return
        due = [symbol for symbol in self._symbols if symbol.due(moment, self._watched.timeframe_s)]
        due.sort(key=lambda symbol: symbol.tried_s)
        await asyncio.gather(*(self._try(symbol) for symbol in due[:AT_ONCE]))

    async def stop(self) -> None:
        """Let another worker go on at once. Raises StoreUnavailable."""
        if self._holds(self._now()):
            self._held_until_s = -math.inf
            await self._store.write(release(LEASE, self._owner))

    def state(self) -> PollerState:
        """How it stands now."""
        holds = self._holds(self._now())
        return PollerState(
            holds=holds,
            kept_total=self._kept,
            disputed_total=self._disputed,
            failed_totals=dict(self._failed),
            failing={symbol.name: symbol.failing for symbol in self._symbols if holds and symbol.failing is not None},
        )

    def _holds(self, moment: Moment) -> bool:
        return moment.monotonic_s < self._held_until_s

    def _delay_s(self, place: int) -> float:
        return DELAY_S + SPREAD_S * (place + self._chance()) / len(self._watched.symbols)

    async def _try(self, symbol: _Symbol) -> None:
        symbol.tried_s = self._now().monotonic_s
        try:
            await self._bring(symbol)
        except UpstreamLimited as error:
            wait_s = LIMITED_S if error.retry_after_s is None else error.retry_after_s
            self._quiet_until_s = self._now().monotonic_s + wait_s  # its limit is one for all symbols
            self._put_off(symbol, "limited", str(error))
        except Unavailable as error:
            self._put_off(symbol, _reason(error), str(error))

    async def _bring(self, symbol: _Symbol) -> None:
        timeframe_s, wanted_s = self._watched.timeframe_s, _last_close_s(self._now().wall_s, self._watched.timeframe_s)
        kept = await self._store.read(last_bars(symbol.name, timeframe_s, 1))
        after_s = kept[0].open_time_s if kept else None
        symbol.newest_close_s = 0.0 if after_s is None else float(after_s + timeframe_s)
        if symbol.newest_close_s < wanted_s:
            missing = MOST_ROWS if after_s is None else int(wanted_s - symbol.newest_close_s) // timeframe_s
            limit = min(missing + OVERLAP_BARS + 1, MOST_ROWS)
            bars = await self._source.closed_bars(symbol.name, timeframe_s, limit=limit, deadline_s=ASK_S)
            require_settled(bars, timeframe_s, after_s=after_s, usable_bars=self._watched.usable_bars)
            await self._keep(symbol, bars)
        if symbol.newest_close_s < wanted_s:
            self._put_off(symbol, "late", "the bar that has closed is not there yet")
        else:
            self._settle(symbol)

    async def _keep(self, symbol: _Symbol, bars: Sequence[Bar]) -> None:
        name, timeframe_s = symbol.name, self._watched.timeframe_s
        kept = await self._store.write(keep_bars(name, timeframe_s, bars, written_at_s=self._now().wall_s))
        symbol.newest_close_s = max(symbol.newest_close_s, float(bars[-1].open_time_s + timeframe_s))
        self._kept += kept.new
        disputed = [open_time_s for open_time_s in kept.disputed if open_time_s > symbol.disputed_to_s]
        if disputed:
            self._disputed += len(disputed)
            symbol.disputed_to_s = disputed[-1]
            log.warning("%s: the bars opened at %s are told otherwise now; kept as they were", name, disputed)
        symbol.writes += 1
        if symbol.writes % CLEAN_EVERY == 1:
            await self._store.write(end_old_bars(name, timeframe_s, keep=self._watched.keep_bars))

    def _settle(self, symbol: _Symbol) -> None:
        if symbol.failing is not None:
            log.info("%s: bars come again", symbol.name)
        symbol.failing = None
        symbol.pause_s = FIRST_PAUSE_S
        symbol.delay_s = self._delay_s(self._symbols.index(symbol))

    def _put_off(self, symbol: _Symbol, reason: str, problem: str) -> None:
        # Until the pause is over or, if that is sooner, the next bar has closed.
        if symbol.failing != reason:
            log.log(logging.INFO if reason == "late" else logging.WARNING, "%s: no bar: %s", symbol.name, problem)
        self._failed[reason] += 1
        symbol.failing = reason
        moment, timeframe_s = self._now(), self._watched.timeframe_s
        next_close_s = _last_close_s(moment.wall_s, timeframe_s) + timeframe_s
        pause_s = symbol.pause_s * (0.5 + 0.5 * self._chance())
        symbol.not_before_s = moment.monotonic_s + min(pause_s, next_close_s + symbol.delay_s - moment.wall_s)
        symbol.pause_s = min(2 * symbol.pause_s, LONGEST_PAUSE_S)


def _last_close_s(wall_s: float, timeframe_s: int) -> float:
    return wall_s // timeframe_s * timeframe_s


def _reason(error: Unavailable) -> str:
    if isinstance(error, MarketDataRefused):
        return error.fault
    if isinstance(error, UpstreamRefused):
        return "refused"
    return "store" if isinstance(error, StoreUnavailable) else "unavailable"
