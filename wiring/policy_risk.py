"""Whether the policy may take the new risk of an order, by an experiment as the store has it."""

from functools import lru_cache

from ab.assignment import Split
from trading.errors import StoreRefused
from trading.ledger import EXACT
from trading.orders import Order
from trading.position_hold import held_arm
from trading.sizing import decimal_of
from trading.vocabulary import Arm, Assignment, AssignmentReason
from wiring.experiment_log import state_from

# Documents that a process remembers: at most one is in force, and each change makes another.
REMEMBERED = 4


def takes_risk(document: str, order: Order, opened_by: Arm | None) -> bool:
    """True where the order is of the run that goes on, and the policy would be asked now and might send as much.

    Not where only a pause leaves it with what it holds. `document` is the text of the experiment in force, by which the
    order was made; by one that cannot be read everybody has the rule. `opened_by` is the arm that opened the position
    held, None without one. Keeps adapters.store.policy_served.TakesRisk.
    """
    split, under = _split(document), order.made_under
    if split is None or under is None:
        return False
    assignment = split.assign(order.request.user_id)
    asked = held_arm(assignment, opened_by) or assignment.arm
    if assignment.run != under.run or assignment.reason is AssignmentReason.PAUSED:
        return False
    return asked is Arm.RL and _within_cap(order, assignment)


def _within_cap(order: Order, assignment: Assignment) -> bool:
    cap = assignment.max_notional_usd
    notional = EXACT.multiply(order.request.quantity, order.reference_price)
    return cap is None or notional <= decimal_of(cap)


@lru_cache(maxsize=REMEMBERED)
def _split(document: str) -> Split | None:
    try:
        return Split(state_from(document))
    except StoreRefused:
        return None
