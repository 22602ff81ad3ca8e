"""The same 500 bars through the environment, the batch and served predictions: same observations, same actions."""

import asyncio
import http.client
import json
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from adapters.market_clock import WALL_CLOCK
from adapters.simulated_market import SimulatedMarket, Simulation
from rl_models.bundle import Bundle, load_bundle
from rl_models.features.batch import observations
from rl_models.live import LiveFeatures
from rl_models.policy import BundlePolicy
from rl_models.signal_generator import SignalGenerator
from tests.fakes.served import REQUEST, ROOT, served
from tests.fakes.settings import settings
from trading.vocabulary import Action, Advice, Bar, Reading
from wiring.markets import look_at_market

HOUR_S = 3600
BARS = 500
SIMULATION = Simulation(seed=7, symbols=("BTC", "ETH", "SOL"), timeframe_s=HOUR_S)
START_S = 1_780_000_200 - 1_780_000_200 % HOUR_S


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(ROOT / "rl_models/bundles/ppo-btc-1h/1", inline_p99_s=None)


def history(bundle: Bundle) -> list[Bar]:
    """The simulated bars that end after BARS hours from START_S, with twice the warm-up before them."""
    market = SimulatedMarket(SIMULATION, WALL_CLOCK, lambda: START_S + BARS * HOUR_S + 1.0)
    return list(market.closed_bars("BTC", after_s=None, limit=BARS + 2 * bundle.manifest.warmup_bars))


def batch_rows(bundle: Bundle, bars: list[Bar], readings: list[Reading | None]) -> np.ndarray:
    manifest = bundle.manifest
    assert manifest.schema is not None
    return observations(
        manifest.schema, bars, readings, [0.0] * len(bars), timeframe_s=HOUR_S, warmup_bars=manifest.warmup_bars
    )


def test_environment_batch_and_live_observe_and_act_alike(bundle: Bundle) -> None:
    gymnasium_environment = pytest.importorskip("rl_models.training.environment", reason="needs the train extra")
    training_history = pytest.importorskip("rl_models.training.history", reason="needs the train extra")
    manifest, bars = bundle.manifest, history(bundle)
    assert manifest.schema is not None
    assert manifest.normalisation is not None
    generator = SignalGenerator(HOUR_S)
    readings = [generator.update(bar) for bar in bars]
    batch = batch_rows(bundle, bars, readings)[-BARS:]
    targets, _, _ = bundle.targets({manifest.schema.digest: batch}, np.zeros(BARS))

    live, advices = live_rows_and_advices(bundle, readings[-BARS:])
    assert np.abs(live - batch).max() <= 1e-9
    assert [advice.target_exposure for advice in advices] == targets.tolist()

    series = training_history.Series(symbol="BTC", timeframe_s=HOUR_S, bars=bars)
    past = training_history.build_history(series, manifest.schema, manifest.warmup_bars)
    (stretch,) = past.stretches(bars[-BARS].open_time_s, bars[-1].open_time_s + HOUR_S, manifest.normalisation)
    environment = gymnasium_environment.TradingEnvironment([stretch], gymnasium_environment.Rules(episode_bars=BARS))
    seen = [environment.reset(seed=1, options={"stretch": 0, "start": 0, "position": 0.0})[0]]
    seen += [environment.step(np.int64(0))[0] for _ in range(BARS - 1)]
    normalised = (batch - np.array(manifest.normalisation.mean)) / np.array(manifest.normalisation.std)
    clip = manifest.normalisation.clip or np.inf
    assert np.abs(np.array(seen) - np.clip(normalised, -clip, clip)).max() <= 1e-5


def live_rows_and_advices(bundle: Bundle, readings: list[Reading | None]) -> tuple[np.ndarray, list[Advice]]:
    """What a worker observes and is advised at each of the last BARS closes, its clock moved by hand."""
    now_s = [START_S + 1.0]
    live = LiveFeatures(SimulatedMarket(SIMULATION, WALL_CLOCK, lambda: now_s[0]), bundle.networks)
    policy = BundlePolicy(live, bundle)
    rows, advices = [], []
    for number, reading in enumerate(readings):
        now_s[0] = START_S + (number + 1) * HOUR_S + 1.0
        live.refresh()
        assert reading is not None
        (digest,) = bundle.schema_digests
        rows.append(live.observe("BTC", digest, reading, 0.0))
        advices.append(asyncio.run(policy.advise("BTC", reading, 0.0, budget_s=1.0)))
    return np.array(rows), advices


def test_served_predictions_act_as_the_batch_does(bundle: Bundle, tmp_path: Path) -> None:
    changes = {"MARKET_SPEED": "36000", "RL_MODEL": "ppo-btc-1h", "RL_TRAFFIC_PERCENTAGE": "0.5"}
    # At this speed the policy soon loses what a guardrail allows: nobody evaluates it here.
    with served(tmp_path, **changes, EXPERIMENT_TICK_SECONDS="3600") as service:
        answers = collect(service.port)
    after = look_at_market(settings(tmp_path, market_speed=36000.0))
    bars = list(after.closed_bars("BTC", after_s=None, limit=20_000))
    bars = [bar for bar in bars if min(answers) - 2 * bundle.manifest.warmup_bars * HOUR_S <= bar.open_time_s]
    sent = REQUEST["signal_data"]
    reading = Reading(
        confidence=sent["confidence"],
        rsi=sent["rsi"],
        change_percent=sent["change_percent"],
        volume_usd=sent["volume"],
        action=Action(sent["action"]),
    )
    rows = batch_rows(bundle, bars, [reading] * len(bars))
    places = [place for place, bar in enumerate(bars) if bar.open_time_s + HOUR_S in answers]
    (digest,) = bundle.schema_digests
    targets, _, _ = bundle.targets({digest: rows[places]}, np.zeros(len(places)))
    assert len(places) >= BARS
    assert [answers[bars[place].open_time_s + HOUR_S] for place in places] == targets.tolist()
    assert len(set(targets.tolist())) > 1, "a policy that always says the same proves nothing"


def collect(port: int) -> dict[int, float]:
    """The target exposure served at each of at least BARS closes, by close time (Unix seconds)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    body = json.dumps(REQUEST)
    found: dict[int, float] = {}
    deadline_s = time.monotonic() + 240
    while len(found) < BARS:
        assert time.monotonic() < deadline_s, f"only {len(found)} bars were answered"
        connection.request("POST", "/api/v1/predict", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        if answer["model_used"] == "ppo-btc-1h":
            closed_s = int(datetime.fromisoformat(answer["data_as_of"]).timestamp())
            target = answer["advice"]["target_exposure"]
            assert found.setdefault(closed_s, target) == target, "two workers disagree"
    return found
