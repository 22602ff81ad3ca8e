"""How the models of the last days did, and how they and the arms compare, for those who ask."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ab.metrics import METRICS
from ab.results import Findings
from ab.state import ExperimentState
from schemas.words import iso_time
from trading.errors import ServiceError
from trading.vocabulary import Arm
from wiring.evaluator import Judge
from wiring.latencies import latencies_of, latencies_text

# How long the figures are given again as they were.
KEPT_S = 60.0


class InForce(Protocol):
    """See wiring.experiments.Experiments."""

    async def look(self) -> ExperimentState | None:
        """The experiment in force, as it is now; None for none. Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom to ask. `model_seconds` see Metrics; `findings_of` what is known of an experiment.

    `real_money`: orders may reach a venue that is none of ours.
    """

    analyst: Judge
    experiments: InForce
    findings_of: Callable[[ExperimentState], Findings | None]
    model_seconds: Callable[[], Mapping[tuple[str, str, str], Sequence[tuple[float, int]]]]
    real_money: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    since_s: float
    figures: "asyncio.Task[Any]"


class ModelResults:
    """Implements routes.model_pages.ModelReads."""

    def __init__(self, sources: Sources, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._sources = sources
        self._monotonic_s = monotonic_s
        self._kept: dict[int, _Kept] = {}

    async def performance(self, days: int) -> Mapping[str, object]:
        """See ModelReads."""
        figures = await self._figures(days)
        return {name: figure for name, figure in figures.items() if name != "arms"}

    async def comparison(self, days: int) -> Mapping[str, object]:
        """See ModelReads."""
        figures = await self._figures(days)
        arms = figures["arms"]
        policy, rule = arms[Arm.RL], arms[Arm.FALLBACK]
        return {
            **{name: figures[name] for name in ("as_of", "days", "horizon_bars", "market")},
            "real_money": self._sources.real_money,
            "decisions": {arm: arms[arm]["decisions"] for arm in (Arm.RL, Arm.FALLBACK)},
            "arms": _beside("rl", policy, "fallback", rule),
            "models": [
                {
                    **{name: one[name] for name in ("model", "version", "horizon_bars", "decisions")},
                    "metrics": _beside("model", one, "rule", rule),
                }
                for one in figures["models"]
                if one["arm"] == Arm.RL
            ],
            "experiment": await self._primary(),
        }

    async def _figures(self, days: int) -> Any:
        kept = self._kept.get(days)
        if kept is None or self._monotonic_s() - kept.since_s > KEPT_S:
            kept = _Kept(since_s=self._monotonic_s(), figures=asyncio.create_task(self._ask(days)))
            self._kept[days] = kept
        try:
            return await asyncio.shield(kept.figures)
        except ServiceError:
            if self._kept.get(days) is kept:
                del self._kept[days]
            raise

    async def _ask(self, days: int) -> Any:
        sources = self._sources
        measured = latencies_of(await asyncio.to_thread(sources.model_seconds))
        said = await sources.analyst.run("performance", f"--days={days}", f"--latencies={latencies_text(measured)}")
        return json.loads(said)

    async def _primary(self) -> Mapping[str, object] | None:
        state = await self._sources.experiments.look()
        findings = None if state is None else self._sources.findings_of(state)
        if state is None or findings is None:
            return None
        last = findings.primary.looks[-1] if findings.primary.looks else None
        names = ("effect_bps", "low_bps", "high_bps", "p_value", "level", "p_value_days", "level_days", "significant")
        return {
            "key": state.plan.key,
            "run": state.run,
            "as_of": iso_time(findings.at_s),
            "complete": findings.complete,
            "missing": {arm: money.missing for arm, money in findings.money.items()},
            "conclusion": findings.primary.conclusion,
            "reason": findings.primary.reason,
            **{name: None if last is None else getattr(last, name) for name in names},
        }


def _beside(
    name: str, figures: Mapping[str, Any], other_name: str, other: Mapping[str, Any]
) -> Mapping[str, Mapping[str, float | None]]:
    return {
        metric: {name: figures[metric], other_name: other[metric], "difference": _less(figures[metric], other[metric])}
        for metric in METRICS
    }


def _less(figure: float | None, other: float | None) -> float | None:
    return None if figure is None or other is None else figure - other
