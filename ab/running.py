"""When an experiment ran, by the steps of its share, and which user-days count by that."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from ab.outcomes import DAY_S
from ab.state import ExperimentState, Phase, Step


def share_in_force(state: ExperimentState) -> float:
    """The share (0..1) of users whom the hash gives the policy now: 0 while it is paused or disabled, and when over."""
    runs = state.enabled and state.phase in (Phase.RUNNING, Phase.PROMOTED)
    return state.share if runs else 0.0


def running_s(state: ExperimentState, market_s: float) -> float:
    """For how many market seconds the present stage has run up to a market time (Unix seconds), without pauses."""
    return sum(
        until_s - step.since_s
        for step, until_s in _lasting(state.steps, market_s)
        if step.stage == state.stage and step.share > 0.0
    )


def counting(steps: Sequence[Step]) -> Callable[[float, int], bool]:
    """Whether a user who entered at a market time (Unix seconds) has a day that counts.

    A UTC day since 1970-01-01 counts when the share was never below that of the user's entry, the entry's day from the
    entry on: while fewer meet the policy both arms have the rule, and such days would say that they earn the same. It
    depends on the log alone, so it leaves out the same days of both arms.
    """

    @cache
    def least_of_day(day: int) -> float:
        return _least(steps, day * DAY_S, (day + 1) * DAY_S)

    @cache
    def at_entry(entered_s: float) -> float:
        return _at_entry(steps, entered_s)

    def counts(entered_s: float, day: int) -> bool:
        whole = entered_s <= day * DAY_S
        least = least_of_day(day) if whole else _least(steps, entered_s, (day + 1) * DAY_S)
        return least >= at_entry(entered_s)

    return counts


def _lasting(steps: Sequence[Step], until_s: float) -> Iterator[tuple[Step, float]]:
    ends = [*(step.since_s for step in steps[1:]), until_s]
    return zip(steps, ends, strict=False)


def _least(steps: Sequence[Step], since_s: float, until_s: float) -> float:
    within = (step.share for step, end_s in _lasting(steps, math.inf) if step.since_s < until_s and end_s > since_s)
    return min(within, default=math.inf)


def _at_entry(steps: Sequence[Step], entered_s: float) -> float:
    # A worker may hear of a pause a moment late: nobody enters at a share of 0.
    shares = [(step.since_s, step.share) for step in steps if step.share > 0.0]
    before = [share for since_s, share in shares if since_s <= entered_s]
    return before[-1] if before else min((share for _, share in shares), default=math.inf)
