"""Profit that callers reported becomes days of its users; what nobody told is late, then missing, never 0."""

import math
from dataclasses import replace

import pytest

from ab.outcomes import DAY_S, Allotment, Entry
from ab.recorded import Due, Expected, reported_days
from trading.vocabulary import Arm

NOON = DAY_S / 2
DUE = Due(
    entries={"ann": Entry(arm=Arm.RL, since_s=NOON)},
    allotment_of=lambda _: Allotment(symbols=1, capital_usd=1_000.0),
    until_s=DAY_S * 2.5,
    grace_s=DAY_S,
)
ACTED = Expected(user_id="ann", market_at_s=NOON, net_bps=4.0)


def test_users_outside_the_comparison_have_no_days() -> None:
    assert {unit.user_id for unit in reported_days([replace(ACTED, user_id="eve")], DUE)} == {"ann"}


def reported(*decisions: Expected, until_days: float = 2.5) -> list[tuple[str, float | None]]:
    due = replace(DUE, until_s=DAY_S * until_days)
    return [(unit.state.value, unit.net_bps) for unit in reported_days(decisions, due)]


def test_reports_count_on_the_day_of_their_decisions() -> None:
    assert reported(ACTED, replace(ACTED, net_bps=-1.0), replace(ACTED, market_at_s=DAY_S + 1.0)) == [
        ("known", 3.0),
        ("known", 4.0),
        ("late", 0.0),
    ]


def test_decisions_before_the_entry_are_not_waited_for() -> None:
    assert reported(replace(ACTED, market_at_s=NOON - 1.0, net_bps=None))[0] == ("known", 0.0)


@pytest.mark.parametrize(("until_days", "state"), [(0.9, "late"), (1.5, "late"), (2.0, "missing")])
def test_a_day_with_one_decision_unreported_is_late_and_after_the_grace_missing(until_days: float, state: str) -> None:
    assert reported(ACTED, replace(ACTED, net_bps=None), until_days=until_days)[0] == (state, None)


def test_reports_tell_no_costs() -> None:
    assert {(unit.fees_bps, unit.turnover) for unit in reported_days([ACTED], DUE)} == {(None, None)}


@pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf])
def test_profit_that_is_no_finite_number_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="is no profit"):
        list(reported_days([replace(ACTED, net_bps=amount)], DUE))
