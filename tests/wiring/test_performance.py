"""How models did is computed from the journal and the market's bars: every figure here is worked out by hand."""

import argparse
import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ab.account import Costs
from ab.hits import Subject
from ab.metrics import METRICS, LatencyBucket
from adapters.store.engine import Location
from adapters.store.journal_rows import Entry
from adapters.store.schema import prepare
from rl_models.calibration import DEFAULT_HORIZON_BARS
from rl_models.shelf import SHIPPED_BUNDLES, Shelf, find_bundles
from tests.fakes.exposures import START_S, Exposing, entries, hourly
from tests.fakes.journals import insert
from tests.fakes.market import HOUR_S, FakeMarket
from tests.fakes.settings import settings
from tests.fakes.stores import running, sqlite
from trading.vocabulary import Arm, FailureReason
from wiring.analyses import add_analyses
from wiring.latencies import latencies_from, latencies_of, latencies_text
from wiring.performance import Asked, Horizons, performance
from wiring.stores import OpenStore, find_store
from wiring.unit_days import Terms

TERMS = Terms(costs=Costs(fee_bps=10.0, spread_bps=2.0), dead_band=0.02)
PPO = Subject(model="ppo-btc-1h", version="3", arm=Arm.RL)
RULE = Subject(model="rule", version="1", arm=Arm.FALLBACK)
NO_HORIZONS = Horizons(Shelf(candidates=(), refusals=()), "none")
HORIZON = DEFAULT_HORIZON_BARS
# One percent of the first price more each hour.
RISING = {"BTC": hourly([100.0 + hour for hour in range(73)])}


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return sqlite(tmp_path)


def decided(exposing: Sequence[Exposing], *, confidence: float | None = 0.6) -> list[Entry]:
    """The policy's decisions by PPO, the rule's without a confidence."""
    made = []
    for each in entries(exposing):
        by = PPO if each.decision.served_arm is Arm.RL else RULE
        said = confidence if by is PPO else None
        advice = replace(each.decision.advice, model=by.model, version=by.version, confidence=said)
        made.append(each._replace(decision=replace(each.decision, advice=advice)))
    return made


def bought(user_id: str, arm: Arm = Arm.RL, hours: float = 1, price: float = 101.0, **changes: object) -> Exposing:
    return Exposing(user_id=user_id, arm=arm, hours=hours, target=1.0, price=price, **changes)  # type: ignore[arg-type]


def told(
    location: Location,
    made: Sequence[Entry],
    *,
    at_hours: float = 48,
    days: int = 30,
    latencies: Mapping[Subject, Sequence[LatencyBucket]] | None = None,
) -> Any:
    """The figures as JSON has them."""

    async def fill() -> None:
        async with running(location) as store:
            await insert(store, made)

    asyncio.run(fill())
    at_s = START_S + at_hours * HOUR_S
    market = FakeMarket(RISING, now_s=at_s)
    asked = Asked(days=days, wall_s=at_s, latencies=latencies or {})
    with OpenStore(location) as store:
        return json.loads(json.dumps(performance(store, market, TERMS, NO_HORIZONS, asked), allow_nan=False))


def test_without_a_decision_every_figure_is_null_and_no_model_is_listed(location: Location) -> None:
    found = told(location, [])
    assert found["models"] == []
    assert set(found["arms"]) == {"rl", "fallback"}
    for arm in found["arms"].values():
        assert {name: arm[name] for name in METRICS} == dict.fromkeys(METRICS)
        assert (arm["decisions"], arm["judged"], arm["calibration"]) == (0, 0, {"decisions": 0, "bins": []})


def test_it_says_of_which_moment_of_which_market_and_after_how_many_bars_a_target_is_judged(location: Location) -> None:
    found = told(location, [], days=7)
    assert found["as_of"] == "2020-09-15T00:00:00.000Z"
    assert (found["days"], found["horizon_bars"]) == (7, HORIZON)
    assert found["market"] == {"source": "fake", "speed": 1.0}


def test_each_model_has_every_metric_from_its_own_decisions(location: Location) -> None:
    made = decided([bought("amy"), bought("bob", Arm.FALLBACK), bought("cid", hours=2, price=102.0)])
    found = told(location, made, at_hours=47)
    rule, ppo = found["models"]
    assert [(one["model"], one["version"], one["arm"]) for one in (rule, ppo)] == [
        ("rule", "1", "fallback"),
        ("ppo-btc-1h", "3", "rl"),
    ]
    assert (rule["decisions"], ppo["decisions"]) == (1, 2)
    assert set(METRICS) < set(ppo)
    # One day is over, the other one has begun. Bought at 101 and 102, at midnight at 124.
    amy, cid = (124.0 / bought_at - 1.0 for bought_at in (101.0, 102.0))
    assert rule["net_bps"] == pytest.approx(10_000.0 * amy - 11.0)
    assert ppo["net_bps"] == pytest.approx(10_000.0 * (amy + cid) / 2 - 11.0)
    assert ppo["fees_bps"] == pytest.approx(11.0)
    assert (ppo["turnover"], ppo["win_rate"], ppo["drawdown_bps"]) == (1.0, 1.0, 0.0)
    assert ppo["sharpe"] is None
    assert found["arms"]["rl"]["net_bps"] == ppo["net_bps"]


def test_accuracy_and_calibration_are_of_the_decisions_whose_horizon_is_over(location: Location) -> None:
    in_time, late = 48 - HORIZON, 49 - HORIZON
    made = decided([bought("amy", hours=in_time, price=100.0 + in_time), bought("bob", hours=late, price=100.0 + late)])
    ppo = told(location, made)["models"][0]
    assert (ppo["decisions"], ppo["judged"], ppo["hit_rate"]) == (2, 1, 1.0)
    assert ppo["brier"] == pytest.approx(0.16)
    assert ppo["calibration_error"] == pytest.approx(0.4)
    assert ppo["calibration"] == {
        "decisions": 1,
        "bins": [{"low": 0.6, "high": 0.6, "confidence": 0.6, "earned": 1.0, "decisions": 1}],
    }


def test_what_serves_no_confidence_has_no_calibration(location: Location) -> None:
    rule = told(location, decided([bought("amy", Arm.FALLBACK)]))["models"][0]
    assert (rule["judged"], rule["hit_rate"], rule["brier"], rule["calibration_error"]) == (1, 1.0, None, None)


def test_the_fallback_rate_is_of_those_who_were_assigned_the_policy(location: Location) -> None:
    failed = bought("amy", hours=2, served=Arm.FALLBACK, failure=FailureReason.POLICY_TIMEOUT)
    found = told(location, decided([bought("amy"), failed, bought("bob", Arm.FALLBACK), bought("amy", hours=3)]))
    rule, ppo = found["models"]
    assert ppo["fallback_rate"] == found["arms"]["rl"]["fallback_rate"] == pytest.approx(1 / 3)
    assert rule["fallback_rate"] == found["arms"]["fallback"]["fallback_rate"] == 0.0
    assert (rule["decisions"], ppo["as_served"]) == (2, pytest.approx(2 / 3))


def test_only_the_last_days_count(location: Location) -> None:
    made = decided([bought("amy"), bought("bob", hours=40, price=140.0)])
    assert [one["users"] for one in told(location, made, days=1)["models"]] == [1]
    assert [one["users"] for one in told(location, [], days=2)["models"]] == [2]


def test_latencies_are_those_that_were_measured_of_the_model_and_together_of_its_arm(location: Location) -> None:
    other = Subject(model="gone", version="1", arm=Arm.RL)
    measured = {
        PPO: [LatencyBucket(upper_ms=1.0, count=10), LatencyBucket(upper_ms=math.inf, count=0)],
        other: [LatencyBucket(upper_ms=1.0, count=0), LatencyBucket(upper_ms=math.inf, count=10)],
    }
    found = told(location, decided([bought("amy")]), latencies=measured)
    assert found["models"][0]["latency_p50_ms"] == 0.5
    assert found["models"][0]["latency_p99_ms"] == pytest.approx(0.99)
    assert found["arms"]["rl"]["latency_p50_ms"] == 1.0
    assert found["arms"]["fallback"]["latency_p99_ms"] is None


def test_latencies_reach_the_command_as_they_were_counted() -> None:
    counted = {("ppo-btc-1h", "3", "rl"): [(0.001, 10), (math.inf, 2)]}
    measured = {PPO: [LatencyBucket(upper_ms=1.0, count=10), LatencyBucket(upper_ms=math.inf, count=2)]}
    assert latencies_of(counted) == measured
    assert latencies_from(latencies_text(measured)) == measured


@pytest.mark.parametrize(
    "text", ["{", "[1]", '[{"model": "a"}]', '[{"model":"a","version":"1","arm":"x","buckets":[]}]']
)
def test_latencies_in_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is that of whoever reads JSON
        latencies_from(text)


def test_a_target_is_judged_after_the_horizon_of_its_bundle_that_of_the_rule_as_the_active_one() -> None:
    shelf = find_bundles([SHIPPED_BUNDLES])
    calibrated = [one for one in shelf.candidates if one.manifest.calibration is not None]
    assert calibrated
    for found in calibrated:
        assert found.manifest.calibration is not None
        horizons = Horizons(shelf, found.tag)
        own = found.manifest.calibration.horizon_bars
        assert horizons.active == horizons.of(RULE) == own
        assert (
            Horizons(shelf, "none").of(Subject(model=found.manifest.name, version=found.manifest.version, arm=Arm.RL))
            == own
        )
    assert Horizons(shelf, "none").active == HORIZON


def test_the_command_prints_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = settings(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(chosen.data_dir))
    chosen.data_dir.mkdir()
    prepare(find_store(chosen))
    parser = argparse.ArgumentParser()
    add_analyses(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["performance", "--days=3", f"--latencies={latencies_text({})}"])
    assert arguments.run(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["days"], said["models"], said["market"]["source"]) == (3, [], "simulated")
