"""Every recipe learns on the environment, and the same seed gives the same network."""

import numpy as np
import pytest

from rl_models.training.algorithms import RECIPES, Lesson, fit
from rl_models.training.environment import Rules, Stretch

STRETCH = Stretch(
    observations=np.random.default_rng(2).normal(size=(101, 4)).astype(np.float32),
    bar_returns=np.random.default_rng(3).normal(0.0, 0.01, 100),
    position_columns=(3,),
)


@pytest.mark.parametrize("algorithm", RECIPES)
def test_the_same_seed_gives_the_same_network_and_another_one_another(algorithm: str) -> None:
    def answers(seed: int) -> list[float]:
        lesson = Lesson(algorithm=algorithm, timesteps=4_200, seed=seed)
        model = fit(lesson, [STRETCH], Rules(episode_bars=30), lambda steps: None)
        parameters = model.policy.state_dict().values()
        return [float(each.double().sum()) for each in parameters]

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)


def test_progress_counts_every_environment_step() -> None:
    counted: list[int] = []
    lesson = Lesson(algorithm="A2C", timesteps=256, seed=1)
    model = fit(lesson, [STRETCH], Rules(episode_bars=30), counted.append)
    assert sum(counted) == model.num_timesteps == 256
