from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rl_models.bundle import load_bundle, write_bundle
from rl_models.catalogue import POLICIES
from rl_models.manifest import ENSEMBLE, POLICY
from tests.fakes.bundles import LEVELS, SCHEMA, constant_onnx, ensemble_manifest, policy_manifest, write_policy


def write_single(root: Path) -> Path:
    return write_bundle(root, policy_manifest(), constant_onnx([0.0, 1.0, 0.0]))


def write_ensemble(root: Path) -> Path:
    members = [write_policy(root, name, (0.0, 1.0, 0.0)) for name in ("a", "b")]
    return write_bundle(root, ensemble_manifest(members), None)


WRITERS: dict[str, Callable[[Path], Path]] = {POLICY: write_single, ENSEMBLE: write_ensemble}


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_every_kind_of_bundle_answers_with_a_target_it_declares(kind: str, tmp_path: Path) -> None:
    bundle = load_bundle(WRITERS[kind](tmp_path))
    assert bundle.manifest.kind == kind
    advice = bundle.answer({SCHEMA.digest: np.zeros(2)}, 0.0)
    assert advice.target_exposure in LEVELS.levels
    assert advice.target_exposure == 0.5
    assert 0.0 <= (advice.confidence or -1.0) <= bundle.manifest.calibration.highest  # type: ignore[union-attr]
    assert advice.reasoning
