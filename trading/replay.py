"""Whether a decision, made again from what it was made from, is the same decision."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace

from trading.desk import clip_advice
from trading.exposure import derive_action
from trading.gate import KnownAgent, Move, judge
from trading.hold import nothing_to_judge
from trading.position_hold import held_arm
from trading.terms import Terms
from trading.vocabulary import Advice, Arm, Assignment, Decision, FailureReason

# What is made again, in the order in which one follows from another: the first difference is the cause of the rest.
RECOMPUTED = ("assignment", "held_arm", "failure", "served_arm", "advice", "target_exposure", "action", "blocked_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that comes out differently, as a path like `advice.scores`, with both values."""

    field: str
    recorded: object
    recomputed: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Which arm has to have answered: the assigned or the held one, unless `failure` says why it could not."""

    assignment: Assignment
    held_arm: Arm | None
    arm: Arm
    failure: FailureReason | None


def serving(recorded: Decision, assignment: Assignment) -> Serving:
    """Which arm has to have answered a user with this assignment, and why not the one that was asked first.

    Which arm had opened the position, and that an adviser failed, cannot be made again: both are taken as recorded,
    unless the assignment takes effect at once, or there was no market, or no signal, to advise on.
    """
    held = held_arm(assignment, recorded.held_arm)
    failure = nothing_to_judge(recorded.market, recorded.signal)
    if failure is not None:
        arm = Arm.HOLD
    elif recorded.failure is None:
        arm = held or assignment.arm
    else:
        arm, failure = (Arm.HOLD if recorded.served_arm is Arm.HOLD else Arm.FALLBACK), recorded.failure
    return Serving(assignment=assignment, held_arm=held, arm=arm, failure=failure)


def served(recorded: Decision, by: Serving) -> Decision:
    """The decision with this assignment, and this arm that answered it; all else as recorded."""
    return replace(recorded, assignment=by.assignment, held_arm=by.held_arm, failure=by.failure, served_arm=by.arm)


def recompute(recorded: Decision, terms: Terms, *, by: Serving, advice: Advice) -> Decision:
    """The decision that follows from this advice; signal, market, position, agent and clock are as recorded.

    `advice` is as the serving arm gave it, before the venue's range.
    """
    position = recorded.position_exposure
    settled, target = clip_advice(advice, terms.exposures)
    move = Move(served_arm=by.arm, confidence=settled.confidence, position_exposure=position, target_exposure=target)
    known = KnownAgent(agent=recorded.agent, stale=recorded.agent_stale, halt=recorded.halt)
    blocked_by = judge(recorded.signal, recorded.market, known, move, terms.limits, wall_s=recorded.judged_at_s)
    return replace(
        served(recorded, by),
        action=derive_action(target, position),
        advice=settled,
        target_exposure=target,
        blocked_by=blocked_by,
    )


def first_difference(recorded: Decision, recomputed: Decision) -> Difference | None:
    """The first field that is not equal, floats to the last bit; None when the decisions are the same."""
    for name in RECOMPUTED:
        for difference in _differences(name, getattr(recorded, name), getattr(recomputed, name)):
            return difference
    return None


def _differences(place: str, recorded: object, recomputed: object) -> Iterator[Difference]:
    if is_dataclass(recorded) and type(recorded) is type(recomputed):
        for field in fields(recorded):
            inner = f"{place}.{field.name}"
            yield from _differences(inner, getattr(recorded, field.name), getattr(recomputed, field.name))
    elif recorded != recomputed:
        yield Difference(field=place, recorded=recorded, recomputed=recomputed)
