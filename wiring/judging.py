"""What judges experiments in one worker: the evaluator with its analyst, and another analyst for those who ask."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from ab.metrics import LatencyBucket, latency_ms
from adapters.store.engine import Store
from settings import Settings
from trading.agents import ExecutionMode
from trading.boot import Clock
from trading.errors import StoreUnavailable
from trading.ports import Market
from wiring.analyst import Analyst
from wiring.evaluated import KnownFindings
from wiring.evaluator import EVALUATION_S, Around, Evaluator
from wiring.experiment_results import ExperimentResults
from wiring.experiments import Experiments
from wiring.loops import begin, repeat_with_store
from wiring.model_results import ModelResults, Sources

WITHIN = 0.99


class Judging:
    """Open while the worker runs. `policy_seconds` are the times of the policy arm's decisions, see `Metrics`.

    `model_seconds` those of each model.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        market: Market,
        experiments: Experiments,
        findings: KnownFindings,
        *,
        policy_seconds: Callable[[], Sequence[tuple[float, int]]],
        model_seconds: Callable[[], Mapping[tuple[str, str, str], Sequence[tuple[float, int]]]],
        now: Clock,
    ) -> None:
        self._tick_s = settings.experiment_tick_seconds
        self._policy_seconds = policy_seconds
        # One of them is never kept waiting by the other.
        self._analysts = Analyst(), Analyst(timeout_s=EVALUATION_S)
        self.results = ExperimentResults(experiments, findings, self._analysts[0], model_seconds=model_seconds)
        self.models = ModelResults(
            Sources(
                analyst=self._analysts[0],
                experiments=experiments,
                findings_of=findings.of,
                model_seconds=model_seconds,
                real_money=settings.execution_mode is ExecutionMode.LIVE,
            )
        )
        around = Around(
            store=store,
            market=market,
            experiments=experiments,
            analyst=self._analysts[1],
            latency_p99_ms=self._latency_p99_ms,
        )
        self.evaluator = Evaluator(around, owner=secrets.token_hex(8), now=now, tick_s=self._tick_s)

    def loop(self) -> asyncio.Task[None]:
        """Begin to evaluate, for as long as the worker runs."""
        return begin(repeat_with_store(self.evaluator.tick, lambda: self._tick_s), "evaluator")

    async def stop(self) -> None:
        """End what runs, and let another worker evaluate."""
        for analyst in self._analysts:
            await analyst.stop()
        with suppress(StoreUnavailable):
            await self.evaluator.stop()

    async def _latency_p99_ms(self) -> float | None:
        counts = await asyncio.to_thread(self._policy_seconds)
        return latency_ms([LatencyBucket(upper_ms=1000.0 * upper_s, count=count) for upper_s, count in counts], WITHIN)
