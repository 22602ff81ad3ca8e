"""What one worker has: its market, models and desk, and the loops that keep them current."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from ab.assignment import Experiment
from adapters.metrics import Metrics
from rl_models.active import ActiveModel
from rl_models.live import LiveFeatures
from settings import Settings
from trading.desk import Advisers, Desk
from trading.exposure import SPOT
from trading.gate import Limits
from trading.ports import Market, Policy
from wiring.markets import open_market
from wiring.models import Model, PolicyCall, PolicyOfTheDay, require_timeframe
from wiring.runners import RemoteRule, RuleCall

log = logging.getLogger("rl_service.worker")

# The salt of the experiment that AB_TESTING_ENABLED and RL_TRAFFIC_PERCENTAGE set up; another salt is another split of
# the users. Under this one the README's user123 falls below 0.1, so a newcomer's first request meets the policy.
DEFAULT_EXPERIMENT = "default"
DEFAULT_SALT = "rl-vs-rule-13"

REFRESH_S = 0.25
# How long after a close it is looked for: below a millisecond a timer may fire before its time.
SETTLE_S = 0.002
# A feed that has not been refreshed for this long makes the worker not ready.
FEED_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerCalls:
    """How to reach the runners when they are processes of their own."""

    policy: PolicyCall
    rule: RuleCall


class Worker:
    """Everything a worker process decides with. `start` and `stop` belong to the event loop."""

    def __init__(
        self, settings: Settings, models: ActiveModel[Model], rule: Policy, calls: RunnerCalls | None = None
    ) -> None:
        self.settings = settings
        self.market: Market = open_market(settings)
        self.models = models
        models.require(lambda model: require_timeframe(model, self.market))
        self.metrics = Metrics()
        self.live = LiveFeatures(self.market, models.current.networks)
        self.experiment = open_experiment(settings)
        self._policy = PolicyOfTheDay(
            self.live, models, None if calls is None else calls.policy, cache_ttl_s=settings.cache_ttl_seconds
        )
        self.desk = Desk(
            features=self.live,
            assigner=self.experiment,
            advisers=Advisers(rl=self._policy, fallback=(rule,) if calls is None else (RemoteRule(calls.rule), rule)),
            recorder=self.metrics,
            limits=Limits(signal_max_age_s=settings.signal_max_age_seconds, max_price_gap=settings.max_price_gap),
            exposures=SPOT,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._refreshed_s = float("-inf")

    async def start(self) -> None:
        """Read the history of every symbol, then keep it and the active model current."""
        self._refresh()
        # What is here now stays: the collector need not walk over it again while requests wait.
        gc.collect()
        gc.freeze()
        self._tasks = [
            asyncio.create_task(logged(repeat(self._refresh, self._pause_s)), name="market_feed"),
            asyncio.create_task(logged(follow(self.models, self._policy.switch)), name="model_watch"),
        ]

    async def stop(self) -> None:
        """End the loops."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def not_ready(self) -> list[str]:
        """What the worker still waits for, as words of the wire; empty when it can answer as it should."""
        missing = {task.get_name() for task in self._tasks if task.done()}
        if time.monotonic() - self._refreshed_s > FEED_LIMIT_S:
            missing.add("market_feed")
        return sorted(missing)

    def _refresh(self) -> None:
        self.live.refresh()
        self._refreshed_s = time.monotonic()

    def _pause_s(self) -> float:
        # A bar is taken in as it closes, not up to REFRESH_S later: a fast replay closes several bars in that time.
        market = self.market
        last_close_s = market.now_s() // market.timeframe_s * market.timeframe_s
        until_close_s = market.wall_time_s(last_close_s + market.timeframe_s) - time.time()
        return min(max(until_close_s + SETTLE_S, SETTLE_S), REFRESH_S)


def open_experiment(settings: Settings) -> Experiment:
    """The default experiment as the environment sets it up."""
    return Experiment(
        key=DEFAULT_EXPERIMENT,
        salt=DEFAULT_SALT,
        enabled=settings.ab_testing_enabled,
        rl_share=settings.rl_traffic_percentage,
    )


async def logged(loop: Coroutine[None, None, None]) -> None:
    """Run a loop of the worker; an error that ends it is logged, and the readiness probe shows it from then on."""
    try:
        await loop
    except Exception:
        log.exception("a loop of this worker ended")
        raise


async def repeat(call: Callable[[], None], pause_s: Callable[[], float]) -> None:
    """Call again and again."""
    while True:
        await asyncio.sleep(pause_s())
        call()


async def follow(models: ActiveModel[Model], switch: Callable[[], None]) -> None:
    """Switch whenever another model becomes active; verifying it happens beside the event loop."""
    known_refusal = None
    while True:
        await asyncio.sleep(REFRESH_S)
        if await asyncio.to_thread(models.refresh):
            switch()
            log.info("serving %s (%s)", models.name, models.current.digest)
        if models.refusal != known_refusal:
            known_refusal = models.refusal
            log.error("a model was refused, %s keeps serving: %s", models.name, known_refusal)
