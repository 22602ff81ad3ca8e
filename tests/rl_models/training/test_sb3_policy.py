"""A policy is rebuilt from its tensors, or the reason why it cannot be is named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3 import SAC
from stable_baselines3.common.base_class import BaseAlgorithm

from rl_models.training.sb3_policy import ALGORITHMS, Weights, rebuild
from rl_models.training.sb3_zip import read_sb3_zip
from tests.fakes.sb3 import BOX, MODELS, StillEnvironment, saved, untrained
from trading.errors import BundleRefused

N_FEATURES = 7
THREE = spaces.Discrete(3)
RANGE = spaces.Box(*BOX, (1,), np.float32)


def weights(model: BaseAlgorithm, tmp_path: Path) -> Weights:
    return Weights(tensors=read_sb3_zip(saved(model, tmp_path).read_bytes(), "x.zip").tensors)


@pytest.mark.parametrize("title", MODELS)
@pytest.mark.parametrize("net_arch", [[], [8], [16, 12, 8]], ids=["no hidden layer", "one", "three"])
def test_the_rebuilt_policy_predicts_as_the_saved_one(title: str, net_arch: list[int], tmp_path: Path) -> None:
    algorithm, continuous, _ = MODELS[title]
    model = untrained(title, N_FEATURES, net_arch=net_arch)
    policy = rebuild(
        weights(model, tmp_path), algorithm, RANGE if continuous else THREE, ALGORITHMS[algorithm].activation
    )
    rows = np.random.default_rng(2).normal(size=(500, N_FEATURES)).astype(np.float32)
    expected, _ = model.predict(rows, deterministic=True)
    found, _ = policy.predict(rows, deterministic=True)
    assert np.array_equal(found, expected)


def test_actor_and_critic_of_different_shapes_are_rebuilt(tmp_path: Path) -> None:
    model = untrained("PPO", N_FEATURES, net_arch={"pi": [5], "vf": [9, 4]})
    assert (
        rebuild(weights(model, tmp_path), "PPO", THREE, "Tanh").state_dict().keys() == model.policy.state_dict().keys()
    )


def test_a_critic_more_is_rebuilt(tmp_path: Path) -> None:
    model = untrained("TQC", N_FEATURES, n_critics=3, n_quantiles=11)
    assert len(rebuild(weights(model, tmp_path), "TQC", RANGE, "ReLU").critic.q_networks) == 3


@pytest.mark.parametrize(
    ("title", "algorithm", "actions", "reason"),
    [
        ("PPO", "PPO", spaces.Discrete(4), "the network has 3 outputs, the actions name 4"),
        ("QR-DQN", "QR-DQN", spaces.Discrete(7), "600 quantiles cannot be shared by the 7 actions"),
        ("PPO", "PPO", RANGE, "has 3 outputs; a bundle decides on one exposure"),
        ("DQN", "DQN", RANGE, "chooses among listed actions"),
        ("MaskablePPO", "MaskablePPO", RANGE, "chooses among listed actions"),
        ("SAC", "SAC", THREE, "a number from a range"),
        ("PPO", "DQN", THREE, "another algorithm"),
        ("DQN", "PPO", THREE, "another algorithm"),
        ("SAC", "TD3", RANGE, "not linear layers"),
        ("PPO on a Box", "PPO", spaces.Discrete(1), "not the tensors of a PPO MlpPolicy"),
        ("PPO", "RecurrentPPO", THREE, "hidden state"),
        ("PPO", "ARS", THREE, "known are"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    title: str, algorithm: str, actions: spaces.Discrete | spaces.Box, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(BundleRefused, match=reason):
        rebuild(weights(untrained(title, N_FEATURES), tmp_path), algorithm, actions, "Tanh")


def test_a_recurrent_policy_under_another_name_is_refused(tmp_path: Path) -> None:
    model = RecurrentPPO("MlpLstmPolicy", StillEnvironment(N_FEATURES, continuous=False), device="cpu")
    with pytest.raises(BundleRefused, match="not the tensors of a PPO MlpPolicy"):
        rebuild(weights(model, tmp_path), "PPO", THREE, "Tanh")


def test_state_dependent_exploration_is_refused(tmp_path: Path) -> None:
    model = SAC("MlpPolicy", StillEnvironment(N_FEATURES, continuous=True), use_sde=True, device="cpu")
    with pytest.raises(BundleRefused, match="use_sde"):
        rebuild(weights(model, tmp_path), "SAC", RANGE, "ReLU")


def test_layers_that_are_not_linear_are_refused(tmp_path: Path) -> None:
    model = untrained("PPO", N_FEATURES, activation_fn=torch.nn.PReLU)
    with pytest.raises(BundleRefused, match="not linear layers"):
        rebuild(weights(model, tmp_path), "PPO", THREE, "Tanh")


def test_a_tensor_that_is_missing_or_too_many_is_refused(tmp_path: Path) -> None:
    whole = weights(untrained("PPO", N_FEATURES), tmp_path).tensors
    for tensors in (
        {name: tensor for name, tensor in whole.items() if name != "value_net.bias"},
        whole | {"features_extractor.cnn.weight": np.zeros((2, 2), np.float32)},
    ):
        with pytest.raises(BundleRefused, match="not the tensors of a PPO MlpPolicy"):
            rebuild(Weights(tensors=tensors), "PPO", THREE, "Tanh")


def test_an_unknown_activation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="Mish"):
        rebuild(weights(untrained("PPO", N_FEATURES), tmp_path), "PPO", THREE, "Mish")
