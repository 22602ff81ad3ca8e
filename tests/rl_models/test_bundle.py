from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_models.bundle import Bundle, load_bundle, read_manifests, write_bundle
from rl_models.bundle_files import checksums, place_files, read_files
from rl_models.manifest import Manifest, Output
from rl_models.semantics import ContinuousExposure
from rl_models.strict_json import dump_json
from tests.fakes.bundles import (
    LEVELS,
    SCHEMA,
    constant_onnx,
    ensemble_manifest,
    linear_onnx,
    policy_manifest,
    write_policy,
)
from trading.errors import BundleRefused, FeaturesMissing, PolicyAnsweredNaN, PolicyFailed
from trading.vocabulary import ConfidenceReason

WEIGHTS = [[-1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
NETWORK = linear_onnx(WEIGHTS, [0.0, 0.1, 0.0])


def loaded(root: Path, manifest: Manifest | None = None, network: bytes | None = NETWORK) -> Bundle:
    return load_bundle(write_bundle(root, manifest or policy_manifest(), network))


def row(log_return: float, exposure: float) -> dict[str, np.ndarray]:
    return {SCHEMA.digest: np.array([log_return, exposure])}


def test_a_bundle_that_was_written_is_loaded_with_its_digest(tmp_path: Path) -> None:
    path = write_bundle(tmp_path, policy_manifest(), NETWORK)
    bundle = load_bundle(path)
    assert path == tmp_path / "fake" / "1"
    assert bundle.digest == load_bundle(path).digest
    assert replace(bundle.manifest, files={}) == policy_manifest()
    assert bundle.schema_digests == (SCHEMA.digest,)


def test_writing_the_same_bundle_again_is_allowed_and_another_one_is_not(tmp_path: Path) -> None:
    first = loaded(tmp_path).digest
    assert loaded(tmp_path).digest == first
    with pytest.raises(BundleRefused, match="give a new version"):
        write_bundle(tmp_path, policy_manifest(), constant_onnx([0.0, 0.0, 1.0]))
    assert load_bundle(tmp_path / "fake" / "1").digest == first


def test_the_advice_follows_from_normalised_features_and_calibration(tmp_path: Path) -> None:
    advice = loaded(tmp_path).answer(row(0.02, 1.0), 1.0)
    scores = [-2.0, 0.1, 3.0]
    probability = np.exp(3.0) / np.exp(scores).sum()
    assert (advice.model, advice.version, advice.target_exposure) == ("fake", "1", 1.0)
    assert advice.scores == pytest.approx(scores)
    assert probability > 0.6
    assert (advice.confidence, advice.confidence_reason) == (0.5, ConfidenceReason.CALIBRATED)
    assert advice.reasoning == f"PPO wants exposure 1 from 1 (score {probability:.3g})"


def test_features_are_clipped_before_the_network_sees_them(tmp_path: Path) -> None:
    assert loaded(tmp_path).answer(row(5.0, 0.5), 0.5).scores == pytest.approx([-10.0, 0.1, 10.0])


def test_a_flat_target_has_no_confidence(tmp_path: Path) -> None:
    advice = loaded(tmp_path).answer(row(-0.02, 0.0), 0.0)
    assert (advice.target_exposure, advice.confidence, advice.confidence_reason) == (0.0, None, ConfidenceReason.FLAT)


def test_without_calibration_there_is_no_confidence(tmp_path: Path) -> None:
    advice = loaded(tmp_path, replace(policy_manifest(), calibration=None)).answer(row(0.02, 1.0), 1.0)
    assert (advice.confidence, advice.confidence_reason) == (None, ConfidenceReason.UNCALIBRATED)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_a_batch_answers_like_one_row_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[float, float]]
) -> None:
    bundle = loaded(tmp_path_factory.mktemp("bundles"))
    observations = np.array(drawn)
    targets, scores, raw = bundle.targets({SCHEMA.digest: observations}, observations[:, 1])
    assert raw.shape == (len(drawn), 3)
    for place, (log_return, exposure) in enumerate(drawn):
        advice = bundle.answer(row(log_return, exposure), exposure)
        assert advice.scores == pytest.approx(raw[place].tolist(), abs=1e-5)
        assert scores[place] == pytest.approx(np.exp(raw[place]).max() / np.exp(raw[place]).sum())
        assert targets[place] == LEVELS.levels[int(raw[place].argmax())]


def test_an_observation_that_is_not_finite_is_not_answered(tmp_path: Path) -> None:
    bundle = loaded(tmp_path)
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(FeaturesMissing):
            bundle.answer(row(value, 0.0), 0.0)


def test_an_answer_that_is_not_finite_is_named(tmp_path: Path) -> None:
    manifest = replace(policy_manifest(), normalisation=None)
    overflowing = linear_onnx([[3e38, 0.0, 0.0], [0.0] * 3], [0.0] * 3)
    with pytest.raises(PolicyAnsweredNaN):
        loaded(tmp_path, manifest, linear_onnx([[3e37, 0.0, 0.0], [0.0] * 3], [0.0] * 3)).answer(row(1e6, 0.0), 0.0)
    with pytest.raises(BundleRefused, match="not finite"):
        loaded(tmp_path, replace(manifest, name="worse"), overflowing)


def test_an_observation_of_another_shape_or_schema_is_a_failure(tmp_path: Path) -> None:
    bundle = loaded(tmp_path)
    with pytest.raises(PolicyFailed, match=r"\(1, 3\), not \(1, 2\)"):
        bundle.answer({SCHEMA.digest: np.zeros(3)}, 0.0)
    with pytest.raises(PolicyFailed, match="no observation of its schema"):
        bundle.answer({}, 0.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"normalisation": replace(policy_manifest().normalisation, mean=(0.0,))}, "1 means and 2 stds for 2"),  # type: ignore[type-var]
        ({"normalisation": replace(policy_manifest().normalisation, std=(0.0, 1.0))}, "must be above 0"),  # type: ignore[type-var]
        ({"output": Output.ACTION}, "output"),
        ({"output": Output.VOTES}, "output"),
        ({"action": replace(LEVELS, levels=(0.0, 1.0))}, "has 3 elements, the manifest needs 2"),
        ({"warmup_bars": 0}, "warmup_bars"),
        ({"kind": "oracle"}, "kind"),
        ({"schema": None}, "has a schema"),
    ],
)
def test_a_manifest_that_does_not_fit_its_network_is_refused_before_it_is_written(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(BundleRefused, match=reason):
        write_bundle(tmp_path, replace(policy_manifest(), **changes), NETWORK)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_continuous_policy_cannot_be_masked(tmp_path: Path) -> None:
    action = ContinuousExposure(low=0.0, high=1.0, output_low=-1.0, output_high=1.0)
    manifest = replace(policy_manifest(), action=action, output=Output.ACTION, mask="no_repeat")
    with pytest.raises(BundleRefused, match="mask"):
        write_bundle(tmp_path, manifest, constant_onnx([0.5]))
    advice = loaded(tmp_path, replace(manifest, mask="none"), constant_onnx([0.5])).answer(row(0.0, 0.0), 0.0)
    assert advice.target_exposure == pytest.approx(0.75)


def test_a_policy_without_its_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"no policy\.onnx"):
        write_bundle(tmp_path, policy_manifest(), None)


def test_a_network_the_manifest_does_not_know_is_refused_although_its_checksum_is_right(tmp_path: Path) -> None:
    files = read_files(write_bundle(tmp_path / "good", policy_manifest(), NETWORK))
    files["policy.onnx"] = constant_onnx([0.0, 0.0, 9.0])
    content = {name: file for name, file in files.items() if name != "SHA256SUMS"}
    place_files(tmp_path / "forged" / "1", content | {"SHA256SUMS": checksums(content)})
    with pytest.raises(BundleRefused, match="not those the manifest lists"):
        load_bundle(tmp_path / "forged" / "1")


def test_a_manifest_with_another_schema_than_its_digest_is_refused(tmp_path: Path) -> None:
    manifest = policy_manifest().to_json() | {"schema_digest": "sha256:" + "0" * 64}
    content = {"manifest.json": dump_json(manifest), "policy.onnx": NETWORK}
    place_files(tmp_path / "fake" / "1", content | {"SHA256SUMS": checksums(content)})
    with pytest.raises(BundleRefused, match="schema_digest"):
        load_bundle(tmp_path / "fake" / "1")


def test_a_policy_too_slow_for_the_worker_is_only_refused_there(tmp_path: Path) -> None:
    path = write_bundle(tmp_path, policy_manifest(), NETWORK)
    with pytest.raises(BundleRefused, match="p99"):
        load_bundle(path, inline_p99_s=1e-9)
    assert load_bundle(path, inline_p99_s=None).manifest.name == "fake"


def test_manifests_are_read_without_opening_a_network(tmp_path: Path) -> None:
    members = [write_policy(tmp_path, name, (0.0, 0.0, 1.0)) for name in ("one", "two")]
    path = write_bundle(tmp_path, ensemble_manifest(members), None)
    manifest, networks = read_manifests(path)
    assert (manifest.name, [network.name for network in networks]) == ("crowd", ["one", "two"])
