"""How often the AdaptiveThreshold service's own rule agrees with the rule run here: a few decisions a minute, asked."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from adapters.adaptive_threshold.client import AdaptiveThreshold
from adapters.store.budgets import take_call
from adapters.store.engine import Store
from rl_models.rule import evaluate
from trading.boot import Clock
from trading.errors import StoreUnavailable, UpstreamUnavailable
from trading.thresholds import Thresholds, ThresholdSource
from trading.vocabulary import Arm, Decision, Reading, Signal

BUDGET = "adaptive_threshold evaluate"
SAMPLES = ((6, 60.0),)
DEADLINE_S = 2.0
# Between two tries of a worker: each has its share of the six, by chance.
PAUSE_S = 10.0

log = logging.getLogger("rl_service.worker")


class ThresholdSamples:
    """One in each worker. Counts, since the process began: verdicts that `agreed`, that `disagreed`, `failed` calls."""

    def __init__(
        self,
        service: AdaptiveThreshold,
        store: Store,
        source: ThresholdSource,
        *,
        now: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._service = service
        self._store = store
        self._source = source
        self._now = now
        self._sleep = sleep
        self._chance = chance
        self._offered: tuple[Signal, Reading, Thresholds] | None = None
        self.agreed = self.disagreed = self.failed = 0

    def offer(self, decision: Decision) -> None:
        """A decision that may be asked about: one of the rule, for a user the service knows. Never waits."""
        signal = decision.signal
        if decision.served_arm is not Arm.FALLBACK or signal.reading is None:
            return
        known = self._source.of(signal.user_id, signal.symbol)
        if known is not None:
            self._offered = signal, signal.reading, known.values

    async def run(self) -> None:
        """Ask for ever. Waits out whatever the service and the store do."""
        while True:
            await self._sleep(PAUSE_S * (0.5 + self._chance()))
            try:
                await self._step()
            except StoreUnavailable as error:
                log.debug("the store is away: %s", error)

    async def _step(self) -> None:
        offered, self._offered = self._offered, None
        if offered is None:
            return
        signal, reading, thresholds = offered
        if not await self._store.write(take_call(BUDGET, windows=SAMPLES, now=self._now)):
            return
        try:
            theirs = await self._service.evaluate(signal.user_id, signal.symbol, reading, deadline_s=DEADLINE_S)
        except UpstreamUnavailable:
            self.failed += 1
            return
        if theirs.should_trade is evaluate(reading, thresholds).should_trade:
            self.agreed += 1
        else:
            self.disagreed += 1
