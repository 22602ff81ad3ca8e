"""What a first version usually does with a trained model: rebuild an observation and call SB3's `predict`.

It gets its market features for nothing (one fixed row), which the service has to keep up to date.
"""

import os

import numpy as np
from stable_baselines3 import PPO

LEVELS = (0.0, 0.5, 1.0)


class Sb3Answer:
    """A PPO policy and a fixed row of features."""

    def __init__(self) -> None:
        self._policy = PPO.load(os.environ["BENCH_POLICY"], device="cpu")
        size = self._policy.observation_space.shape
        assert size is not None
        self._row = np.zeros(size, dtype=np.float32)

    def answer(self, confidence: float, rsi: float) -> dict[str, object]:
        """The decision for one signal."""
        row = self._row.copy()
        row[-2:] = confidence, rsi / 100.0
        action, _ = self._policy.predict(row, deterministic=True)
        target = LEVELS[int(action)]
        return {"action": "BUY" if target > 0 else "HOLD", "should_trade": target > 0, "target_exposure": target}
