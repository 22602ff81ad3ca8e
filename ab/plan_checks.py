"""Whether a plan can be carried out and judged: each rule names the field that breaks it."""

import math
import re
from collections.abc import Iterator
from itertools import pairwise

from ab.assignment import BUCKETS
from ab.plan import Analysis, Guardrail, Plan, Stage
from trading.errors import InvalidField

KEY = re.compile(r"[a-z0-9-]{1,64}")
# No "#" and no ":": what is added for a later run or for the holdout never is another experiment's salt.
SALT = re.compile(r"[A-Za-z0-9._-]{1,64}")
MOST_STAGES = 20
MOST_LOOKS = 1000
LARGEST_HOLDOUT = 0.5
# Users are split by whole buckets: a smaller share would be that of one all the same, or of none.
SMALLEST_SHARE = 1.0 / BUCKETS
# A look sees whole market days: two on one day would see the same.
FEWEST_LOOK_DAYS, MOST_LOOK_DAYS = 1.0, 365.0
MOST_DAYS = 3650.0
MOST_UNITS = 1_000_000_000
# A smaller level is a slip of the pen: the draws of a test do not resolve it. At one half a coin is tossed.
SMALLEST_ALPHA, ALPHA_BELOW = 1e-6, 0.5
# The whole capital in a day, and ten times that for the bounds of a single user's day.
LARGEST_MARGIN_BPS = 1e4
LARGEST_BOUND_BPS = 1e5
LARGEST_LIMIT = 1e9
LARGEST_NOTIONAL_USD = 1e12

NO_SHARE = f"must be 1/{BUCKETS}..1"
NO_SHARE_NOR_ZERO = f"must be 0 or 1/{BUCKETS}..1"


def check_plan(plan: Plan) -> None:
    """Raises InvalidField for the first field that breaks a rule, named by its path: stages.1.share.

    A plan of one stage may begin with a share of 0: it is raised by hand.
    """
    for field, problem in _problems(plan):
        raise InvalidField(field, problem)


def _problems(plan: Plan) -> Iterator[tuple[str, str]]:
    if KEY.fullmatch(plan.key) is None:
        yield "key", f"must match {KEY.pattern}"
    if SALT.fullmatch(plan.salt) is None:
        yield "salt", f"must match {SALT.pattern}"
    if plan.model == "":
        yield "model", "is empty"
    if not (is_share(plan.holdout_share) and plan.holdout_share <= LARGEST_HOLDOUT):
        yield "holdout_share", f"must be 0 or 1/{BUCKETS}..{LARGEST_HOLDOUT}"
    yield from _problems_of_stages(plan.stages)
    yield from _problems_of_analysis(plan.analysis)
    yield from _problems_of_guardrails(plan.guardrails)


def _problems_of_stages(stages: tuple[Stage, ...]) -> Iterator[tuple[str, str]]:
    if not 1 <= len(stages) <= MOST_STAGES:
        yield "stages", f"must be 1..{MOST_STAGES}"
    for number, stage in enumerate(stages):
        raised_by_hand = len(stages) == 1
        if not is_share(stage.share) or (stage.share == 0.0 and not raised_by_hand):
            yield f"stages.{number}.share", NO_SHARE_NOR_ZERO if raised_by_hand else NO_SHARE
        yield from _unless_counted(f"stages.{number}.min_days", stage.min_days, MOST_DAYS)
        yield from _unless_counted(f"stages.{number}.min_units", stage.min_units, MOST_UNITS)
        if stage.max_notional_usd is not None:
            yield from _unless_positive(
                f"stages.{number}.max_notional_usd", stage.max_notional_usd, LARGEST_NOTIONAL_USD
            )
    for number, (before, after) in enumerate(pairwise(stages), start=1):
        if not before.share < after.share:
            yield f"stages.{number}.share", "must be above that of the stage before"


def _problems_of_analysis(analysis: Analysis) -> Iterator[tuple[str, str]]:
    if not 1 <= analysis.looks <= MOST_LOOKS:
        yield "analysis.looks", f"must be in 1..{MOST_LOOKS}"
    if not FEWEST_LOOK_DAYS <= analysis.look_days <= MOST_LOOK_DAYS:
        yield "analysis.look_days", f"must be in {FEWEST_LOOK_DAYS:g}..{MOST_LOOK_DAYS:g}"
    if not SMALLEST_ALPHA <= analysis.alpha < ALPHA_BELOW:
        yield "analysis.alpha", f"must be at least {SMALLEST_ALPHA:g} and below {ALPHA_BELOW}"
    yield from _unless_positive("analysis.margin_bps", analysis.margin_bps, LARGEST_MARGIN_BPS)
    if not -LARGEST_BOUND_BPS <= analysis.lowest_bps < 0.0:
        yield "analysis.lowest_bps", f"must be below 0 and at least -{LARGEST_BOUND_BPS:.0f}"
    if not 0.0 < analysis.highest_bps <= LARGEST_BOUND_BPS:
        yield "analysis.highest_bps", f"must be above 0 and at most {LARGEST_BOUND_BPS:.0f}"


def _problems_of_guardrails(guardrails: tuple[Guardrail, ...]) -> Iterator[tuple[str, str]]:
    seen = set()
    for number, guardrail in enumerate(guardrails):
        if guardrail.guard in seen:
            yield f"guardrails.{number}.guard", "is there twice"
        seen.add(guardrail.guard)
        yield from _unless_positive(f"guardrails.{number}.limit", guardrail.limit, LARGEST_LIMIT)
        yield from _unless_counted(f"guardrails.{number}.min_units", guardrail.min_units, MOST_UNITS)


def is_share(value: float) -> bool:
    """True for 0 and for 1/10,000..1, a bucket of users or more. A zero with a sign is none."""
    return SMALLEST_SHARE <= value <= 1.0 or _is_plain_zero(value)


def _is_plain_zero(value: float) -> bool:
    return value == 0.0 and math.copysign(1.0, value) > 0.0


def _unless_positive(field: str, value: float, most: float) -> Iterator[tuple[str, str]]:
    if not 0.0 < value <= most:
        yield field, f"must be above 0 and at most {most:.0f}"


def _unless_counted(field: str, value: float, most: float) -> Iterator[tuple[str, str]]:
    if not (0.0 < value <= most or _is_plain_zero(value)):
        yield field, f"must be in 0..{most:.0f}"
