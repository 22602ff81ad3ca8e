"""Numbers as a reader sees them."""

import math

import pytest

from ab.plan import Guard, OutcomeSource, Response
from ab.report.wording import (
    ACCOUNTS,
    CONCLUSIONS,
    GUARDS,
    MISSING,
    RESPONSES,
    SOURCES,
    chance,
    dollars,
    guard_value,
    interval,
    number,
    percent,
)
from ab.results import Conclusion

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_known(value: float | None) -> None:
    assert {number(value), dollars(value), percent(value), chance(value)} == {"not known"}
    assert guard_value(Guard.ERRORS, value) == "cannot be told"


@pytest.mark.parametrize(
    ("value", "shown"), [(1234.56, "+1,234.6"), (-0.04, "0.0"), (0.0, "0.0"), (-1.25, f"{MINUS}1.2"), (0.06, "+0.1")]
)
def test_gains_have_a_plus_losses_a_minus_and_zero_neither(value: float, shown: str) -> None:
    assert number(value, signed=True) == shown


@pytest.mark.parametrize(("value", "shown"), [(99.5, "+99.50"), (100.4, "+100"), (-2_090.0, f"{MINUS}2,090")])
def test_dollars_show_cents_only_where_they_count(value: float, shown: str) -> None:
    assert dollars(value) == shown


@pytest.mark.parametrize(("share", "shown"), [(0.05, "5 %"), (0.4762, "47.62 %"), (1.0, "100 %"), (0.0, "0 %")])
def test_shares_are_percent_without_idle_zeros(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_a_chance_too_small_to_show_is_not_shown_as_zero() -> None:
    assert chance(1e-20) == "< 0.0001"
    assert chance(0.05) == "0.0500"


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (-1.0, 2.0, f"{MINUS}1.0 to +2.0"),
        (None, 2.0, "up to +2.0, no lower end"),
        (-1.0, None, f"from {MINUS}1.0, no upper end"),
        (None, None, "unbounded"),
    ],
)
def test_an_interval_says_which_end_it_has_not(low: float | None, high: float | None, shown: str) -> None:
    assert interval(low, high) == shown


def test_every_word_of_the_plan_and_the_results_has_words_for_readers() -> None:
    assert set(GUARDS) == set(Guard)
    assert set(ACCOUNTS) == set(MISSING) == set(OutcomeSource)
    assert set(RESPONSES) == set(Response)
    assert set(SOURCES) == set(OutcomeSource)
    assert set(CONCLUSIONS) == set(Conclusion)
