"""The words for actions become one meaning, or a refusal that names the option."""

import pytest
from gymnasium import spaces

from rl_models.semantics import ContinuousExposure, DiscreteExposure, Verbs
from rl_models.training.action_text import ActionText
from trading.errors import BundleRefused


def test_a_list_of_exposures() -> None:
    actions = ActionText(actions="0, 0.5,1").read("PPO")
    assert actions.meaning == DiscreteExposure(levels=(0.0, 0.5, 1.0))
    assert actions.space == spaces.Discrete(3)


def test_a_list_of_verbs() -> None:
    actions = ActionText(actions="SELL,BUY", buy_exposure=0.5, sell_exposure=-0.5).read("DQN")
    assert actions.meaning == Verbs(verbs=("SELL", "BUY"), buy_exposure=0.5, sell_exposure=-0.5)
    assert actions.space == spaces.Discrete(2)


@pytest.mark.parametrize(("algorithm", "output_low", "output_high"), [("PPO", -3.0, 3.0), ("SAC", -1.0, 1.0)])
def test_a_range_maps_what_the_network_answers(algorithm: str, output_low: float, output_high: float) -> None:
    actions = ActionText(actions="-1..1", box="-3..3").read(algorithm)
    assert actions.meaning == ContinuousExposure(low=-1, high=1, output_low=output_low, output_high=output_high)
    assert isinstance(actions.space, spaces.Box)
    assert (actions.space.low[0], actions.space.high[0]) == (-3.0, 3.0)


@pytest.mark.parametrize(
    ("actions", "box", "reason"),
    [
        ("", "-1..1", "'' is not a number"),
        ("buy,sell", "-1..1", "'buy' is not a number"),
        ("BUY,BUY", "-1..1", "--actions"),
        ("BUY", "-1..1", "--actions"),
        ("0,nan", "-1..1", "not finite"),
        ("0,0", "-1..1", "--actions"),
        ("1..0", "-1..1", "not a range"),
        ("0..1", "1..1", "--box: '1..1' is not a range"),
        ("0..inf", "-1..1", "not finite"),
        ("0..1..2", "-1..1", "not a number"),
    ],
)
def test_words_without_one_meaning_are_refused(actions: str, box: str, reason: str) -> None:
    with pytest.raises(BundleRefused, match=reason):
        ActionText(actions=actions, box=box).read("PPO")
