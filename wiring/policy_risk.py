"""Whether the policy may take new risk for a user, by an experiment as the store has it."""

from functools import lru_cache

from ab.assignment import Split
from trading.errors import StoreRefused
from trading.position_hold import held_arm
from trading.vocabulary import Arm, AssignmentReason
from wiring.experiment_log import state_from

# Documents that a process remembers: at most one is in force, and each change makes another.
REMEMBERED = 4


def takes_risk(document: str, user_id: str, opened_by: Arm | None) -> bool:
    """True where the policy would be asked now, and not only because a pause lets it go on with what it holds.

    `document` is the text of the experiment in force; by one that cannot be read everybody has the rule. `opened_by` is
    the arm that opened the position held, None without one. Keeps adapters.store.policy_served.TakesRisk.
    """
    split = _split(document)
    if split is None:
        return False
    assignment = split.assign(user_id)
    asked = held_arm(assignment, opened_by) or assignment.arm
    return asked is Arm.RL and assignment.reason is not AssignmentReason.PAUSED


@lru_cache(maxsize=REMEMBERED)
def _split(document: str) -> Split | None:
    try:
        return Split(state_from(document))
    except StoreRefused:
        return None
