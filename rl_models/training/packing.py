"""Trained networks as bundles: the same files, checks and loader that serve, in the folds as in what ships."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from rl_models.bundle import Bundle, FindMember, load_bundle, write_bundle
from rl_models.calibration import Calibration
from rl_models.manifest import ENSEMBLE, POLICY, Manifest, Member, Normalisation, Output
from rl_models.semantics import DiscreteExposure
from rl_models.strict_json import Json
from rl_models.training.algorithms import Lesson, fit
from rl_models.training.environment import Observation
from rl_models.training.export import policy_network, score_kind, to_onnx
from rl_models.training.history import fit_normalisation
from rl_models.training.parity import compare
from rl_models.training.study import Study

ENSEMBLE_ALGORITHM = "ENSEMBLE"
PARITY_ROWS = 2_000
PARITY_SOURCE = "the last bars it was trained on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """How a bundle is named, and what it says about itself that training alone does not decide."""

    name: str
    version: str
    created_at: str
    calibration: Calibration | None = None
    provenance: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network as SB3 has it, the normalisation of its inputs, and the last of the inputs it was trained on.

    `inputs` is float32[m, n_features], normalised, without a position; the export is compared with SB3 on them.
    """

    algorithm: str
    model: BaseAlgorithm
    normalisation: Normalisation
    inputs: Observation


def train_between(study: Study, lesson: Lesson, start_s: int, end_s: int, advance: Callable[[int], object]) -> Trained:
    """A network trained on every bar opened in [start_s, end_s), Unix seconds."""
    rows = np.concatenate([history.rows(start_s, end_s) for history in study.histories])
    normalisation = fit_normalisation(rows, study.schema)
    stretches = [stretch for history in study.histories for stretch in history.stretches(start_s, end_s, normalisation)]
    return Trained(
        algorithm=lesson.algorithm,
        model=fit(lesson, stretches, study.rules, advance),
        normalisation=normalisation,
        inputs=stretches[-1].observations[-PARITY_ROWS:],
    )


def pack(root: Path, study: Study, trained: Trained, label: Label) -> Bundle:
    """Writes the bundle of one network under `root` and loads it as a service would.

    Raises BundleRefused, also when the exported network does not decide as SB3's predict.
    """
    action = DiscreteExposure(levels=study.rules.levels)
    network = to_onnx(policy_network(trained.model), study.schema.size)
    agreement = compare(
        trained.model.policy, spaces.Discrete(len(study.rules.levels)), network, trained.inputs, PARITY_SOURCE
    )
    manifest = Manifest(
        kind=POLICY,
        name=label.name,
        version=label.version,
        created_at=label.created_at,
        algorithm=trained.algorithm,
        symbols=study.symbols,
        timeframe_s=study.timeframe_s,
        schema=study.schema,
        normalisation=trained.normalisation,
        warmup_bars=study.warmup_bars,
        action=action,
        output=Output(score_kind(trained.model)),
        calibration=label.calibration,
        provenance=label.provenance,
        parity={"checks": [agreement.to_json()]},
    )
    return load_bundle(write_bundle(root, manifest, network), inline_p99_s=None)


def pack_ensemble(
    root: Path,
    members: Sequence[Bundle],
    levels: tuple[float, ...],
    label: Label,
    find_member: FindMember | None = None,
) -> Bundle:
    """Writes the ensemble of these bundles, voting on `levels`, under `root` and loads it.

    `find_member` None means that the members lie under `root` too. Raises BundleRefused, also for members that share no
    symbol.
    """
    manifests = [member.manifest for member in members]
    shared = set.intersection(*(set(manifest.symbols) for manifest in manifests))
    manifest = Manifest(
        kind=ENSEMBLE,
        name=label.name,
        version=label.version,
        created_at=label.created_at,
        algorithm=ENSEMBLE_ALGORITHM,
        symbols=tuple(sorted(shared)),
        timeframe_s=manifests[0].timeframe_s,
        schema=None,
        normalisation=None,
        warmup_bars=max(manifest.warmup_bars for manifest in manifests),
        action=DiscreteExposure(levels=levels),
        output=Output.VOTES,
        calibration=label.calibration,
        provenance=label.provenance,
        members=tuple(
            Member(name=member.manifest.name, version=member.manifest.version, digest=member.digest)
            for member in members
        ),
    )
    path = write_bundle(root, manifest, None, find_member=find_member)
    return load_bundle(path, find_member=find_member, inline_p99_s=None)
