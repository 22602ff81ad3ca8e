"""An arm changes at once, and answers for a symbol once its position is flat."""

import pytest

from trading.position_hold import held_arm
from trading.vocabulary import Arm, Assignment, AssignmentReason

WAITING = {"hash", "outside", "paused"}


def given(arm: Arm, reason: AssignmentReason) -> Assignment:
    """An assignment to this arm."""
    return Assignment(experiment="trial", version=1, run=1, arm=arm, reason=reason, stage="ramp")


@pytest.mark.parametrize("reason", AssignmentReason)
def test_only_the_split_and_a_pause_wait_until_the_position_is_flat(reason: AssignmentReason) -> None:
    held = held_arm(given(Arm.FALLBACK, reason), Arm.RL)
    assert held is (Arm.RL if reason.value in WAITING else None)


@pytest.mark.parametrize("reason", AssignmentReason)
@pytest.mark.parametrize("arm", [Arm.RL, Arm.FALLBACK])
def test_nothing_is_held_while_flat_or_where_the_assigned_arm_opened(arm: Arm, reason: AssignmentReason) -> None:
    assert held_arm(given(arm, reason), None) is None
    assert held_arm(given(arm, reason), arm) is None
