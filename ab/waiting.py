"""What an experiment waits for before more users meet its policy, and why, in words."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum

from ab.alarms import broken, is_worse, of_this_run, untold, wrong_split
from ab.assignment import LARGEST_COMPARED_SHARE
from ab.commands import stage_since_s
from ab.outcomes import DAY_S
from ab.plan import Stage
from ab.results import GOOD_ENOUGH, Conclusion, Findings, Primary
from ab.running import running_s
from ab.state import ExperimentState, Phase, is_promoted

_MISSING_OR_LATE = (
    "Outcomes that are due are missing or late: late ones may come, missing ones an operator has to accept as missing."
)


class Awaited(StrEnum):
    """What is waited for. A closed list: it is part of the wire."""

    OPERATOR = "operator"
    APPROVAL = "approval"
    TIME = "time"
    UNITS = "units"
    LOOKS = "looks"
    OUTCOMES = "outcomes"
    GUARDRAILS = "guardrails"
    SAMPLE_RATIO = "sample_ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One thing that is waited for; `why` is a sentence with its figures."""

    what: Awaited
    why: str


def waiting_for(state: ExperimentState, findings: Findings | None, market_s: float) -> tuple[Awaited, ...]:
    """Each thing that is waited for, once; empty when the next stage may begin, and when there is none to come."""
    return tuple(dict.fromkeys(wait.what for wait in waits(state, findings, market_s)))


def waits(state: ExperimentState, findings: Findings | None, market_s: float) -> tuple[Wait, ...]:
    """All that is waited for at a market time (Unix seconds); `findings` None while there are none.

    Nothing that is not known lets the share grow: a missing outcome, a guardrail without a figure and a figure that is
    no finite number are waited for like all else.
    """
    known = of_this_run(state, findings)
    alarms = () if known is None else tuple(_of_alarms(state, known))
    match state.phase:
        case Phase.ROLLED_BACK | Phase.KILLED:
            return ()
        case Phase.DRAFT:
            return (Wait(what=Awaited.OPERATOR, why="It is a draft: an operator has to start it."),)
        case Phase.PAUSED:
            what = "promoted, and paused" if is_promoted(state) else "paused"
            return (Wait(what=Awaited.OPERATOR, why=f"It is {what}: an operator has to resume it."), *alarms)
        case Phase.PROMOTED:
            return alarms
    return (*alarms, *_of_knowledge(state, known), *_of_stage(state, known, market_s))


def _of_alarms(state: ExperimentState, findings: Findings) -> Iterator[Wait]:
    for _, why in broken(state, findings):
        yield Wait(what=Awaited.GUARDRAILS, why=why)
    if findings.ratio.mismatch:
        yield Wait(what=Awaited.SAMPLE_RATIO, why=wrong_split(findings.ratio))
    if is_worse(findings):
        yield Wait(what=Awaited.OPERATOR, why=f"The policy is worse than the rule: {findings.primary.reason}")


def _of_knowledge(state: ExperimentState, findings: Findings | None) -> Iterator[Wait]:
    if not state.enabled:
        yield Wait(
            what=Awaited.OPERATOR, why="It is disabled, and everybody has the rule: an operator has to enable it."
        )
    since_s = stage_since_s(state)
    if findings is None or since_s is None or findings.at_s <= since_s:
        yield Wait(what=Awaited.OUTCOMES, why="Nothing is known since this stage began.")
        return
    if not findings.complete:
        yield Wait(what=Awaited.OUTCOMES, why=_MISSING_OR_LATE)
    for place in _not_finite(findings, "findings"):
        yield Wait(what=Awaited.OUTCOMES, why=f"{place} is not a finite number.")
    for why in untold(state, findings):
        yield Wait(what=Awaited.GUARDRAILS, why=why)


def _of_stage(state: ExperimentState, findings: Findings | None, market_s: float) -> Iterator[Wait]:
    following = _next_stage(state)
    if following is not None:
        yield from _of_requirements(state, findings, market_s)
    if findings is not None:
        yield from _of_conclusion(findings.primary, following)


def _next_stage(state: ExperimentState) -> Stage | None:
    number = state.stage + 1
    return state.plan.stages[number] if number < len(state.plan.stages) else None


def _of_requirements(state: ExperimentState, findings: Findings | None, market_s: float) -> Iterator[Wait]:
    stage = state.plan.stages[state.stage]
    days = running_s(state, market_s) / DAY_S
    units = 0 if findings is None else findings.units_in_stage
    # The wrong way round, so that a time that is no number fulfils nothing.
    if not days >= stage.min_days:
        why = f"It has run for {days:.2f} of the {stage.min_days:,.6g} market days of this stage."
        yield Wait(what=Awaited.TIME, why=why)
    if units < stage.min_units:
        why = f"Each arm has {units:,} of {stage.min_units:,} user-days of this stage."
        yield Wait(what=Awaited.UNITS, why=why)
    if stage.approval and not state.approved:
        yield Wait(what=Awaited.APPROVAL, why="An operator has to approve the next stage.")


def _of_conclusion(primary: Primary, following: Stage | None) -> Iterator[Wait]:
    done, planned = len(primary.looks), primary.planned_looks
    promotes = following is None or following.share == 1.0
    if primary.conclusion in GOOD_ENOUGH:
        if promotes:
            yield Wait(what=Awaited.OPERATOR, why=f"Only an operator promotes it: {primary.reason}")
    elif primary.conclusion is Conclusion.INCONCLUSIVE or done >= planned:
        why = (
            f"{done} of {planned} planned looks are done and decided nothing, which promotes nothing: {primary.reason}"
        )
        yield Wait(what=Awaited.OPERATOR, why=why)
    elif following is None or following.share > LARGEST_COMPARED_SHARE:
        why = f"{done} of {planned} planned looks are done, and nobody is compared beyond this stage: {primary.reason}"
        yield Wait(what=Awaited.LOOKS, why=why)


def _not_finite(value: object, place: str) -> Iterator[str]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield place
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, f"{place}.{key}")
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _not_finite(item, f"{place}.{number}")
    elif is_dataclass(value):
        for field in fields(value):
            yield from _not_finite(getattr(value, field.name), f"{place}.{field.name}")
