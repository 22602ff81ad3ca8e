"""The algorithms trained here: one recipe each, chosen by how they fit the bars they are trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from rl_models.training.environment import Rules, Stretch, TradingEnvironment

NETWORK = {"net_arch": [64, 64]}
ENVIRONMENTS = 16
# The reward of an hourly bar is mostly noise: a discount that looks a day ahead learns from it, 0.99 hardly does.
DISCOUNT = 0.95


def ppo(environments: VecEnv, seed: int) -> BaseAlgorithm:
    """Proximal policy optimisation: arXiv:1707.06347."""
    return PPO(
        "MlpPolicy",
        environments,
        n_steps=256,
        batch_size=1024,
        n_epochs=5,
        gamma=DISCOUNT,
        ent_coef=0.01,
        policy_kwargs=NETWORK,
        seed=seed,
        device="cpu",
    )


def a2c(environments: VecEnv, seed: int) -> BaseAlgorithm:
    """Synchronous advantage actor-critic: arXiv:1602.01783."""
    return A2C(
        "MlpPolicy",
        environments,
        n_steps=8,
        gamma=DISCOUNT,
        ent_coef=0.01,
        policy_kwargs=NETWORK,
        seed=seed,
        device="cpu",
    )


def dqn(environments: VecEnv, seed: int) -> BaseAlgorithm:
    """Deep Q-network: doi:10.1038/nature14236."""
    return DQN(
        "MlpPolicy",
        environments,
        learning_rate=5e-4,
        buffer_size=100_000,
        learning_starts=4_000,
        batch_size=128,
        gamma=DISCOUNT,
        train_freq=4,
        gradient_steps=4,
        target_update_interval=2_000,
        exploration_fraction=0.3,
        policy_kwargs=NETWORK,
        seed=seed,
        device="cpu",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one algorithm is made, and for how many environment steps it is trained unless told otherwise."""

    make: Callable[[VecEnv, int], BaseAlgorithm]
    timesteps: int


RECIPES: dict[str, Recipe] = {
    "PPO": Recipe(make=ppo, timesteps=200_000),
    "A2C": Recipe(make=a2c, timesteps=200_000),
    "DQN": Recipe(make=dqn, timesteps=60_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One training run: the recipe's name, the environment steps and the seed."""

    algorithm: str
    timesteps: int
    seed: int


class _Progress(BaseCallback):
    def __init__(self, advance: Callable[[int], object]) -> None:
        super().__init__()
        self._advance = advance

    def _on_step(self) -> bool:
        self._advance(self.training_env.num_envs)
        return True


def fit(lesson: Lesson, stretches: Sequence[Stretch], rules: Rules, advance: Callable[[int], object]) -> BaseAlgorithm:
    """A network trained on these stretches, on one CPU thread; the same seed and libraries give the same network.

    `advance` is called with the number of environment steps done since the last call.
    """
    torch.set_num_threads(1)
    environments = DummyVecEnv([lambda: TradingEnvironment(stretches, rules) for _ in range(ENVIRONMENTS)])
    model = RECIPES[lesson.algorithm].make(environments, lesson.seed)
    return model.learn(total_timesteps=lesson.timesteps, callback=_Progress(advance))
