import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl_models.bundle import Bundle, load_bundle, write_bundle
from rl_models.runner import PolicyRunner, advice_from_dict, advice_to_dict
from rl_models.semantics import Verbs
from tests.fakes.bundles import SCHEMA, constant_onnx, linear_onnx, policy_manifest
from trading.errors import FeaturesMissing, PolicyAnsweredNaN, PolicyFailed
from trading.vocabulary import Advice, ConfidenceReason

ADVICE = Advice(
    model="fake",
    version="1",
    target_exposure=0.5,
    scores=(0.1, -1e-17, 3.0),
    confidence=1 / 3,
    confidence_reason=ConfidenceReason.CALIBRATED,
    reasoning="because",
    agreement=2 / 3,
    entropy=None,
)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(write_bundle(tmp_path, policy_manifest(), constant_onnx([0.0, 0.0, 1.0])))


def through_json(value: object) -> object:
    return json.loads(json.dumps(value, allow_nan=False))


def test_an_advice_survives_the_wire_bit_for_bit() -> None:
    assert advice_from_dict(through_json(advice_to_dict(ADVICE))) == ADVICE


def test_an_advice_to_keep_what_is_held_survives_the_wire() -> None:
    kept = replace(ADVICE, keeps=True)
    assert advice_from_dict(through_json(advice_to_dict(kept))) == kept


def test_a_bundle_of_verbs_that_holds_keeps_what_is_held(tmp_path: Path) -> None:
    verbs = Verbs(verbs=("BUY", "SELL", "HOLD"), buy_exposure=1.0, sell_exposure=0.0)
    manifest = replace(policy_manifest(), action=verbs)
    holds = load_bundle(write_bundle(tmp_path, manifest, constant_onnx([0.0, 0.0, 1.0])))
    answered = advice_from_dict(PolicyRunner(holds).answer({SCHEMA.digest: [0.01, 0.0]}, 0.3))
    assert (answered.target_exposure, answered.keeps) == (0.3, True)


def test_the_runner_answers_as_the_bundle_does(bundle: Bundle) -> None:
    answered = PolicyRunner(bundle).answer({SCHEMA.digest: [0.01, 0.0]}, 0.0)
    assert advice_from_dict(through_json(answered)) == bundle.answer({SCHEMA.digest: np.array([0.01, 0.0])}, 0.0)


def test_each_failure_arrives_as_the_same_kind(bundle: Bundle, tmp_path: Path) -> None:
    runner = PolicyRunner(bundle)
    with pytest.raises(FeaturesMissing, match="not finite"):
        advice_from_dict(runner.answer({SCHEMA.digest: [float("nan"), 0.0]}, 0.0))
    for observations in ({}, {SCHEMA.digest: [1.0]}, {SCHEMA.digest: [[1.0], [2.0, 3.0]]}):
        with pytest.raises(PolicyFailed):
            advice_from_dict(runner.answer(observations, 0.0))  # type: ignore[arg-type]
    manifest = replace(policy_manifest("nan"), normalisation=None)
    overflowing = linear_onnx([[3e37, 0.0, 0.0], [0.0] * 3], [0.0] * 3)
    unsound = PolicyRunner(load_bundle(write_bundle(tmp_path, manifest, overflowing)))
    with pytest.raises(PolicyAnsweredNaN):
        advice_from_dict(through_json(unsound.answer({SCHEMA.digest: [1e6, 0.0]}, 0.0)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {**advice_to_dict(ADVICE), "surprise": 1},
        {**advice_to_dict(ADVICE), "target_exposure": float("nan")},
        {**advice_to_dict(ADVICE), "target_exposure": "1"},
        {**advice_to_dict(ADVICE), "confidence_reason": "hope"},
        {"failure": "a code from the future", "message": "?"},
    ],
)
def test_what_a_policy_cannot_have_sent_is_a_failure(value: object) -> None:
    with pytest.raises(PolicyFailed):
        advice_from_dict(value)
