import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl_models.bundle import Bundle, load_bundle, write_bundle
from rl_models.manifest import Member, Normalisation, Output
from rl_models.semantics import ContinuousExposure, Verbs
from tests.fakes.bundles import SCHEMA, constant_onnx, ensemble_manifest, linear_onnx, policy_manifest, write_policy
from trading.errors import BundleRefused

OBSERVED = {SCHEMA.digest: np.array([0.0, 0.0])}
SURE = 50.0


def crowd(root: Path, members: Sequence[Member]) -> Bundle:
    return load_bundle(write_bundle(root, ensemble_manifest(members), None))


def q_members(root: Path, *wishes: int) -> list[Member]:
    values = [[float(place == wish) for place in range(3)] for wish in wishes]
    return [write_policy(root, f"q{place}", q, output=Output.Q_VALUES) for place, q in enumerate(values)]


def member(root: Path, **changes: object) -> Member:
    manifest = replace(policy_manifest("other"), **changes)  # type: ignore[arg-type]
    bundle = load_bundle(write_bundle(root, manifest, constant_onnx([SURE] + [0.0] * (manifest.action.outputs - 1))))
    return Member(name="other", version="1", digest=bundle.digest)


def test_the_majority_is_followed_with_agreement_and_entropy(tmp_path: Path) -> None:
    advice = crowd(tmp_path, q_members(tmp_path, 2, 2, 0)).answer(OBSERVED, 0.0)
    assert advice.target_exposure == 1.0
    assert advice.agreement == pytest.approx(2 / 3)
    assert advice.scores == pytest.approx([1 / 3, 0.0, 2 / 3])
    assert advice.entropy == pytest.approx(-(1 / 3) * math.log(1 / 3) - (2 / 3) * math.log(2 / 3))
    assert advice.reasoning == "2 of 3 policies want exposure 1 from 0 (votes: 0.33 for 0, 0.00 for 0.5, 0.67 for 1)"


def test_one_mind_has_full_agreement_and_no_entropy(tmp_path: Path) -> None:
    advice = crowd(tmp_path, q_members(tmp_path, 1, 1, 1)).answer(OBSERVED, 0.0)
    assert advice.target_exposure == 0.5
    assert advice.agreement == pytest.approx(1.0)
    assert advice.entropy == pytest.approx(0.0)
    assert math.copysign(1.0, advice.entropy or 0.0) == 1.0


def test_probabilities_are_averaged(tmp_path: Path) -> None:
    scores = [(0.0, 0.0, 1.0), (0.0, 2.0, 0.0)]
    members = [write_policy(tmp_path, f"p{place}", each) for place, each in enumerate(scores)]
    advice = crowd(tmp_path, members).answer(OBSERVED, 0.0)
    expected = np.mean([np.exp(each) / np.exp(each).sum() for each in scores], axis=0)
    assert advice.scores == pytest.approx(expected.tolist())
    assert advice.target_exposure == 0.5


@pytest.mark.parametrize(("exposure", "target"), [(0.0, 0.0), (1.0, 1.0), (0.9, 1.0)])
def test_a_tie_trades_least(tmp_path: Path, exposure: float, target: float) -> None:
    assert crowd(tmp_path, q_members(tmp_path, 0, 2)).answer(OBSERVED, exposure).target_exposure == target


@pytest.mark.parametrize(("exposure", "target"), [(0.0, 0.0), (0.6, 0.5), (1.0, 1.0)])
def test_hold_is_a_vote_for_the_level_nearest_to_the_position(tmp_path: Path, exposure: float, target: float) -> None:
    verbs = Verbs(verbs=("HOLD", "BUY", "SELL"), buy_exposure=1.0, sell_exposure=0.0)
    members = [member(tmp_path, action=verbs), member(tmp_path, action=verbs)]
    assert crowd(tmp_path, members).answer(OBSERVED, exposure).target_exposure == target


def test_a_continuous_member_votes_for_the_level_nearest_to_its_target(tmp_path: Path) -> None:
    action = ContinuousExposure(low=0.0, high=0.6, output_low=-1.0, output_high=1.0)
    members = [member(tmp_path, action=action, output=Output.ACTION), *q_members(tmp_path, 1)]
    advice = crowd(tmp_path, members).answer(OBSERVED, 0.0)
    assert advice.target_exposure == 0.5
    assert advice.agreement == pytest.approx(1.0)


def test_members_with_their_own_normalisation_see_their_own_inputs(tmp_path: Path) -> None:
    network = linear_onnx([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [0.0, 0.0, 0.5])
    shifts = {"near": 0.0, "far": 5.0}
    members = []
    for name, shift in shifts.items():
        normalisation = Normalisation(mean=(-shift, 0.0), std=(1.0, 1.0), epsilon=0.0, clip=None)
        path = write_bundle(tmp_path, replace(policy_manifest(name), normalisation=normalisation), network)
        members.append(Member(name=name, version="1", digest=load_bundle(path).digest))
    assert crowd(tmp_path, members).answer(OBSERVED, 0.0).agreement == pytest.approx(0.5)


def test_a_batch_votes_like_one_row_after_the_other(tmp_path: Path) -> None:
    bundle = crowd(tmp_path, q_members(tmp_path, 2, 0))
    exposures = np.array([0.0, 0.4, 1.0])
    targets, scores, raw = bundle.targets({SCHEMA.digest: np.zeros((3, 2))}, exposures)
    singles = [bundle.answer(OBSERVED, exposure) for exposure in exposures.tolist()]
    assert targets.tolist() == [single.target_exposure for single in singles]
    assert raw.tolist() == [list(single.scores) for single in singles]
    assert scores.tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_a_missing_member_is_refused(tmp_path: Path) -> None:
    ghost = Member(name="ghost", version="1", digest="sha256:" + "0" * 64)
    with pytest.raises(BundleRefused, match="member ghost:1 is missing"):
        crowd(tmp_path, [*q_members(tmp_path, 0), ghost])


def test_a_member_with_another_digest_is_refused(tmp_path: Path) -> None:
    first, second = q_members(tmp_path, 0, 1)
    with pytest.raises(BundleRefused, match="member q1:1 has another digest"):
        crowd(tmp_path, [first, replace(second, digest=first.digest)])


def test_a_member_on_other_bars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="bars of 3600 s, but other decides on bars of 60 s"):
        crowd(tmp_path, [*q_members(tmp_path, 0), member(tmp_path, timeframe_s=60)])


def test_an_ensemble_of_ensembles_or_of_one_is_refused(tmp_path: Path) -> None:
    members = q_members(tmp_path, 0, 1)
    inner = Member(name="crowd", version="1", digest=crowd(tmp_path, members).digest)
    with pytest.raises(BundleRefused, match="two or more members"):
        write_bundle(tmp_path, ensemble_manifest([*members, inner], "outer"), None)
    with pytest.raises(BundleRefused, match="two or more members"):
        write_bundle(tmp_path, ensemble_manifest(members[:1], "lonely"), None)


def test_an_ensemble_with_a_network_or_a_mask_of_its_own_is_refused(tmp_path: Path) -> None:
    manifest = ensemble_manifest(q_members(tmp_path, 0, 1))
    with pytest.raises(BundleRefused, match="network of its own"):
        write_bundle(tmp_path, manifest, constant_onnx([0.0, 0.0, 0.0]))
    with pytest.raises(BundleRefused, match="without a mask"):
        write_bundle(tmp_path, replace(manifest, mask="no_repeat"), None)
