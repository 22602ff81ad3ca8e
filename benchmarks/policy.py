"""One policy in two forms: an SB3 zip for the others, a bundle for this service."""

from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
from stable_baselines3 import PPO

from rl_models.bundle import read_manifests, write_bundle
from rl_models.training.export import policy_network, to_onnx

SHIPPED = Path(__file__).resolve().parents[1] / "rl_models/bundles/ppo-btc-1h/1"
NAME = "bench-ppo"


class Spaces(gymnasium.Env[np.ndarray, int]):
    """The spaces of the shipped PPO policy and nothing else: enough to build a network of its shape."""

    def __init__(self, n_features: int, n_actions: int) -> None:
        self.observation_space = gymnasium.spaces.Box(-10.0, 10.0, (n_features,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(n_actions)  # type: ignore[assignment]


def write_policy(folder: Path) -> Path:
    """Write a PPO policy of the shipped one's shape as `policy.zip` and as a bundle below `folder`; the zip's path."""
    manifest, _ = read_manifests(SHIPPED)
    assert manifest.schema is not None
    policy = PPO(
        "MlpPolicy", Spaces(manifest.schema.size, 3), policy_kwargs={"net_arch": [64, 64]}, seed=1, device="cpu"
    )
    path = folder / "policy.zip"
    policy.save(path)
    model = to_onnx(policy_network(policy), manifest.schema.size)
    write_bundle(folder / "bundles", replace(manifest, name=NAME), model)
    return path


def settings(folder: Path) -> dict[str, str]:
    """The environment in which every server of a comparison runs; its policy is written below `folder`."""
    return {
        "BENCH_POLICY": str(write_policy(folder)),
        "RL_MODELS_PATH": str(folder / "bundles"),
        "RL_MODEL": NAME,
        "RL_TRAFFIC_PERCENTAGE": "1.0",
        "WORKERS": "1",
        "HOST": "127.0.0.1",
        "DATA_DIR": str(folder / "data"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
