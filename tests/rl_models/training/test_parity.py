"""A network that does not decide as the policy did is not exported."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.training.export import policy_network, to_onnx
from rl_models.training.parity import compare, compare_recorded, decided, raw_observations, share_equal
from tests.fakes.bars import random_bars
from tests.fakes.sb3 import BOX, untrained
from trading.errors import BundleRefused

N_FEATURES = 4
THREE = spaces.Discrete(3)
RANGE = spaces.Box(*BOX, (1,), np.float32)
ROWS = np.random.default_rng(9).normal(size=(300, N_FEATURES)).astype(np.float32)


def test_the_network_of_another_policy_is_refused() -> None:
    one, other = untrained("PPO", N_FEATURES), untrained("A2C", N_FEATURES, net_arch=[7])
    model = to_onnx(policy_network(one), N_FEATURES)
    assert compare(one.policy, THREE, model, ROWS, "rows").action_agreement == 1.0
    with pytest.raises(BundleRefused, match="does not decide as the policy does"):
        compare(other.policy, THREE, model, ROWS, "rows")


def test_squashed_scores_are_scaled_to_the_box_and_others_clipped() -> None:
    scores = np.array([[-1.0], [0.5], [3.0]], dtype=np.float32)
    assert decided(scores, RANGE, squashed=True).tolist() == [-2.0, 1.0, 2.0]
    assert decided(scores, RANGE, squashed=False).tolist() == [-1.0, 0.5, 2.0]


def test_actions_of_a_range_are_equal_within_a_thousandth_of_it() -> None:
    found = np.array([0.0, 0.0], dtype=np.float32)
    assert share_equal(found, np.array([0.0039, 0.0041]), RANGE) == 0.5
    assert share_equal(found, np.array([0.0, 1.0]), THREE) == 0.5


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"observations": ROWS}, "expected the arrays"),
        ({"observations": ROWS, "actions": np.zeros(299)}, "no pairs"),
        ({"observations": ROWS[:0], "actions": np.zeros(0)}, "empty"),
        ({"observations": ROWS[:, :3], "actions": np.zeros(300)}, "the network takes 4 features"),
        ({"observations": ROWS, "actions": np.zeros(300), "action_masks": np.ones((300, 2))}, "do not fit"),
        ({"observations": ROWS, "actions": np.full(300, 7)}, r"0\.0% of 300 recorded actions agree"),
    ],
)
def test_records_that_prove_nothing_are_refused(arrays: dict[str, np.ndarray], reason: str, tmp_path: Path) -> None:
    model = to_onnx(policy_network(untrained("PPO", N_FEATURES)), N_FEATURES)
    pairs = tmp_path / "pairs.npz"
    np.savez(pairs, **arrays)
    with pytest.raises(BundleRefused, match=reason):
        compare_recorded(pairs, model, THREE, squashed=False)


def test_observations_are_complete_and_hold_every_exposure() -> None:
    schema = FeatureSchema(
        features=(
            FeatureSpec(name="rsi", feature="rsi", params={"n": 3}),
            FeatureSpec(name="exposure", feature="position_exposure"),
        )
    )
    rows = raw_observations(schema, random_bars(200), timeframe_s=3600, warmup_bars=50)
    assert rows.shape == (151, 2)
    assert set(rows[:, 1]) == {0.0, 0.5, 1.0}


def test_too_few_bars_for_one_observation_are_refused() -> None:
    schema = FeatureSchema(features=(FeatureSpec(name="close", feature="close"),))
    with pytest.raises(BundleRefused, match="no complete observation in 10 bars"):
        raw_observations(schema, random_bars(10), timeframe_s=3600, warmup_bars=50)
