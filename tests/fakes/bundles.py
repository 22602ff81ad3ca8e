"""Tiny valid bundles, written without torch: linear networks whose answers a test can work out by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rl_models.bundle import load_bundle, write_bundle
from rl_models.calibration import Calibration, CurvePoint
from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.manifest import ENSEMBLE, POLICY, Manifest, Member, Normalisation, Output
from rl_models.semantics import DiscreteExposure

HOUR_S = 3600
LEVELS = DiscreteExposure(levels=(0.0, 0.5, 1.0))
SCHEMA = FeatureSchema(
    features=(
        FeatureSpec(name="log_return", feature="log_return", params={"n": 1}),
        FeatureSpec(name="exposure", feature="position_exposure"),
    )
)
CALIBRATION = Calibration(
    event="held 24 bars nets more than 0",
    horizon_bars=24,
    cost_bps=12.0,
    symbols=("BTC",),
    method="isotonic",
    informative=True,
    n=400,
    brier=0.24,
    ece=0.02,
    base_rate=0.48,
    knots=((0.4, 0.3), (0.6, 0.5)),
    curve=(CurvePoint(score=0.4, observed=0.42, n=400),),
)


def linear_onnx(weights: Sequence[Sequence[float]], bias: Sequence[float]) -> bytes:
    """An ONNX network scores = observation @ weights + bias; `weights` is [features][outputs]."""
    written: bytes = linear_model(weights, bias).SerializeToString()
    return written


def linear_model(weights: Sequence[Sequence[float]], bias: Sequence[float]) -> onnx.ModelProto:
    """The same before it is written, for tests that damage it."""
    tensors = [
        numpy_helper.from_array(np.asarray(weights, dtype=np.float32), "weights"),
        numpy_helper.from_array(np.asarray(bias, dtype=np.float32), "bias"),
    ]
    features, outputs = np.asarray(weights).shape
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["observation", "weights", "bias"], ["scores"])],
        "policy",
        [helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["batch", features])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", outputs])],
        initializer=tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


def constant_onnx(scores: Sequence[float], features: int = SCHEMA.size) -> bytes:
    """An ONNX network that gives the same scores whatever it sees."""
    return linear_onnx([[0.0] * len(scores)] * features, scores)


def policy_manifest(name: str = "fake", version: str = "1") -> Manifest:
    """A calibrated hourly BTC policy over SCHEMA with three exposure levels; change it with dataclasses.replace."""
    return Manifest(
        kind=POLICY,
        name=name,
        version=version,
        created_at="2026-01-01T00:00:00+00:00",
        algorithm="PPO",
        symbols=("BTC",),
        timeframe_s=HOUR_S,
        schema=SCHEMA,
        normalisation=Normalisation(mean=(0.0, 0.5), std=(0.01, 0.5), epsilon=0.0, clip=10.0),
        warmup_bars=3,
        action=LEVELS,
        output=Output.LOGITS,
        calibration=CALIBRATION,
        provenance={"seed": 7, "data": {"sha256": "00", "rows": 100}},
        parity={"largest_difference": 1e-7},
    )


def write_policy(root: Path, name: str, scores: Sequence[float], *, output: Output = Output.LOGITS) -> Member:
    """Writes a policy that always gives these scores; the member an ensemble names it by."""
    path = write_bundle(root, replace(policy_manifest(name), output=output), constant_onnx(scores))
    return Member(name=name, version="1", digest=load_bundle(path).digest)


def ensemble_manifest(members: Sequence[Member], name: str = "crowd") -> Manifest:
    """An ensemble of these members on the levels of LEVELS."""
    return replace(
        policy_manifest(name),
        kind=ENSEMBLE,
        algorithm="ENSEMBLE",
        schema=None,
        normalisation=None,
        output=Output.VOTES,
        members=tuple(members),
    )
