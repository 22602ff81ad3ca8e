"""Small untrained Stable-Baselines3 models, saved as their users save them."""

from pathlib import Path

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib import QRDQN, TQC, MaskablePPO
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

LEVELS = "0,0.5,1"
RANGE = "0..1"
BOX = (-2.0, 2.0)


class StillEnvironment(gymnasium.Env[NDArray[np.float32], object]):
    """Observations of noise, no reward; masks for those that ask."""

    def __init__(self, n_features: int, *, continuous: bool) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (n_features,), np.float32)
        self.action_space = spaces.Box(*BOX, (1,), np.float32) if continuous else spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):  # type: ignore[no-untyped-def]
        """Noise."""
        super().reset(seed=seed)
        return self._noise(), {}

    def step(self, action):  # type: ignore[no-untyped-def]
        """More noise."""
        return self._noise(), 0.0, False, False, {}

    def action_masks(self) -> NDArray[np.bool_]:
        """Everything is allowed."""
        return np.ones(3, dtype=bool)

    def _noise(self) -> NDArray[np.float32]:
        return self.np_random.normal(3.0, 2.0, self.observation_space.shape).astype(np.float32)


# How an import names it, whether it decides on a Box, and the class that SB3 has for it.
MODELS: dict[str, tuple[str, bool, type[BaseAlgorithm]]] = {
    "PPO": ("PPO", False, PPO),
    "PPO on a Box": ("PPO", True, PPO),
    "A2C": ("A2C", False, A2C),
    "A2C on a Box": ("A2C", True, A2C),
    "DQN": ("DQN", False, DQN),
    "QR-DQN": ("QR-DQN", False, QRDQN),
    "MaskablePPO": ("MaskablePPO", False, MaskablePPO),
    "SAC": ("SAC", True, SAC),
    "TD3": ("TD3", True, TD3),
    "TQC": ("TQC", True, TQC),
}


def untrained(title: str, n_features: int, **policy_kwargs: object) -> BaseAlgorithm:
    """A model with weights large enough that its actions differ from row to row."""
    _, continuous, kind = MODELS[title]
    arguments = {"net_arch": [16, 12], **policy_kwargs}
    model = kind(
        "MlpPolicy",
        StillEnvironment(n_features, continuous=continuous),
        seed=5,
        device="cpu",
        policy_kwargs=arguments,
    )
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.mul_(3.0).add_(0.05)
    return model


def saved(model: BaseAlgorithm, folder: Path) -> Path:
    """The zip that `model.save` writes."""
    path = folder / "model.zip"
    model.save(path)
    return path


def saved_statistics(folder: Path, n_features: int) -> tuple[Path, VecNormalize]:
    """What `VecNormalize.save` writes after some steps, with seeded spaces, and the statistics themselves."""
    statistics = VecNormalize(
        DummyVecEnv([lambda: StillEnvironment(n_features, continuous=False)]), clip_obs=5.0, epsilon=1e-6
    )
    statistics.seed(3)
    statistics.reset()
    statistics.action_space.seed(3)
    statistics.observation_space.seed(3)
    for _ in range(20):
        statistics.step(np.array([0]))
    path = folder / "vecnormalize.pkl"
    statistics.save(str(path))
    return path, statistics
