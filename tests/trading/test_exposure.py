"""Actions follow from target and position alone."""

import pytest

from trading.exposure import SPOT, derive_action, increases_risk
from trading.vocabulary import Action


@pytest.mark.parametrize(
    ("target", "position", "action"),
    [
        (1.0, 0.0, Action.BUY),
        (0.5, 1.0, Action.SELL),
        (0.0, 0.0, Action.HOLD),
        (0.5, 0.5 + 1e-7, Action.HOLD),
        (-1.0, 0.0, Action.SELL),
    ],
)
def test_an_action_is_the_sign_of_the_change(target: float, position: float, action: Action) -> None:
    assert derive_action(target, position) is action


@pytest.mark.parametrize(("target", "held"), [(-0.3, 0.0), (0.3, 0.3), (1.2, 1.0)])
def test_spot_holds_zero_to_one(target: float, held: float) -> None:
    assert SPOT.clip(target) == held


@pytest.mark.parametrize(
    ("target", "position", "increases"), [(0.5, 0.0, True), (-0.5, 0.0, True), (0.0, 0.5, False), (0.5, 0.5, False)]
)
def test_risk_grows_with_the_distance_from_flat(target: float, position: float, increases: bool) -> None:
    assert increases_risk(target, position) is increases
