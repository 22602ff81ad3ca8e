"""What a policy once gained may be lost again: good is said of the latest look, and what is worse stays so."""

from dataclasses import replace

import numpy as np
import pytest

from ab.results import Conclusion, Findings
from ab.rollout import Verdict, evaluate
from ab.state import Command
from ab.statistics.primary import judge
from ab.statistics.units import Units
from ab.waiting import Awaited
from tests.fakes.analyses import after_days, alike, analysis, everybody
from tests.fakes.experiments import START_S, after, findings, plan, stage

DRAWS = 1_999
PLAN = analysis(looks=6, look_days=4.0)
DAYS = 24
LOOKS = after_days(4, 8, 12, 16, 20, 24)


def turning(effect_bps: float, later_bps: float, days: int = 16) -> Units:
    """An effect on so many days, and another one from then on."""
    chance = np.random.default_rng(1)
    treated = chance.random(120) < 0.5
    effects = np.where(np.arange(DAYS) < days, effect_bps, later_bps)
    return everybody(chance.standard_normal((120, DAYS)) * 40.0 + effects * treated[:, None], treated)


def test_a_policy_that_was_found_better_and_then_loses_is_better_no_more_and_worse_once_that_is_found() -> None:
    units = turning(15.0, -120.0)
    found = [judge(units, PLAN, LOOKS[:looks], seed="s", draws=DRAWS) for looks in (4, 5, 6)]
    assert [primary.conclusion for primary in found] == [Conclusion.BETTER, Conclusion.UNDECIDED, Conclusion.WORSE]
    looks = found[-1].looks
    first = next(look.number for look in looks if look.significant)
    assert f"found better at look {first}, and its effect has since fallen back to" in found[1].reason
    assert [look.significant for look in looks[3:]] == [True, False, True]
    assert looks[3].effect_bps > 0.0 > looks[5].effect_bps


@pytest.mark.parametrize("later_bps", [-27.0, -33.0])
def test_a_gain_that_is_gone_by_the_last_look_leaves_it_open(later_bps: float) -> None:
    primary = judge(turning(15.0, later_bps), PLAN, LOOKS, seed="s", draws=DRAWS)
    assert any(look.significant for look in primary.looks)
    assert primary.looks[-1].low_bps < -PLAN.margin_bps
    assert primary.conclusion is Conclusion.INCONCLUSIVE
    assert "fallen back" in primary.reason


def test_a_gain_of_which_a_loss_is_no_longer_ruled_out_is_not_better() -> None:
    primary = judge(turning(15.0, -20.0), replace(PLAN, margin_bps=0.01), LOOKS, seed="s", draws=DRAWS)
    last = primary.looks[-1]
    assert any(look.significant for look in primary.looks)
    assert last.effect_bps > 0.0 > last.low_bps
    assert not last.significant
    assert primary.conclusion is Conclusion.INCONCLUSIVE


def test_after_a_gain_that_is_gone_not_even_not_worse_is_said() -> None:
    units = turning(15.0, -40.0)
    plan = replace(PLAN, margin_bps=100.0)
    (*_, before, last) = judge(units, plan, LOOKS, seed="s", draws=DRAWS).looks
    assert before.effect_bps > 0.0 > last.effect_bps > last.low_bps > -plan.margin_bps
    assert judge(units, plan, LOOKS[:5], seed="s", draws=DRAWS).conclusion is Conclusion.BETTER
    assert judge(units, plan, LOOKS, seed="s", draws=DRAWS).conclusion is Conclusion.INCONCLUSIVE


def test_a_policy_that_was_found_worse_stays_worse_whatever_it_earns_later() -> None:
    primary = judge(turning(-15.0, 300.0), PLAN, LOOKS, seed="s", draws=DRAWS)
    last = primary.looks[-1]
    assert last.effect_bps > 0.0
    assert last.p_value <= last.level
    assert last.p_value_days <= last.level_days
    assert primary.conclusion is Conclusion.WORSE
    assert not last.significant
    first = next(look.number for look in primary.looks if look.significant)
    assert f"At look {first} of 6 the policy earned" in primary.reason


def test_a_rejection_counts_no_more_once_the_effect_has_turned() -> None:
    # By days a loss is shown at the fourth look and by users at the last one; between them the effect was a gain.
    units = alike(np.array([-1.0] * 16 + [6.0] * 4 + [-5.0] * 4))
    own = np.where(np.arange(40) % 4 < 2, 20.0, -20.0)[:, None]
    units.profit[:, :16] += own
    units.profit[:, 16:] -= 2.0 * own
    primary = judge(units, replace(PLAN, margin_bps=0.5), LOOKS, seed="s", draws=DRAWS)
    looks = primary.looks
    assert [look.p_value_days <= look.level_days for look in looks[3:]] == [True, False, False]
    assert [look.p_value <= look.level for look in looks] == [False] * 5 + [True]
    assert [look.effect_bps > 0.0 for look in looks] == [False] * 4 + [True, False]
    assert not any(look.significant for look in looks)
    assert primary.conclusion is Conclusion.INCONCLUSIVE
    assert "or no longer so" in primary.reason


@pytest.mark.parametrize(
    ("effect_bps", "later_bps"),
    [(15.0, -120.0), (-15.0, 300.0), (15.0, -27.0), (8.0, 8.0), (-8.0, -8.0), (20.0, -30.0)],
)
def test_the_conclusion_of_a_look_is_that_of_its_significance(effect_bps: float, later_bps: float) -> None:
    units = turning(effect_bps, later_bps)
    for number, look in enumerate(judge(units, PLAN, LOOKS, seed="s", draws=DRAWS).looks, 1):
        then = judge(units, PLAN, LOOKS[:number], seed="s", draws=DRAWS)
        assert then.looks[-1].significant == look.significant
        good, bad = then.conclusion is Conclusion.BETTER, then.conclusion is Conclusion.WORSE
        assert look.significant == ((good and look.effect_bps > 0.0) or (bad and look.effect_bps < 0.0))


def test_the_engine_holds_a_policy_that_has_fallen_back_and_rolls_it_back_once_it_is_worse() -> None:
    units = turning(15.0, -120.0)
    state = after(Command.START, of=plan(stages=(stage(0.3), stage(0.9)), analysis=PLAN))

    def found(looks: int) -> Findings:
        primary = judge(units, PLAN, LOOKS[:looks], seed="s", draws=DRAWS)
        return findings(primary=primary, at_s=START_S + LOOKS[looks - 1].at_s)

    def judged(looks: int) -> Verdict:
        return evaluate(state, found(looks), START_S + LOOKS[looks - 1].at_s)

    assert judged(4).command is Command.ADVANCE
    held = judged(5)
    assert (held.command, held.waiting_for) == (None, (Awaited.LOOKS,))
    assert "and its effect has since fallen back" in held.reasons[0]
    assert judged(6).command is Command.ROLLBACK
    assert "The policy is worse than the rule" in judged(6).reasons[0]
