"""What the actions of an imported policy mean, from the words of the command line."""

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from rl_models.semantics import VERBS, ActionSemantics, ContinuousExposure, DiscreteExposure, Verbs, check_action
from rl_models.training.sb3_policy import ActionSpace
from trading.errors import BundleRefused

SQUASHED = ("SAC", "TD3", "TQC")
SQUASHED_RANGE = (-1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """The meaning of a network's outputs, and the action space the policy was trained with."""

    meaning: ActionSemantics
    space: ActionSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionText:
    """The options of an import that say what actions mean.

    `actions` is `0,0.5,1` (target exposures in the order of the outputs), `HOLD,BUY,SELL` (verbs in that order, BUY
    going to `buy_exposure` and SELL to `sell_exposure`) or `0..1` (the range of target exposures that the ends of the
    trained action's Box, `box`, stand for).
    """

    actions: str
    box: str = "-1..1"
    buy_exposure: float = 1.0
    sell_exposure: float = 0.0

    def read(self, algorithm: str) -> Actions:
        """The meaning for a network of this algorithm. Raises BundleRefused."""
        actions = self._range(algorithm) if ".." in self.actions else self._list()
        check_action(actions.meaning, "--actions")
        return actions

    def _range(self, algorithm: str) -> Actions:
        (low, high), box = _ends(self.actions, "--actions"), _ends(self.box, "--box")
        output_low, output_high = SQUASHED_RANGE if algorithm in SQUASHED else box
        return Actions(
            meaning=ContinuousExposure(low=low, high=high, output_low=output_low, output_high=output_high),
            space=spaces.Box(box[0], box[1], (1,), np.float32),
        )

    def _list(self) -> Actions:
        words = tuple(word.strip() for word in self.actions.split(","))
        meaning: ActionSemantics
        if set(words) <= set(VERBS):
            meaning = Verbs(verbs=words, buy_exposure=self.buy_exposure, sell_exposure=self.sell_exposure)
        else:
            meaning = DiscreteExposure(levels=tuple(_number(word, "--actions") for word in words))
        return Actions(meaning=meaning, space=spaces.Discrete(len(words)))


def _ends(text: str, option: str) -> tuple[float, float]:
    low, _, high = text.partition("..")
    ends = _number(low, option), _number(high, option)
    if ends[0] >= ends[1]:
        raise BundleRefused(f"{option}: {text!r} is not a range from low to high")
    return ends


def _number(text: str, option: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise BundleRefused(f"{option}: {text!r} is not a number") from error
    if not np.isfinite(number):
        raise BundleRefused(f"{option}: {text!r} is not finite")
    return number
