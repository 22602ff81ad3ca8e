"""Which arm answers while a position is open: the one that opened it, unless what was decided may not wait."""

from trading.vocabulary import Arm, Assignment, AssignmentReason

# Why a user may have an arm that waits until their position is flat: the split of the users, or an operator's pause.
# A kill, a rollback, an override and whatever else was decided takes effect at once.
WAITS_UNTIL_FLAT = frozenset({AssignmentReason.HASH, AssignmentReason.OUTSIDE, AssignmentReason.PAUSED})


def held_arm(assignment: Assignment, opened_by: Arm | None) -> Arm | None:
    """The arm that is asked instead of the assigned one; None when the assigned one is asked.

    `opened_by` is the arm that opened the position held now, None without one.
    """
    if opened_by is assignment.arm or assignment.reason not in WAITS_UNTIL_FLAT:
        return None
    return opened_by
