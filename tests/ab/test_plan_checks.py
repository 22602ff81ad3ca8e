"""Each rule of a plan is named by the field that breaks it."""

from dataclasses import replace

import pytest

from ab.defaults import default_plan
from ab.plan import Plan
from ab.plan_checks import MOST_LOOKS, MOST_STAGES, check_plan
from tests.fakes.experiments import ERRORS, LOSS, plan, stage
from trading.errors import InvalidField

NAN, INFINITE = float("nan"), float("inf")
SHARES = [(number + 1) / (MOST_STAGES + 1) for number in range(MOST_STAGES + 1)]


def judged(**changes: object) -> Plan:
    return plan(analysis=replace(plan().analysis, **changes))  # type: ignore[arg-type]


def staged(**changes: object) -> Plan:
    return plan(stages=(stage(0.1), stage(0.2, **changes)))


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        *((plan(key=key), "key") for key in ("", "A", "a b", "a/b", "a" * 65, "a\n")),
        *((plan(salt=salt), "salt") for salt in ("", "a#2", "a:holdout", "a" * 65)),
        (plan(model=""), "model"),
        *((plan(holdout_share=share), "holdout_share") for share in (-0.1, -0.0, 0.00009, 0.51, NAN)),
        (plan(stages=()), "stages"),
        (plan(stages=tuple(stage(share) for share in SHARES)), "stages"),
        (plan(stages=(stage(0.2), stage(0.2))), "stages.1.share"),
        (plan(stages=(stage(0.2), stage(0.3), stage(0.1))), "stages.2.share"),
        (plan(stages=(stage(0.0), stage(0.1))), "stages.0.share"),
        *((plan(stages=(stage(share),)), "stages.0.share") for share in (-0.1, -0.0, 1e-300, 0.00009, 1.1, NAN)),
        *((staged(min_days=days), "stages.1.min_days") for days in (-1.0, -0.0, 3651.0, NAN, INFINITE)),
        *((staged(min_units=units), "stages.1.min_units") for units in (-1, 1_000_000_001)),
        *((staged(max_notional_usd=cap), "stages.1.max_notional_usd") for cap in (0.0, -1.0, 1.1e12, NAN, INFINITE)),
        *((judged(looks=looks), "analysis.looks") for looks in (0, MOST_LOOKS + 1)),
        *((judged(look_days=days), "analysis.look_days") for days in (0.0, 1e-310, 0.99, 366.0, NAN, INFINITE)),
        *((judged(alpha=alpha), "analysis.alpha") for alpha in (0.0, 9e-7, 0.5, NAN)),
        *((judged(margin_bps=margin), "analysis.margin_bps") for margin in (0.0, -1.0, 10_001.0, NAN, INFINITE)),
        *((judged(lowest_bps=x), "analysis.lowest_bps") for x in (500.0, 0.0, -0.0, -100_001.0, -INFINITE, NAN)),
        *((judged(highest_bps=x), "analysis.highest_bps") for x in (-500.0, 0.0, 100_001.0, INFINITE, NAN)),
        *(
            (plan(guardrails=(LOSS, replace(ERRORS, limit=x))), "guardrails.1.limit")
            for x in (0.0, -1.0, 1.1e9, NAN, INFINITE)
        ),
        (plan(guardrails=(replace(LOSS, min_units=-1),)), "guardrails.0.min_units"),
        (plan(guardrails=(LOSS, ERRORS, LOSS)), "guardrails.2.guard"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused_by_the_field(bad: Plan, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        check_plan(bad)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "good",
    [
        plan(),
        plan(guardrails=(), model="trend:3", holdout_share=0.5),
        plan(stages=tuple(stage(share) for share in SHARES[:MOST_STAGES])),
        plan(stages=(stage(1.0, min_days=0.0, min_units=0),)),
        judged(looks=1),
        judged(looks=MOST_LOOKS),
        judged(look_days=365.0, alpha=1e-6, margin_bps=10_000.0, lowest_bps=-100_000.0, highest_bps=100_000.0),
        plan(stages=(stage(0.0001, min_days=3650.0, max_notional_usd=1e12),), holdout_share=0.0001),
        plan(guardrails=(replace(LOSS, limit=1e9),)),
        *(default_plan("default", "rl-vs-rule-13", share) for share in (0.0, 0.1, 1.0)),
    ],
)
def test_a_plan_at_its_bounds_is_taken(good: Plan) -> None:
    check_plan(good)


def test_the_default_plan_has_the_share_that_was_asked_for_and_an_answer_to_a_loss() -> None:
    made = default_plan("default", "s", 0.3)
    assert [stage.share for stage in made.stages] == [0.3]
    assert {guardrail.guard: guardrail.response for guardrail in made.guardrails}[LOSS.guard] is LOSS.response
