import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl_models.answers import where_calibrated
from rl_models.bundle import load_bundle, write_bundle
from rl_models.live import LiveFeatures
from rl_models.policy import BundlePolicy
from tests.fakes.bars import random_bars
from tests.fakes.bundles import SCHEMA, constant_onnx, ensemble_manifest, policy_manifest, write_policy
from tests.fakes.market import FakeMarket
from trading.errors import FeaturesWarmingUp, UnknownSymbol
from trading.vocabulary import SIMULATED, Action, Advice, ConfidenceReason, Reading

READING = Reading(confidence=0.7, rsi=55.0, change_percent=1.0, volume_usd=1e9, action=Action.BUY)
BARS = random_bars(60)
LONG, FLAT = (0.0, 0.0, 5.0), (5.0, 0.0, 0.0)


def policy(root: Path, scores: tuple[float, ...], bars: int = 60, source: str = "fake") -> BundlePolicy:
    bundle = load_bundle(write_bundle(root, policy_manifest(), constant_onnx(scores)))
    market = FakeMarket({"BTC": BARS[:bars], "ETH": BARS[:bars]}, source=source)
    live = LiveFeatures(market, bundle.networks)
    live.refresh()
    return BundlePolicy(live, bundle)


def advise(asked: BundlePolicy, symbol: str) -> Advice:
    return asyncio.run(asked.advise(symbol, READING, 0.5, budget_s=1.0))


def test_it_advises_with_calibrated_confidence_on_the_symbol_it_knows(tmp_path: Path) -> None:
    advice = advise(policy(tmp_path, LONG), "BTC")
    assert (advice.target_exposure, advice.confidence_reason) == (1.0, ConfidenceReason.CALIBRATED)
    assert advice.confidence == 0.5


def test_on_another_symbol_the_advice_stands_without_a_confidence(tmp_path: Path) -> None:
    asked = policy(tmp_path, LONG)
    other = advise(asked, "ETH")
    assert (other.confidence, other.confidence_reason) == (None, ConfidenceReason.UNCALIBRATED)
    assert (other.target_exposure, other.scores) == (1.0, advise(asked, "BTC").scores)


def test_on_a_market_that_is_made_up_the_advice_stands_without_a_confidence(tmp_path: Path) -> None:
    advice = advise(policy(tmp_path, LONG, source=SIMULATED), "BTC")
    assert (advice.confidence, advice.confidence_reason) == (None, ConfidenceReason.UNCALIBRATED)


@pytest.mark.parametrize(("symbol", "source"), [("BTC", "fake"), ("ETH", "fake"), ("BTC", SIMULATED)])
def test_an_advice_can_be_recomputed_from_the_evidence_it_carries(tmp_path: Path, symbol: str, source: str) -> None:
    given = advise(policy(tmp_path, LONG, source=source), symbol)
    bundle = load_bundle(tmp_path / "fake" / "1")
    assert given.digest == bundle.digest
    assert given.observations is not None
    rows = {schema: np.frombuffer(seen, dtype="<f8") for schema, seen in given.observations.items()}
    again = where_calibrated(bundle.answer(rows, 0.5), bundle.manifest, symbol=symbol, source=source)
    assert replace(again, digest=given.digest, observations=given.observations) == given


def test_the_evidence_is_what_the_policy_saw(tmp_path: Path) -> None:
    given = advise(policy(tmp_path, LONG), "BTC")
    assert given.observations is not None
    (seen,) = given.observations.values()
    log_return, exposure = np.frombuffer(seen, dtype="<f8")
    assert exposure == 0.5
    assert log_return == pytest.approx(np.log(BARS[-1].close / BARS[-2].close))


def test_flat_stays_the_reason_on_any_symbol(tmp_path: Path) -> None:
    assert advise(policy(tmp_path, FLAT), "ETH").confidence_reason is ConfidenceReason.FLAT


def test_it_passes_on_why_there_are_no_features(tmp_path: Path) -> None:
    asked = policy(tmp_path, LONG, bars=2)
    with pytest.raises(FeaturesWarmingUp):
        advise(asked, "BTC")
    with pytest.raises(UnknownSymbol):
        advise(asked, "XYZ")


def test_an_ensemble_advises_through_the_same_door(tmp_path: Path) -> None:
    members = [write_policy(tmp_path, name, scores) for name, scores in (("a", LONG), ("b", LONG), ("c", FLAT))]
    bundle = load_bundle(write_bundle(tmp_path, ensemble_manifest(members), None))
    live = LiveFeatures(FakeMarket({"BTC": BARS}), bundle.networks)
    live.refresh()
    advice = advise(BundlePolicy(live, bundle), "BTC")
    assert bundle.schema_digests == (SCHEMA.digest,)
    assert (advice.model, advice.target_exposure) == ("crowd", 1.0)
    assert advice.agreement == pytest.approx(2 / 3)
