"""What an operator should know of a plan that can be carried out: why it may conclude nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from ab.assignment import LARGEST_COMPARED_SHARE
from ab.attainable import DRAWS, fewest_coins, least_p
from ab.plan import Analysis, Plan, Stage


class PlanWarningCode(StrEnum):
    """What an operator is warned about. A closed list: it is part of the wire."""

    TOO_FEW_DAYS = "too_few_days"
    TOO_FEW_DRAWS = "too_few_draws"
    NOBODY_COMPARED = "nobody_compared"
    RAMP_OUTLASTS_LOOKS = "ramp_outlasts_looks"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWarning:
    """One thing to know; `message` is a sentence with its figures."""

    code: PlanWarningCode
    message: str


def plan_warnings(plan: Plan) -> Iterator[PlanWarning]:
    """The warnings of a plan that `check_plan` lets pass, what makes the others needless first."""
    if plan.stages[0].share > LARGEST_COMPARED_SHARE:
        said = (
            f"Above a share of {LARGEST_COMPARED_SHARE} nobody new is compared, and this plan begins with "
            f"{plan.stages[0].share:.6g}: nothing can be concluded."
        )
        yield PlanWarning(code=PlanWarningCode.NOBODY_COMPARED, message=said)
        return
    yield from _of_analysis(plan.analysis)
    yield from _of_ramp(plan.stages, plan.analysis)


def _of_analysis(analysis: Analysis) -> Iterator[PlanWarning]:
    of_draws = 1.0 / (DRAWS + 1)
    if of_draws > analysis.alpha:
        said = (
            f"Of {DRAWS + 1:,} draws no result can have a p-value below {of_draws:.2g}, and only {analysis.alpha:.2g} "
            "may be spent over all looks: nothing can be concluded."
        )
        yield PlanWarning(code=PlanWarningCode.TOO_FEW_DRAWS, message=said)
        return
    # As many as fall before the last look, whenever in a day the first one is counted from.
    days = ceil(analysis.looks * analysis.look_days)
    if least_p(days) > analysis.alpha:
        said = (
            f"With {days} market days at the last look no result over days can have a p-value below "
            f"{least_p(days):.2g}, and only {analysis.alpha:.2g} may be spent over all looks: it takes "
            f"{fewest_coins(analysis.alpha)} days or more to conclude anything."
        )
        yield PlanWarning(code=PlanWarningCode.TOO_FEW_DAYS, message=said)


def _of_ramp(stages: tuple[Stage, ...], analysis: Analysis) -> Iterator[PlanWarning]:
    compared = [stage for stage in stages if stage.share <= LARGEST_COMPARED_SHARE]
    before, looked = sum(stage.min_days for stage in compared[:-1]), analysis.looks * analysis.look_days
    if before >= looked and len(compared) > 1:
        said = (
            f"The last look is {looked:,.6g} market days after the first user, and stage {len(compared)} begins no "
            f"sooner than {before:,.6g} days after the start: nothing of it is in any look, and without a conclusion "
            "it does not begin by itself."
        )
        yield PlanWarning(code=PlanWarningCode.RAMP_OUTLASTS_LOOKS, message=said)
