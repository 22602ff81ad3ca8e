"""An imported policy decides in its bundle as it did where it was trained."""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl_models.bundle import Bundle, load_bundle
from rl_models.normaliser import Normaliser
from rl_models.semantics import DiscreteExposure
from rl_models.training.bar_file import BarFile
from rl_models.training.history import Series
from rl_models.training.import_policy import add_import_arguments, run_import
from rl_models.training.parity import raw_observations
from tests.fakes.bars import random_bars
from tests.fakes.bundles import linear_onnx
from tests.fakes.sb3 import BOX, LEVELS, MODELS, RANGE, saved, saved_statistics, untrained
from trading.errors import BundleRefused

SCHEMA = """
features:
  - log_return: {n: 1}
  - rsi: {n: 3}
  - hour_sin
  - signal_confidence
  - position_exposure
"""
N_FEATURES = 5
BARS = random_bars(2_000)
UNSEEN = BarFile(
    name="unseen.csv",
    sha256="ab" * 32,
    findings=(),
    series=Series(symbol="BTC", timeframe_s=3600, bars=random_bars(2_500, seed=8)),
)
Import = Callable[..., Path]


@pytest.fixture
def import_file(tmp_path: Path) -> Import:
    schema = tmp_path / "schema.yaml"
    schema.write_text(SCHEMA)
    parser = argparse.ArgumentParser()
    add_import_arguments(parser)

    def run(policy: Path, algorithm: str, actions: str, *more: str, unseen: BarFile | None = None) -> Path:
        words = [str(policy), "--algorithm", algorithm, f"--actions={actions}", "--timeframe", "1h", "--symbol", "BTC"]
        words += ["--schema", str(schema), "--name", "imported", "--out", str(tmp_path / "bundles"), *more]
        return run_import(parser.parse_args(words), simulated=BARS, unseen=unseen)

    return run


def decided(bundle: Bundle, rows: np.ndarray, exposure: float) -> np.ndarray:
    targets, _, _ = bundle.targets({bundle.schema_digests[0]: rows}, np.full(len(rows), exposure))
    return targets


def observed(bundle: Bundle) -> np.ndarray:
    schema = bundle.manifest.schema
    assert schema is not None
    return raw_observations(schema, BARS, timeframe_s=3600, warmup_bars=bundle.manifest.warmup_bars)


@pytest.mark.parametrize("title", MODELS)
def test_every_algorithm_decides_in_its_bundle_as_it_predicts(title: str, tmp_path: Path, import_file: Import) -> None:
    algorithm, continuous, _ = MODELS[title]
    model = untrained(title, N_FEATURES)
    statistics_file, statistics = saved_statistics(tmp_path, N_FEATURES)
    low, high = BOX
    mask = ("--mask", "none") if algorithm == "MaskablePPO" else ()
    path = import_file(
        saved(model, tmp_path),
        algorithm,
        RANGE if continuous else LEVELS,
        *("--vecnormalize", str(statistics_file), f"--box={low}..{high}", *mask),
    )
    bundle = load_bundle(path)
    rows = observed(bundle)
    actions, _ = model.predict(statistics.normalize_obs(rows).astype(np.float32), deterministic=True)
    expected = (actions[:, 0] - low) / (high - low) if continuous else np.array([0.0, 0.5, 1.0])[actions]
    assert expected.std() > 0.001
    np.testing.assert_allclose(decided(bundle, rows, 0.0), expected, atol=1e-5)


def test_the_bundle_keeps_what_was_proved_and_where_it_comes_from(tmp_path: Path, import_file: Import) -> None:
    manifest = load_bundle(import_file(saved(untrained("PPO", N_FEATURES), tmp_path), "PPO", LEVELS)).manifest
    export = manifest.parity["export"]
    assert export["action_agreement"] == 1.0
    assert export["max_abs_diff"] < 1e-5
    assert export["observations"] > 1_000
    assert manifest.provenance["imported_from"]["activation_from"] == "the algorithm's default"
    assert str(tmp_path) not in json.dumps(manifest.to_json())


def test_a_mask_is_honoured_when_the_bundle_decides(tmp_path: Path, import_file: Import) -> None:
    zipped = saved(untrained("MaskablePPO", N_FEATURES), tmp_path)
    bundle = load_bundle(import_file(zipped, "MaskablePPO", LEVELS, "--mask", "no_repeat"))
    rows = observed(bundle)
    for exposure in (0.0, 0.5, 1.0):
        assert (decided(bundle, rows, exposure) != exposure).all()


def test_a_policy_trained_with_masks_needs_a_named_rule(tmp_path: Path, import_file: Import) -> None:
    with pytest.raises(BundleRefused, match="--mask"):
        import_file(saved(untrained("MaskablePPO", N_FEATURES), tmp_path), "MaskablePPO", LEVELS)


def test_verbs_keep_buy_and_sell_from_the_position(tmp_path: Path, import_file: Import) -> None:
    model = untrained("DQN", N_FEATURES)
    bundle = load_bundle(import_file(saved(model, tmp_path), "DQN", "HOLD,BUY,SELL"))
    rows = observed(bundle)
    actions, _ = model.predict(Normaliser(None).apply(rows), deterministic=True)
    assert np.array_equal(decided(bundle, rows, 0.25), np.array([0.25, 1.0, 0.0])[actions])


def test_a_schema_of_another_size_is_refused_with_both_numbers(tmp_path: Path, import_file: Import) -> None:
    with pytest.raises(BundleRefused, match="the network takes 6 features, the schema has 5"):
        import_file(saved(untrained("PPO", 6), tmp_path), "PPO", LEVELS)


def test_statistics_of_another_size_are_refused_with_both_numbers(tmp_path: Path, import_file: Import) -> None:
    statistics, _ = saved_statistics(tmp_path, 6)
    with pytest.raises(BundleRefused, match="statistics are of 6 features, the schema has 5"):
        import_file(saved(untrained("PPO", N_FEATURES), tmp_path), "PPO", LEVELS, "--vecnormalize", str(statistics))


def recorded(tmp_path: Path, title: str, **policy_kwargs: object) -> tuple[Path, Path]:
    model = untrained(title, N_FEATURES, **policy_kwargs)
    rows = np.random.default_rng(4).normal(size=(400, N_FEATURES)).astype(np.float32)
    actions, _ = model.predict(rows, deterministic=True)
    pairs = tmp_path / "pairs.npz"
    np.savez(pairs, observations=rows, actions=actions)
    return saved(model, tmp_path), pairs


@pytest.mark.parametrize("title", ["PPO", "PPO on a Box", "SAC"])
def test_recorded_decisions_prove_the_import(title: str, tmp_path: Path, import_file: Import) -> None:
    algorithm, continuous, _ = MODELS[title]
    zipped, pairs = recorded(tmp_path, title)
    path = import_file(
        zipped, algorithm, RANGE if continuous else LEVELS, "--recorded", str(pairs), f"--box={BOX[0]}..{BOX[1]}"
    )
    assert load_bundle(path).manifest.parity["recorded"]["action_agreement"] == 1.0


def test_recorded_decisions_expose_a_wrong_activation(tmp_path: Path, import_file: Import) -> None:
    zipped, pairs = recorded(tmp_path, "PPO")
    with pytest.raises(BundleRefused, match="recorded actions agree"):
        import_file(zipped, "PPO", LEVELS, "--recorded", str(pairs), "--activation", "ReLU")


def test_recorded_decisions_under_masks_are_compared_under_masks(tmp_path: Path, import_file: Import) -> None:
    model = untrained("MaskablePPO", N_FEATURES)
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(400, N_FEATURES)).astype(np.float32)
    masks = rng.random((400, 3)) < 0.6
    masks[:, 1] = True
    actions, _ = model.predict(rows, action_masks=masks, deterministic=True)  # type: ignore[call-arg]
    pairs = tmp_path / "pairs.npz"
    np.savez(pairs, observations=rows, actions=actions, action_masks=masks)
    zipped = saved(model, tmp_path)
    path = import_file(zipped, "MaskablePPO", LEVELS, "--mask", "none", "--recorded", str(pairs))
    assert load_bundle(path).manifest.parity["recorded"]["action_agreement"] == 1.0


def test_unseen_bars_fit_the_calibration(tmp_path: Path, import_file: Import) -> None:
    path = import_file(saved(untrained("PPO", N_FEATURES), tmp_path), "PPO", LEVELS, unseen=UNSEEN)
    manifest = load_bundle(path).manifest
    assert manifest.calibration is not None
    assert manifest.calibration.n >= 200
    assert manifest.calibration.horizon_bars == 24
    calibrated_on = manifest.provenance["calibrated_on"]
    assert isinstance(calibrated_on, dict)
    assert (calibrated_on["file"], calibrated_on["sha256"], calibrated_on["bars"]) == ("unseen.csv", "ab" * 32, 2_500)
    assert (calibrated_on["first"], calibrated_on["symbol"]) == ("2020-09-13T12:00Z", "BTC")


def test_a_calibration_is_of_the_symbol_of_its_bars_alone(tmp_path: Path, import_file: Import) -> None:
    zipped = saved(untrained("PPO", N_FEATURES), tmp_path)
    manifest = load_bundle(import_file(zipped, "PPO", LEVELS, "--symbol", "ETH", unseen=UNSEEN)).manifest
    assert manifest.symbols == ("BTC", "ETH")
    assert manifest.calibration is not None
    assert manifest.calibration.symbols == ("BTC",)


def test_too_few_unseen_bars_leave_the_bundle_uncalibrated(tmp_path: Path, import_file: Import) -> None:
    few = replace(UNSEEN, series=replace(UNSEEN.series, bars=UNSEEN.series.bars[:300]))
    path = import_file(saved(untrained("PPO", N_FEATURES), tmp_path), "PPO", LEVELS, unseen=few)
    manifest = load_bundle(path).manifest
    assert manifest.calibration is None
    assert "calibrated_on" not in manifest.provenance


def test_the_first_output_may_mean_the_largest_exposure(tmp_path: Path, import_file: Import) -> None:
    path = import_file(saved(untrained("PPO", N_FEATURES), tmp_path), "PPO", "1,0,0.5", unseen=UNSEEN)
    assert load_bundle(path).manifest.action == DiscreteExposure(levels=(1.0, 0.0, 0.5))


def test_an_onnx_network_is_imported_as_it_is(tmp_path: Path, import_file: Import) -> None:
    network = tmp_path / "network.onnx"
    network.write_bytes(linear_onnx([[0.0, 1.0]] * N_FEATURES, [1.0, 0.0]))
    bundle = load_bundle(import_file(network, "ONNX", "0,1", "--output", "logits"))
    rows = observed(bundle)
    assert np.array_equal(decided(bundle, rows, 0.0), (rows.sum(axis=1) > 1.0).astype(float))


def test_an_onnx_network_needs_the_kind_of_its_scores(tmp_path: Path, import_file: Import) -> None:
    network = tmp_path / "network.onnx"
    network.write_bytes(linear_onnx([[0.0, 1.0]] * N_FEATURES, [1.0, 0.0]))
    with pytest.raises(BundleRefused, match="--output"):
        import_file(network, "ONNX", "0,1")


def test_a_recurrent_policy_is_refused_with_the_reason(tmp_path: Path, import_file: Import) -> None:
    with pytest.raises(BundleRefused, match="hidden state"):
        import_file(saved(untrained("PPO", N_FEATURES), tmp_path), "RecurrentPPO", LEVELS)


@pytest.mark.parametrize("timeframe", ["1", "h", "0h", "-1h", "1.5h", "1w", ""])
def test_a_timeframe_that_is_none_ends_the_command(timeframe: str, tmp_path: Path, import_file: Import) -> None:
    with pytest.raises(SystemExit):
        import_file(tmp_path / "x.zip", "PPO", LEVELS, "--timeframe", timeframe)


def test_a_refused_import_leaves_nothing_behind(tmp_path: Path, import_file: Import) -> None:
    with pytest.raises(BundleRefused):
        import_file(saved(untrained("PPO", 6), tmp_path), "PPO", LEVELS)
    assert not (tmp_path / "bundles").exists()
