"""The exported network is the policy's, for every algorithm."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO, SAC
from torch import nn

from rl_models.onnx_scan import scan_onnx
from rl_models.training.export import policy_network, score_kind, to_onnx
from tests.fakes.sb3 import BOX, MODELS, StillEnvironment, untrained
from trading.errors import BundleRefused

N_FEATURES = 9
OUTPUTS = {"DQN": "q_values", "QR-DQN": "q_values", "SAC": "action", "TD3": "action", "TQC": "action"}


def observations(m: int = 2_000) -> np.ndarray:
    return (2.0 * np.random.default_rng(3).normal(size=(m, N_FEATURES))).astype(np.float32)


def scores(model: bytes, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["scores"], {"observation": rows})[0])


@pytest.mark.parametrize("title", MODELS)
def test_the_exported_network_decides_as_predict_does(title: str) -> None:
    model = untrained(title, N_FEATURES)
    rows = observations()
    found = scores(to_onnx(policy_network(model), N_FEATURES), rows)
    actions, _ = model.predict(rows, deterministic=True)
    if isinstance(model.action_space, spaces.Discrete):
        assert len(set(actions.tolist())) > 1
        assert (found.argmax(axis=1) == actions).all()
    else:
        assert actions.std() > 0.01
        scale = BOX[1] if title in OUTPUTS else 1.0
        np.testing.assert_allclose(found * scale, actions, atol=1e-5)


@pytest.mark.parametrize("title", MODELS)
def test_scores_equal_those_of_the_torch_layers(title: str) -> None:
    network = policy_network(untrained(title, N_FEATURES))
    rows = observations()
    with torch.no_grad():
        reference = network(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(scores(to_onnx(network, N_FEATURES), rows), reference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("title", MODELS)
def test_the_kind_of_scores_is_told(title: str) -> None:
    expected = "action" if title.endswith("Box") else OUTPUTS.get(title, "logits")
    assert score_kind(untrained(title, N_FEATURES)) == expected


def test_quantiles_are_averaged_at_export() -> None:
    model = untrained("QR-DQN", N_FEATURES, n_quantiles=7)
    rows = observations(50)
    with torch.no_grad():
        reference = model.policy.quantile_net(torch.from_numpy(rows)).mean(dim=1).numpy()
    found = scores(to_onnx(policy_network(model), N_FEATURES), rows)
    assert found.shape == (50, 3)
    np.testing.assert_allclose(found, reference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "layer", [nn.Tanh(), nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.GELU(), nn.GELU("tanh"), nn.SiLU()]
)
def test_activations_are_those_of_torch(layer: nn.Module) -> None:
    rows = observations(100)
    reference = layer(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(scores(to_onnx(nn.Sequential(layer), N_FEATURES), rows), reference, atol=1e-6)


def test_the_file_is_one_plain_graph_with_its_weights_inside() -> None:
    content = to_onnx(policy_network(untrained("PPO", N_FEATURES)), N_FEATURES)
    scan_onnx(content)
    model = onnx.load_model_from_string(content)
    assert [operator.op_type for operator in model.graph.node] == ["Gemm", "Tanh", "Gemm", "Tanh", "Gemm", "Identity"]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    assert not model.functions
    assert not model.metadata_props


def test_the_same_weights_give_the_same_bytes() -> None:
    model = untrained("PPO", N_FEATURES)
    assert to_onnx(policy_network(model), N_FEATURES) == to_onnx(policy_network(model), N_FEATURES)


def test_the_network_is_a_copy() -> None:
    model = untrained("PPO", N_FEATURES)
    before = to_onnx(network := policy_network(model), N_FEATURES)
    with torch.no_grad():
        model.policy.action_net.weight.zero_()
    assert to_onnx(network, N_FEATURES) == before


def test_a_recurrent_policy_is_refused() -> None:
    model = RecurrentPPO("MlpLstmPolicy", StillEnvironment(N_FEATURES, continuous=False), device="cpu")
    with pytest.raises(BundleRefused, match="hidden state"):
        policy_network(model)


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_state_dependent_exploration_is_refused(kind: type[PPO] | type[SAC]) -> None:
    model = kind("MlpPolicy", StillEnvironment(N_FEATURES, continuous=True), use_sde=True, device="cpu")
    with pytest.raises(BundleRefused, match="use_sde"):
        policy_network(model)


def test_a_layer_without_a_form_here_is_refused_by_name() -> None:
    with pytest.raises(BundleRefused, match="Softplus"):
        to_onnx(nn.Sequential(nn.Linear(N_FEATURES, 3), nn.Softplus()), N_FEATURES)
