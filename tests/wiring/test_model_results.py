"""What is shown of models: the figures of one analysis, kept for a minute, and the arms beside each other."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from ab.hits import Subject
from ab.metrics import METRICS, LatencyBucket, Served, arm_money
from ab.outcomes import OutcomeState, UnitDay
from ab.results import Conclusion, Findings
from ab.state import ExperimentState
from tests.fakes.experiments import findings, primary
from tests.fakes.experiments import running as running_experiment
from tests.fakes.waiting import run
from trading.errors import AnalysisFailed
from trading.vocabulary import Arm
from wiring.latencies import latencies_from
from wiring.model_results import KEPT_S, ModelResults, Sources


def figures(**known: float) -> dict[str, Any]:
    return {"decisions": 5, "users": 2, "judged": 3, **dict.fromkeys(METRICS), "calibration": {}, **known}


RL, RULE = figures(net_bps=12.0, brier=0.25), figures(net_bps=10.0)
SAID = {
    "as_of": "2026-01-01T00:00:00.000Z",
    "days": 30,
    "horizon_bars": 24,
    "market": {"source": "simulated", "speed": 1.0},
    "models": [
        {"model": "rule", "version": "1", "arm": "fallback", "horizon_bars": 24, **RULE},
        {"model": "ppo", "version": "3", "arm": "rl", "horizon_bars": 12, **RL},
    ],
    "arms": {"rl": RL, "fallback": RULE},
}


class Analysed:
    """Keeps Judge: says SAID after a moment, and remembers what it was asked; raises while it `fails`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.fails = False

    async def run(self, *arguments: str) -> bytes:
        self.asked.append(arguments)
        await asyncio.sleep(0.01)
        if self.fails:
            raise AnalysisFailed("no")
        return json.dumps(SAID).encode()


class Experiments:
    """Keeps InForce."""

    def __init__(self, state: ExperimentState | None) -> None:
        self._state = state

    async def look(self) -> ExperimentState | None:
        return self._state


class Asking:
    """Results on fakes, and the clock they look at."""

    def __init__(
        self,
        *,
        state: ExperimentState | None = None,
        found: Findings | None = None,
        measured: Mapping[tuple[str, str, str], list[tuple[float, int]]] | None = None,
    ) -> None:
        self.analyst, self.now_s = Analysed(), 100.0
        sources = Sources(
            analyst=self.analyst,
            experiments=Experiments(state),
            findings_of=lambda _: found,
            model_seconds=lambda: measured or {},
            real_money=False,
        )
        self.results = ModelResults(sources, monotonic_s=lambda: self.now_s)


def test_the_models_are_shown_as_they_were_found() -> None:
    shown = run(Asking().results.performance(30))
    assert shown == {name: SAID[name] for name in ("as_of", "days", "horizon_bars", "market", "models")}


def test_the_analysis_is_told_how_far_back_and_what_the_workers_measured() -> None:
    asking = Asking(measured={("ppo", "3", "rl"): [(0.001, 4)]})
    run(asking.results.performance(7))
    ((command, days, latencies),) = asking.analyst.asked
    assert (command, days) == ("performance", "--days=7")
    assert latencies_from(latencies.removeprefix("--latencies=")) == {
        Subject(model="ppo", version="3", arm=Arm.RL): [LatencyBucket(upper_ms=1.0, count=4)]
    }


def test_figures_are_given_again_for_a_minute_to_all_who_ask() -> None:
    asking = Asking()

    async def main() -> list[int]:
        asked = []
        for passed_s in (0.0, KEPT_S, 0.1):
            asking.now_s += passed_s
            await asyncio.gather(asking.results.performance(30), asking.results.comparison(30))
            asked.append(len(asking.analyst.asked))
        await asking.results.performance(7)
        return [*asked, len(asking.analyst.asked)]

    assert run(main()) == [1, 1, 2, 3]


def test_what_failed_is_asked_again() -> None:
    asking = Asking()

    async def main() -> None:
        asking.analyst.fails = True
        with pytest.raises(AnalysisFailed):
            await asking.results.performance(30)
        asking.analyst.fails = False
        assert (await asking.results.performance(30))["days"] == 30

    run(main())


def test_who_goes_away_takes_the_figures_from_nobody() -> None:
    asking = Asking()

    async def main() -> None:
        gone = asyncio.create_task(asking.results.performance(30))
        stays = asyncio.create_task(asking.results.performance(30))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await stays)["days"] == 30

    run(main())
    assert len(asking.analyst.asked) == 1


def test_arms_stand_beside_each_other_and_each_policy_beside_the_rule() -> None:
    shown = run(Asking().results.comparison(30))
    assert set(shown["arms"]) == set(METRICS)  # type: ignore[call-overload]
    arms: Any = shown["arms"]
    assert arms["net_bps"] == {"rl": 12.0, "fallback": 10.0, "difference": 2.0}
    assert arms["brier"] == {"rl": 0.25, "fallback": None, "difference": None}
    assert arms["sharpe"] == {"rl": None, "fallback": None, "difference": None}
    (ppo,) = shown["models"]  # type: ignore[attr-defined]
    assert (ppo["model"], ppo["version"], ppo["horizon_bars"]) == ("ppo", "3", 12)
    assert ppo["metrics"]["net_bps"] == {"model": 12.0, "rule": 10.0, "difference": 2.0}
    assert (shown["real_money"], shown["market"]) == (False, SAID["market"])


def test_the_effect_is_that_of_the_experiment_in_force_as_it_was_last_found() -> None:
    found = findings(primary=primary(Conclusion.NOT_WORSE))
    last = found.primary.looks[-1]
    shown: Any = run(Asking(state=running_experiment(), found=found).results.comparison(30))["experiment"]
    assert (shown["key"], shown["run"], shown["conclusion"]) == ("default", 1, "not_worse")
    assert (shown["effect_bps"], shown["low_bps"], shown["high_bps"]) == (
        last.effect_bps,
        last.low_bps,
        last.high_bps,
    )
    assert (shown["p_value"], shown["p_value_days"]) == (last.p_value, last.p_value_days)


def test_with_the_conclusion_comes_whether_all_that_it_needs_was_known() -> None:
    days = [
        UnitDay(user_id="amy", day=1, state=state, net_bps=1.0, fees_bps=0.0, turnover=0.0, capital_usd=None)
        for state in (OutcomeState.KNOWN, OutcomeState.MISSING, OutcomeState.MISSING)
    ]
    money = {Arm.RL: arm_money(Arm.RL, days, Served(exposures=3, as_assigned=3, failed=0))}
    found = findings(complete=False, money=money)
    shown: Any = run(Asking(state=running_experiment(), found=found).results.comparison(30))["experiment"]
    assert (shown["complete"], shown["missing"]) == (False, {"rl": 2})


def test_without_a_look_the_effect_is_null_and_without_findings_nothing_is_said() -> None:
    assert run(Asking().results.comparison(30))["experiment"] is None
    assert run(Asking(state=running_experiment()).results.comparison(30))["experiment"] is None
    found = findings(primary=primary(looks=0))
    shown: Any = run(Asking(state=running_experiment(), found=found).results.comparison(30))["experiment"]
    assert (shown["effect_bps"], shown["low_bps"], shown["p_value"]) == (None, None, None)
    assert shown["reason"]
