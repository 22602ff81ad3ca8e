"""Asks the AdaptiveThreshold service for the thresholds of users with running agents: one worker for all of them."""

import asyncio
import heapq
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from adapters.adaptive_threshold.client import AdaptiveThreshold
from adapters.store.budgets import take_call
from adapters.store.engine import Store
from adapters.store.leases import hold
from adapters.store.thresholds import ThresholdReader, keep_thresholds
from trading.agents import Agent
from trading.boot import Clock, Moment
from trading.errors import NotSent, OutcomeUnknown, StoreUnavailable, UpstreamLimited, UpstreamUnavailable
from trading.thresholds import KnownThresholds

LEASE = "threshold_poller"
LEASE_S = 15.0
# The service takes 60 calls a minute from one address. Our reads are retried now and then, at most 14 times in any
# minute, and THRESHOLD_SAMPLES adds its own six.
BUDGET = "adaptive_threshold thresholds"
POLLS = ((40, 60.0),)
# Nobody is asked about more often than this.
REFRESH_S = 60.0
DEADLINE_S = 2.0
PACE_S = 1.0
IDLE_S = 5.0
LONGEST_BACK_OFF_S = 5.0
# After a 429 that does not say how long: its window.
LIMITED_S = 60.0
# Chosen at once, the stalest first, out of any number; between CHUNK of these other requests have their turn.
MOST_CHOSEN = 50
CHUNK = 500

log = logging.getLogger("rl_service.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Whose thresholds are wanted: the agents that run, and the market's symbols for those that name none."""

    agents: Callable[[], Sequence[Agent]]
    symbols: Callable[[], Sequence[str]]


class ThresholdPoller:
    """One in each worker; the one that holds the lease asks. Counts, since the process began: `kept`, `refused` answers
    that were none for this user, and `failed` calls of a service that is down, slow or limits us."""

    def __init__(
        self,
        service: AdaptiveThreshold,
        store: Store,
        reader: ThresholdReader,
        watched: Watched,
        *,
        owner: str,
        now: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._service = service
        self._store = store
        self._reader = reader
        self._watched = watched
        self._owner = owner
        self._now = now
        self._sleep = sleep
        self._chance = chance
        self._held_until: Moment | None = None
        self._rests_until: Moment | None = None
        self._next: deque[tuple[str, str]] = deque()
        self._asked_s: dict[tuple[str, str], float] = {}
        self._in_a_row = 0
        self.kept = self.refused = self.failed = 0

    async def run(self) -> None:
        """Ask for ever. Waits out whatever the service and the store do."""
        while True:
            try:
                pause_s = await self._step()
            except StoreUnavailable as error:
                log.debug("the store is away: %s", error)
                pause_s = IDLE_S
            await self._sleep(pause_s * (1.0 + 0.2 * self._chance()))

    async def _step(self) -> float:
        """Do the next thing; seconds until there may be another."""
        if not await self._holds():
            self._next.clear()
            return IDLE_S
        if (left_s := self._rest_left_s()) > 0.0:
            # The lease is kept meanwhile: another worker would only ask in its turn.
            return min(left_s, IDLE_S)
        if not self._next:
            await self._reader.refresh()
            self._next.extend(await self._stalest())
        if not self._next:
            return IDLE_S
        if not await self._store.write(take_call(BUDGET, windows=POLLS, now=self._now)):
            return PACE_S
        rest_s = await self._ask(*self._next.popleft())
        self._rests_until = self._now().after(rest_s)
        return min(rest_s, IDLE_S)

    def _rest_left_s(self) -> float:
        return 0.0 if self._rests_until is None else self._rests_until.left_s(self._now())

    async def _holds(self) -> bool:
        now = self._now()
        if self._held_until is None or self._held_until.left_s(now) < LEASE_S / 2:
            epoch = await self._store.write(hold(LEASE, self._owner, self._now, for_s=LEASE_S))
            self._held_until = None if epoch is None else now.after(LEASE_S)
        return self._held_until is not None

    async def _ask(self, user_id: str, symbol: str) -> float:
        """Ask about one pair and keep the answer; seconds to leave the service alone after it."""
        self._asked_s[user_id, symbol] = self._now().wall_s
        try:
            values = await self._service.thresholds(user_id, symbol, deadline_s=DEADLINE_S)
        except UpstreamLimited as error:
            self.failed += 1
            return LIMITED_S if error.retry_after_s is None else max(error.retry_after_s, PACE_S)
        except (NotSent, OutcomeUnknown):
            self.failed += 1
            self._in_a_row += 1
            return min(PACE_S * 2.0**self._in_a_row, LONGEST_BACK_OFF_S)
        except UpstreamUnavailable as error:
            # It answers, and this is no answer for this user: the last known stay.
            self.refused += 1
            log.debug("no thresholds of a user: %s", error)
        else:
            known = KnownThresholds(values=values, as_of_s=self._now().wall_s)
            await self._store.write(keep_thresholds(user_id, symbol, known))
            self.kept += 1
        self._in_a_row = 0
        return PACE_S

    async def _stalest(self) -> list[tuple[str, str]]:
        """The pairs of user and symbol that are due, those asked about longest ago first."""
        now_s = self._now().wall_s
        asked_s: dict[tuple[str, str], float] = {}
        chosen: list[tuple[float, float, tuple[str, str]]] = []
        async for pair in self._pairs():
            if pair in self._asked_s:
                asked_s[pair] = self._asked_s[pair]
            known = self._reader.of(*pair)
            last_s = max(asked_s.get(pair, 0.0), 0.0 if known is None else known.as_of_s)
            # What was asked in the future was asked before somebody set the clock back.
            if not now_s - REFRESH_S < last_s <= now_s:
                # Among equals chance decides: each worker that takes over begins elsewhere.
                chosen.append((last_s, self._chance(), pair))
            if len(chosen) > MOST_CHOSEN + CHUNK:
                chosen = heapq.nsmallest(MOST_CHOSEN, chosen)
        self._asked_s = asked_s
        return [pair for _, _, pair in heapq.nsmallest(MOST_CHOSEN, chosen)]

    async def _pairs(self) -> AsyncIterator[tuple[str, str]]:
        symbols = self._watched.symbols()
        seen = 0
        for agent in self._watched.agents():
            for symbol in agent.config.symbols or symbols:
                yield agent.user_id, symbol
                seen += 1
                if seen % CHUNK == 0:
                    await asyncio.sleep(0)
