"""Whether a decision, made again from what it was made from, is the same decision."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace

from trading.desk import clip_advice
from trading.exposure import derive_action
from trading.gate import KnownAgent, Move, judge
from trading.terms import Terms
from trading.vocabulary import Advice, Arm, Assignment, Decision, FailureReason

# What is made again, in the order in which one follows from another: the first difference is the cause of the rest.
RECOMPUTED = ("assignment", "failure", "served_arm", "advice", "target_exposure", "action", "blocked_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that comes out differently, as a path like `advice.scores`, with both values."""

    field: str
    recorded: object
    recomputed: object


def serving(recorded: Decision, assignment: Assignment) -> tuple[Arm, FailureReason | None]:
    """Which arm has to have answered, and why not the assigned one.

    That an adviser failed cannot be made again: it is taken as recorded, unless there was no market, or no signal, to
    advise on.
    """
    market, failure = recorded.market, recorded.failure
    if market is None or market.ended or market.stale:
        return Arm.HOLD, FailureReason.NO_DATA
    if recorded.signal.reading is None:
        return Arm.HOLD, FailureReason.NO_SIGNAL
    if failure is None:
        return assignment.arm, None
    return (Arm.HOLD if recorded.served_arm is Arm.HOLD else Arm.FALLBACK), failure


def recompute(
    recorded: Decision,
    terms: Terms,
    *,
    assignment: Assignment,
    advice: Advice,
    served: tuple[Arm, FailureReason | None],
) -> Decision:
    """The decision that follows from this advice; signal, market, position, agent and clock are as recorded.

    `served` is what `serving` says; `advice` is as it was given, before the venue's range.
    """
    arm, failure = served
    position = recorded.position_exposure
    settled, target = clip_advice(advice, terms.exposures)
    move = Move(served_arm=arm, confidence=settled.confidence, position_exposure=position, target_exposure=target)
    known = KnownAgent(agent=recorded.agent, stale=recorded.agent_stale, halt=recorded.halt)
    blocked_by = judge(recorded.signal, recorded.market, known, move, terms.limits, wall_s=recorded.judged_at_s)
    return replace(
        recorded,
        action=derive_action(target, position),
        advice=settled,
        assignment=assignment,
        served_arm=arm,
        failure=failure,
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
