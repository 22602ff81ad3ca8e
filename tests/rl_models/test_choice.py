from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_models.choice import Chooser
from rl_models.manifest import Output
from rl_models.semantics import ContinuousExposure, Verbs
from tests.fakes.bundles import policy_manifest

SCORES = st.lists(st.floats(min_value=-1e4, max_value=1e4, width=32), min_size=3, max_size=3)
Q_VALUES = replace(policy_manifest(), output=Output.Q_VALUES)


@given(SCORES)
def test_the_score_of_logits_is_the_softmax_probability_of_the_highest(raw: list[float]) -> None:
    choice = Chooser(policy_manifest()).choose(raw, 0.0)
    weights = np.exp(np.array(raw) - max(raw))
    assert choice.probabilities == pytest.approx((weights / weights.sum()).tolist())
    assert choice.score == pytest.approx(weights.max() / weights.sum())
    assert choice.target == (0.0, 0.5, 1.0)[int(np.argmax(raw))]


def test_the_score_of_q_values_is_the_advantage_over_the_mean_of_the_others() -> None:
    choice = Chooser(Q_VALUES).choose([0.1, 0.5, 0.3], 0.0)
    assert (choice.target, choice.probabilities) == (0.5, None)
    assert choice.score == pytest.approx(0.3)


def test_a_masked_output_is_not_chosen_and_does_not_count() -> None:
    chooser = Chooser(replace(Q_VALUES, mask="no_repeat"))
    choice = chooser.choose([0.1, 0.5, 0.3], 0.5)
    assert choice.target == 1.0
    assert choice.score == pytest.approx(0.2)


def test_masked_probabilities_are_zero_and_the_rest_add_up_to_one() -> None:
    choice = Chooser(replace(policy_manifest(), mask="no_repeat")).choose([0.0, 700.0, 0.0], 0.5)
    assert choice.probabilities == pytest.approx([0.5, 0.0, 0.5])


def test_hold_keeps_the_position() -> None:
    verbs = Verbs(verbs=("HOLD", "BUY", "SELL"), buy_exposure=1.0, sell_exposure=0.0)
    for output in (Output.LOGITS, Output.Q_VALUES):
        chooser = Chooser(replace(policy_manifest(), action=verbs, output=output))
        kept, bought = chooser.choose([2.0, 1.0, 0.0], 0.37), chooser.choose([1.0, 2.0, 0.0], 1.0)
        assert (kept.target, kept.keeps) == (0.37, True)
        # To go where one is already is another wish than to stay wherever one is.
        assert (bought.target, bought.keeps) == (1.0, False)


def test_the_score_of_a_continuous_action_is_its_size() -> None:
    action = ContinuousExposure(low=-0.5, high=2.0, output_low=-0.5, output_high=2.0)
    chooser = Chooser(replace(policy_manifest(), action=action, output=Output.ACTION))
    assert chooser.choose([-0.5], 0.0).score == pytest.approx(0.25)
    assert chooser.choose([2.0], 0.0).score == pytest.approx(1.0)
