"""What an experiment has found and could find, for those who ask."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Protocol

from ab.power_checks import check_expected
from ab.results import Findings
from ab.state import ExperimentState
from schemas.words import iso_time
from wiring.evaluated import KnownFindings
from wiring.evaluator import Judge
from wiring.experiment_views import show_accepted
from wiring.latencies import latencies_of, latencies_text


class Known(Protocol):
    """See wiring.experiments.Experiments."""

    async def state(self, key: str) -> ExperimentState:
        """An experiment as it is. Raises NotFound."""


class ExperimentResults:
    """Implements routes.analysis_pages.AnalysisReads. `model_seconds` see Metrics."""

    def __init__(
        self,
        experiments: Known,
        findings: KnownFindings,
        analyst: Judge,
        *,
        model_seconds: Callable[[], Mapping[tuple[str, str, str], Sequence[tuple[float, int]]]],
    ) -> None:
        self._experiments = experiments
        self._findings = findings
        self._analyst = analyst
        self._model_seconds = model_seconds

    async def results(self, key: str) -> Mapping[str, object]:
        """See AnalysisReads. `findings` are of the present run, null until they are first made.

        How many days are missing is in `money` of the findings, by arm.
        """
        state = await self._experiments.state(key)
        last = self._findings.last(key)
        current = last if last is not None and last.run == state.run else None
        return {
            "key": key,
            "run": state.run,
            "version": None if current is None else current.version,
            "as_of": None if current is None else iso_time(current.findings.at_s),
            **show_accepted(state),
            "findings": None if current is None else show_findings(current.findings),
        }

    async def report(self, key: str) -> bytes:
        """See AnalysisReads."""
        measured = latencies_of(await asyncio.to_thread(self._model_seconds))
        return await self._run("report", key, f"--latencies={latencies_text(measured)}")

    async def power(
        self, key: str, *, effect_bps: float, deviation_bps: float, users_per_arm: int, tails: str
    ) -> bytes:
        """See AnalysisReads."""
        check_expected(effect_bps=effect_bps, deviation_bps=deviation_bps, users_per_arm=users_per_arm)
        expected = (
            f"--effect-bps={effect_bps}",
            f"--deviation-bps={deviation_bps}",
            f"--users-per-arm={users_per_arm}",
            f"--tails={tails}",
        )
        return await self._run("power", key, *expected)

    async def check(self, key: str) -> bytes:
        """See AnalysisReads."""
        return await self._run("aa", key)

    async def _run(self, command: str, key: str, *more: str) -> bytes:
        await self._experiments.state(key)
        return await self._analyst.run(command, *more, "--", key)


def show_findings(findings: Findings) -> Mapping[str, object]:
    """Findings in the words of the wire; times are market times."""
    shown = asdict(findings)
    shown["market_at"] = iso_time(shown.pop("at_s"))
    for look in shown["primary"]["looks"]:
        look["market_at"] = iso_time(look.pop("at_s"))
    return shown
