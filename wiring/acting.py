"""Has agents decide by themselves: one worker's part in deciding on each bar that closes, once over all workers.

Every worker tries every bar, at a moment of its own choice; the store gives each bar to the first.
"""

import asyncio
import heapq
import logging
import random
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from adapters.store.agent_bars import LEASE_S, Taken, finish, miss, take
from adapters.store.engine import Store, Work
from trading.acting import AgentBar, Close, decision_id, due, grace_s, left_s
from trading.agents import Agent
from trading.boot import Clock
from trading.errors import IllegalChange, NoMarketData, StoreUnavailable
from trading.ports import Features, Market
from trading.vocabulary import Signal

log = logging.getLogger("rl_service.acting")

# Bars taken and decided on together.
CHUNK = 20
# Agents, and bars, looked through between two turns of the event loop.
AGENTS_AT_ONCE = 200
# How fast a worker means to decide, bars a second: as many bars as close at once are spread over so long, but never
# over more than this share of the time there is.
PACE = 100.0
SPREAD_SHARE = 0.5
# The longest between two looks for closed bars, the shortest, and how many looks there are in the time to decide.
LOOK_S = 0.1
LEAST_LOOK_S = 0.005
LOOKS = 4
# After the store was away, or somebody else was faster.
RETRY_S = 0.25
# Bars that closed since the last look, at most: more closed only while nobody could have decided.
MOST_BEHIND = 100


class Decide(Protocol):
    """Decides on a signal, keeps the decision and places the order that follows."""

    async def __call__(self, signal: Signal, decision_id: str, along: Work[None]) -> object:
        """`along` ends the bar: it is the first step of the transaction that keeps the decision, or raises.

        Raises StoreUnavailable, and IllegalChange from `along`: then nothing was decided, as far as is known.
        """


class Signals(Protocol):
    """Where the signals of bars come from."""

    def ready(self, close_s: int) -> bool:
        """Whether the signals at this close (market time, Unix seconds) are there or will not come; never waits."""

    def of(self, bar: AgentBar) -> Signal | None:
        """The signal to decide on, once they are ready; None where there is nothing to decide: the bar is missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What acting needs of the worker. `agents` are those known now; `secret` is the store's, for decision ids."""

    store: Store
    market: Market
    features: Features
    signals: Signals
    agents: Callable[[], Iterable[Agent]]
    decide: Decide
    secret: bytes
    now: Clock


class Acting:
    """One worker's part. `decided` and `missed` count bars since the start; `run` is for one event loop."""

    def __init__(self, scene: Scene, *, chance: Callable[[], float] = random.random) -> None:
        self._scene = scene
        self._chance = chance
        self._owner = secrets.token_hex(8)
        self._seen: dict[str, int] = {}
        # When each bar is to be tried, on the monotonic clock.
        self._open: list[tuple[float, AgentBar]] = []
        self.decided = 0
        self.missed = 0

    @property
    def signals(self) -> Signals:
        """Where the signals come from."""
        return self._scene.signals

    async def run(self) -> None:
        """Act until cancelled. What was taken and not ended then is taken by another worker, if that is in time."""
        market = self._scene.market
        looking_s = grace_s(market.timeframe_s) / market.speed / LOOKS
        pause_s = min(max(looking_s, LEAST_LOOK_S), LOOK_S)
        while True:
            await self._look()
            if not await self._act():
                await asyncio.sleep(pause_s)

    async def _look(self) -> None:
        closes = [close for symbol in self._scene.market.symbols() for close in self._new_closes(symbol)]
        if not closes:
            return
        bars: list[AgentBar] = []
        agents = list(self._scene.agents())
        for start in range(0, len(agents), AGENTS_AT_ONCE):
            for close in closes:
                bars += due(agents[start : start + AGENTS_AT_ONCE], close)
            await asyncio.sleep(0)
        for number, bar in enumerate(bars):
            if number % AGENTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            spread_s = min(len(bars) / PACE, SPREAD_SHARE * max(self._left_s(bar), 0.0))
            self._try_after(spread_s * self._chance(), bar)

    def _new_closes(self, symbol: str) -> Sequence[Close]:
        market = self._scene.market
        try:
            last_s = int(self._scene.features.view(symbol).as_of_s)
        except NoMarketData:
            return ()
        seen_s = self._seen.get(symbol)
        self._seen[symbol] = last_s
        if seen_s == last_s:
            return ()
        times_s = [last_s]
        if seen_s is not None and seen_s < last_s - market.timeframe_s:
            since = market.closed_bars(symbol, after_s=seen_s - market.timeframe_s, limit=MOST_BEHIND)
            times_s = [bar.open_time_s + market.timeframe_s for bar in since if bar.open_time_s < last_s]
        return [
            Close(symbol=symbol, at_s=at_s, wall_s=market.wall_time_s(at_s), timeframe_s=market.timeframe_s)
            for at_s in times_s
        ]

    async def _act(self) -> bool:
        now_s = self._scene.now().monotonic_s
        bars: list[AgentBar] = []
        while self._open and len(bars) < CHUNK and self._open[0][0] <= now_s:
            bars.append(heapq.heappop(self._open)[1])
        if not bars:
            return False
        late = [bar for bar in bars if self._left_s(bar) <= 0.0]
        early = [bar for bar in bars if bar not in late and not self.signals.ready(bar.bar_close_s)]
        timely = [bar for bar in bars if bar not in late and bar not in early]
        for bar in early:
            self._try_after(LOOK_S, bar)
        try:
            if late:
                await self._miss(late)
            if timely:
                await self._take(timely)
        except StoreUnavailable as error:
            log.warning("agents cannot decide on %d bars: %s", len(late) + len(timely), error)
            for bar in (*late, *timely):
                self._try_again(bar)
        return True

    async def _miss(self, bars: Sequence[AgentBar]) -> None:
        scene = self._scene
        missed = await scene.store.write(miss(self._ids(bars), self._owner, scene.now))
        self.missed += missed
        if missed:
            log.warning("agents have missed %d bars", missed)

    async def _take(self, bars: Sequence[AgentBar]) -> None:
        scene = self._scene
        takings = await scene.store.write(take(self._ids(bars), self._owner, scene.now))
        for bar in takings.held:
            # Should its holder be gone by then.
            self._try_after(LEASE_S + RETRY_S * self._chance(), bar)
        async with asyncio.TaskGroup() as group:
            for taken in takings.taken:
                group.create_task(self._decide(taken))
                # A policy in this process answers without a pause: between two bars others get their turn.
                await asyncio.sleep(0)

    async def _decide(self, taken: Taken) -> None:
        bar = taken.bar
        try:
            signal = self._signal(bar)
            if signal is None:
                await self._miss([bar])
                return
            now = self._scene.now
            deadline = now().after(self._left_s(bar))
            await self._scene.decide(signal, taken.decision_id, finish(taken, deadline=deadline, now=now))
            self.decided += 1
        except (StoreUnavailable, IllegalChange) as error:
            log.info("the decision of %s on %s may not be kept: %s", bar.user_id, bar.symbol, error)
            self._try_again(bar)
        except Exception:  # a fault in one decision must not keep the other agents from theirs
            log.exception("%s has not decided on %s", bar.user_id, bar.symbol)
            self._try_after(LEASE_S, bar)

    def _signal(self, bar: AgentBar) -> Signal | None:
        # What is decided now is decided on the last bar the features know: of another one it would be no decision.
        if self._scene.features.view(bar.symbol).as_of_s != bar.bar_close_s:
            return None
        return self.signals.of(bar)

    def _try_again(self, bar: AgentBar) -> None:
        # A miss that the store cannot take for the length of a bar is given up.
        if self._left_s(bar) > -self._scene.market.timeframe_s / self._scene.market.speed:
            self._try_after(RETRY_S * (0.5 + self._chance()), bar)

    def _try_after(self, seconds: float, bar: AgentBar) -> None:
        heapq.heappush(self._open, (self._scene.now().monotonic_s + seconds, bar))

    def _left_s(self, bar: AgentBar) -> float:
        market = self._scene.market
        return left_s(bar.bar_close_s, market.timeframe_s, market_now_s=market.now_s(), speed=market.speed)

    def _ids(self, bars: Sequence[AgentBar]) -> dict[AgentBar, str]:
        life_s = self._scene.market.wall_time_s(0.0)
        return {bar: decision_id(self._scene.secret, bar, life_s=life_s) for bar in bars}
