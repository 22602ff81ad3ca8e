"""The market as a gymnasium environment: choose a target exposure at each close, earn the next bar after costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rl_models.training.costs import FloatArray, TradingCosts, hold_for_a_bar

Observation: TypeAlias = NDArray[np.float32]
# Rewards are log returns in percent: hourly ones as fractions are too small for the usual learning rates.
REWARD_SCALE = 100.0
INPUT_CLIP = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Bars in a row whose features are all known, as the networks see them.

    `observations` is float32[m, n_features], normalised and within INPUT_CLIP; the environment writes the exposure over
    `position_columns`.
    `bar_returns` is float64[m - 1]: what close i to close i + 1 earns.
    """

    observations: Observation
    bar_returns: FloatArray
    position_columns: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may be held, what changing it costs, and how many bars an episode lasts at most."""

    levels: tuple[float, ...] = (0.0, 0.5, 1.0)
    costs: TradingCosts = field(default_factory=TradingCosts)
    episode_bars: int = 720


class TradingEnvironment(gymnasium.Env[Observation, np.int64]):
    """Action i holds `rules.levels[i]` until the next close; the reward is the log return after costs, in percent.

    The observation at a close knows nothing later; a position decided at that close earns from there to the next one.
    An episode starts at a random bar of a random stretch with a random level held, unless `reset` is told by
    `options={"stretch", "start", "position"}`; it is truncated, never terminated.
    """

    def __init__(self, stretches: Sequence[Stretch], rules: Rules) -> None:
        self._stretches = [stretch for stretch in stretches if len(stretch.bar_returns) > 0]
        self._rules = rules
        self._weights = np.array([len(stretch.bar_returns) for stretch in self._stretches], dtype=np.float64)
        self._weights /= self._weights.sum()
        n_features = self._stretches[0].observations.shape[1]
        self.observation_space = spaces.Box(-INPUT_CLIP, INPUT_CLIP, (n_features,), np.float32)
        self.action_space = spaces.Discrete(len(rules.levels))
        self._stretch = self._stretches[0]
        self._at = self._end = 0
        self._position = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, float] | None = None
    ) -> tuple[Observation, dict[str, float]]:
        """The first observation of an episode."""
        super().reset(seed=seed)
        chosen = options or {}
        drawn = self.np_random.choice(len(self._stretches), p=self._weights)
        self._stretch = self._stretches[int(chosen.get("stretch", drawn))]
        bars = len(self._stretch.bar_returns)
        self._at = int(chosen.get("start", self.np_random.integers(max(bars - self._rules.episode_bars, 0) + 1)))
        self._end = min(self._at + self._rules.episode_bars, bars)
        self._position = float(chosen.get("position", self.np_random.choice(self._rules.levels)))
        return self._observe(), {}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, float]]:
        """Trade to the level at this close, hold to the next one."""
        growth, self._position = hold_for_a_bar(
            self._position,
            self._rules.levels[int(action)],
            float(self._stretch.bar_returns[self._at]),
            self._rules.costs.rate,
        )
        self._at += 1
        return self._observe(), REWARD_SCALE * math.log(growth), False, self._at >= self._end, {}

    def _observe(self) -> Observation:
        observation: Observation = self._stretch.observations[self._at].copy()
        observation[list(self._stretch.position_columns)] = self._position
        return observation
