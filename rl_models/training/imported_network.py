"""The network of a policy file from elsewhere, shown to decide as the policy does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rl_models.manifest import Output
from rl_models.strict_json import Json
from rl_models.training.action_text import Actions
from rl_models.training.archive import read_file
from rl_models.training.export import policy_network, score_kind, to_onnx
from rl_models.training.onnx_file import read_onnx
from rl_models.training.parity import compare
from rl_models.training.sb3_policy import ACTIVATIONS, ALGORITHMS, REFUSED, Weights, rebuild
from rl_models.training.sb3_zip import Sb3Zip, read_sb3_zip
from trading.errors import BundleRefused

ONNX = "ONNX"
IMPORTED = (*ALGORITHMS, ONNX)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A file and what the importing person says of it; only its weights are believed.

    `activation` is a name in ACTIVATIONS, None to take what the archive says or else the algorithm's default. `output`
    is what an ONNX network's scores are, None for the algorithms, which say it themselves.
    """

    path: Path
    algorithm: str
    activation: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network to serve, what its scores are, where it comes from and, unless it was ONNX already, its parity."""

    model: bytes
    output: Output
    origin: Mapping[str, Json]
    parity: Mapping[str, Json]


def import_network(file: PolicyFile, actions: Actions, inputs: NDArray[np.float32]) -> Network:
    """The network in a file, compared on float32[m, n] `inputs`. Raises BundleRefused with the reason."""
    if file.algorithm in REFUSED:
        raise BundleRefused(f"{file.algorithm}: {REFUSED[file.algorithm]}")
    if file.algorithm not in IMPORTED:
        raise BundleRefused(f"{file.algorithm} is not imported; known are {', '.join(IMPORTED)}")
    content = read_file(file.path)
    origin = {"file": file.path.name, "sha256": sha256(content).hexdigest()}
    network = _from_onnx(file, content, inputs) if file.algorithm == ONNX else _from_zip(file, content, actions, inputs)
    return replace(network, origin={**origin, **network.origin})


def _from_zip(file: PolicyFile, content: bytes, actions: Actions, inputs: NDArray[np.float32]) -> Network:
    if file.output is not None:
        raise BundleRefused(f"--output is for ONNX networks; {file.algorithm} says itself what it answers")
    archive = read_sb3_zip(content, file.path.name)
    if archive.use_sde:
        raise BundleRefused(f"{file.path.name}: trained with state-dependent exploration (use_sde), not imported")
    activation, told_by = _activation(file, archive)
    policy = rebuild(Weights(tensors=archive.tensors), file.algorithm, actions.space, activation)
    n_features = int(np.prod(policy.observation_space.shape or ()))
    _check_size(n_features, inputs)
    model = to_onnx(policy_network(policy), n_features)
    agreement = compare(policy, actions.space, model, inputs, "simulated bars")
    return Network(
        model=model,
        output=Output(score_kind(policy)),
        origin={"sb3_version": archive.sb3_version, "activation": activation, "activation_from": told_by},
        parity={"export": agreement.to_json()},
    )


def _from_onnx(file: PolicyFile, content: bytes, inputs: NDArray[np.float32]) -> Network:
    if file.output not in tuple(Output):
        raise BundleRefused("an ONNX network needs --output: logits, q_values or action")
    found = read_onnx(content)
    _check_size(found.n_features, inputs)
    return Network(model=found.model, output=Output(file.output), origin={}, parity={})


def _activation(file: PolicyFile, archive: Sb3Zip) -> tuple[str, str]:
    if file.activation is not None:
        return file.activation, "the importing person"
    if archive.activation is not None:
        if archive.activation not in ACTIVATIONS:
            raise BundleRefused(f"{file.path.name}: the activation {archive.activation} is not one of {[*ACTIVATIONS]}")
        return archive.activation, "the archive's text"
    return ALGORITHMS[file.algorithm].activation, "the algorithm's default"


def _check_size(n_features: int, inputs: NDArray[np.float32]) -> None:
    if n_features != inputs.shape[1]:
        raise BundleRefused(f"the network takes {n_features} features, the schema has {inputs.shape[1]}")
