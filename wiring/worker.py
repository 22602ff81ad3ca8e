"""How one worker lives, from its start to its end."""

import asyncio
import gc
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from adapters.metrics import FLUSH_S
from rl_models.rule import FallbackRule
from settings import Settings
from wiring.drain import end_this_process
from wiring.life import Life
from wiring.loops import begin, repeat, repeat_with_store, until_done, watch
from wiring.markets import plan_market
from wiring.model_watch import follow
from wiring.observation import COUNT_S, OBSERVE_S
from wiring.parts import Door, Parts
from wiring.runners import RunnerCalls
from wiring.upkeep import sweep_old

LOOK_S = 0.25
# What was running when nothing is answered any more; it has drained since the signal.
DRAIN_S = 1.0
RETENTION_S = 3600.0
MARKET_FEED = "market_feed"


class Worker:
    """One worker process, which decides with its `parts`. `start`, `drain` and `stop` belong to the event loop."""

    def __init__(
        self,
        settings: Settings,
        rule: FallbackRule,
        door: Door,
        calls: RunnerCalls | None = None,
        *,
        end: Callable[[], None] = end_this_process,
    ) -> None:
        self.parts = Parts(settings, rule, door, calls)
        self._end = end
        self._tasks: list[asyncio.Task[None]] = []
        self._life = Life()

    async def start(self) -> bool:
        """Open everything, read the history of every symbol, then keep all of it current.

        False when it was told to end meanwhile: it is to be stopped, and to answer nothing.
        """
        return await self._life.begin(self._start)

    async def _start(self) -> None:
        parts = self.parts
        parts.open_neighbours()
        for start, stop in (
            (parts.store.start, self._stop_store),
            (parts.cache.start, parts.cache.stop),
            (parts.bus.start, parts.bus.stop),
            (parts.neighbours.start, parts.neighbours.stop),
        ):
            self._life.at_end(stop)
            await start()
        # Large files, and verifying bundles, take seconds: this worker's heart beats on.
        plan = await asyncio.to_thread(plan_market, parts.settings)
        await until_done(lambda: parts.open_store(plan), LOOK_S)
        await parts.open_models()
        parts.open_desks()
        self._life.at_end(parts.trials.judging.stop)
        await until_done(parts.write_terms, LOOK_S)
        await parts.deciding.policies.switch()
        parts.deciding.feed.refresh()
        parts.holds.apply()
        await parts.journal.start()
        parts.queue.start()
        self._life.at_end(self._keep_what_runs)
        # What is here now stays: the collector need not walk over it again while requests wait.
        gc.collect()
        gc.freeze()
        self._tasks = self._loops()

    def drain(self) -> bool:
        """Run nothing new of the queue and end every long poll; one that still starts, starts no more.

        True when it had started: somebody may wait for an answer.
        """
        started = self._life.end()
        if started:
            self._draining = asyncio.create_task(self.parts.queue.drain(), name="queue_drain")
        return started

    async def stop(self) -> None:
        """End what was started, in about STOP_S; what was accepted and decided is brought to where it stays."""
        self._life.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._life.close()

    async def _keep_what_runs(self) -> None:
        await self.parts.floor.stop()
        await asyncio.gather(self._drained(), self.parts.journal.stop())
        await self.parts.queue.stop()
        self.parts.metrics.flush()

    async def _drained(self) -> None:
        # With the store away neither would end: the leases do.
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.parts.queue.drain()
                await self.parts.once.drain()

    async def _stop_store(self) -> None:
        with suppress(TimeoutError):
            async with self._life.time_left():
                await self.parts.store.stop()

    def _lost(self) -> set[str]:
        # The loops that have ended while the worker goes on.
        if self._life.ending:
            return set()
        loops = (
            self._tasks,
            self.parts.store.tasks,
            self.parts.bus.tasks,
            self.parts.journal.tasks,
            self.parts.queue.tasks,
        )
        return {task.get_name() for tasks in loops for task in tasks if task.done()}

    def not_ready(self) -> list[str]:
        """What the worker still waits for, as words of the wire; empty when it can answer as it should."""
        missing = self._lost()
        if self.parts.deciding.feed.late:
            missing.add(MARKET_FEED)
        return sorted(missing)

    def _loops(self) -> list[asyncio.Task[None]]:
        parts, deciding, observation = self.parts, self.parts.deciding, self.parts.observation
        sweep = partial(sweep_old, parts.settings, parts.store)
        return [
            begin(repeat(deciding.feed.refresh, deciding.feed.pause_s), MARKET_FEED),
            begin(repeat(parts.metrics.flush, lambda: FLUSH_S), "metrics"),
            begin(repeat(observation.observe, lambda: OBSERVE_S), "observation"),
            begin(repeat_with_store(observation.count_jobs, lambda: COUNT_S), "queue_depth"),
            begin(repeat_with_store(parts.known.refresh, lambda: LOOK_S), "snapshot"),
            begin(repeat(parts.holds.apply, lambda: LOOK_S), "breaker_holds"),
            begin(follow(parts.models, deciding.policies.switch, parts.store), "model_watch"),
            # Not all workers of a machine at once.
            begin(repeat_with_store(sweep, lambda: random.uniform(0.5, 1.0) * RETENTION_S), "retention"),
            *parts.floor.loops(),
            *parts.neighbours.loops(parts.around()),
            begin(parts.acting.run(), "acting"),
            *parts.trials.loops(),
            begin(watch(self._lost, self._end), "watch"),
        ]
