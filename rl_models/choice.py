"""From the raw scores of one network to the target it chooses and how sure it sounds, one row at a time."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from rl_models.manifest import Manifest, Output
from rl_models.semantics import MASKS, ContinuousExposure


class Choice(NamedTuple):
    """What one row of scores means.

    `target` is an exposure. `score` is the confidence score that a calibration maps, by kind of output:

    * logits: the softmax probability of the chosen output;
    * q_values: how much more the chosen output is worth than the mean of the other allowed ones, 0 without others;
    * action: |target| as a share of the largest exposure the policy can ask for.

    `probabilities` has one element per output for logits, None for the others. `keeps`: it means to keep what is held.
    """

    target: float
    score: float
    probabilities: list[float] | None
    keeps: bool = False


class Chooser:
    """Reads scores as one manifest declares them."""

    def __init__(self, manifest: Manifest) -> None:
        self._action = manifest.action
        self._output = manifest.output
        self._mask = MASKS[manifest.mask]

    def choose(self, raw: Sequence[float], exposure: float) -> Choice:
        """The choice for k finite scores when `exposure` is held. The first of equal scores wins."""
        action = self._action
        if isinstance(action, ContinuousExposure):
            target = action.target(raw[0])
            return Choice(target, abs(target) / action.largest, None)
        allowed = None if self._mask is None else self._mask(exposure, action)
        masked = raw if allowed is None else [_masked(score, may) for score, may in zip(raw, allowed, strict=True)]
        best = max(masked)
        chosen = masked.index(best)
        target, keeps = action.target(chosen, exposure), action.keeps(chosen)
        if self._output is Output.Q_VALUES:
            return Choice(target, _advantage(masked, best), None, keeps)
        weights = [math.exp(score - best) for score in masked]
        total = sum(weights)
        return Choice(target, 1.0 / total, [weight / total for weight in weights], keeps)


def _masked(score: float, may: bool) -> float:
    return score if may else -math.inf


def _advantage(masked: Sequence[float], best: float) -> float:
    values = [value for value in masked if value != -math.inf]
    others = len(values) - 1
    return best - (sum(values) - best) / others if others else 0.0
