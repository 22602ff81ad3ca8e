"""A user's days count for the arm of the entry, from the entry on, and only when they are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.outcomes import (
    DAY_S,
    Entry,
    OutcomeRow,
    OutcomeState,
    UnitDay,
    all_known,
    day_of,
    outcome_rows,
)
from trading.vocabulary import Arm

ENTRIES = {"ann": Entry(arm=Arm.RL, since_s=DAY_S * 1.5), "bob": Entry(arm=Arm.FALLBACK, since_s=0.0)}


def unit(user_id: str, day: int, state: OutcomeState = OutcomeState.KNOWN, net_bps: float | None = 5.0) -> UnitDay:
    return UnitDay(user_id=user_id, day=day, state=state, net_bps=net_bps, fees_bps=0.0, turnover=0.0, capital_usd=None)


@given(st.integers(-(10**6), 10**6), st.floats(0.0, 1.0, exclude_max=True))
def test_a_day_is_from_midnight_until_before_midnight(day: int, share: float) -> None:
    assert day_of(day * DAY_S) == day
    assert day_of(day * DAY_S + int(share * DAY_S)) == day


def test_days_count_for_the_arm_of_the_entry_and_from_its_day_on() -> None:
    days = [unit("ann", 0), unit("ann", 1), unit("bob", 0), unit("eve", 1)]

    rows = list(outcome_rows(days, ENTRIES))

    assert [(row.user_id, row.arm, row.day, row.net_bps) for row in rows] == [
        ("ann", Arm.RL, 1, 5.0),
        ("bob", Arm.FALLBACK, 0, 5.0),
    ]


@pytest.mark.parametrize("state", [OutcomeState.LATE, OutcomeState.MISSING])
def test_the_profit_of_a_day_that_is_not_known_is_none_and_not_what_is_told_so_far(state: OutcomeState) -> None:
    (row,) = outcome_rows([unit("bob", 3, state)], ENTRIES)

    assert (row.state, row.net_bps) == (state, None)


@pytest.mark.parametrize(
    ("day", "state", "known"),
    [
        (4, OutcomeState.KNOWN, True),
        (4, OutcomeState.LATE, False),
        (4, OutcomeState.MISSING, False),
        (5, OutcomeState.LATE, True),
    ],
)
def test_only_days_that_are_over_have_to_be_known(day: int, state: OutcomeState, known: bool) -> None:
    row = OutcomeRow(user_id="ann", arm=Arm.RL, day=day, net_bps=None, state=state)

    assert all_known([row], until_s=DAY_S * 5.0, accepted_through=None) is known


@pytest.mark.parametrize(
    ("day", "state", "known"),
    [
        (3, OutcomeState.MISSING, True),
        (4, OutcomeState.MISSING, False),
        (2, OutcomeState.LATE, False),
        (3, OutcomeState.LATE, False),
    ],
)
def test_a_missing_day_may_be_accepted_and_one_that_is_late_may_yet_come(
    day: int, state: OutcomeState, known: bool
) -> None:
    row = OutcomeRow(user_id="ann", arm=Arm.RL, day=day, net_bps=None, state=state)

    assert all_known([row], until_s=DAY_S * 5.0, accepted_through=3) is known
