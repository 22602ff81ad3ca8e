"""The tables: each figure in its row, and what is not known is said, never shown as a number."""

import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from ab.plan import OutcomeSource
from ab.report.markup import Markup
from ab.report.tables import (
    SHOWN_EVENTS,
    SHOWN_LOOKS,
    event_table,
    guard_table,
    look_table,
    money_table,
    serving_table,
    stage_table,
)
from ab.report.values import Serving
from ab.results import ArmMoney
from tests.fakes.reports import DRAFT, EVENTS, FINDINGS, PLAN, RUNNING, arm_money, look
from trading.vocabulary import Arm

UNKNOWN_MONEY = ArmMoney(
    arm=Arm.RL,
    users=3,
    users_traded=None,
    user_days=0,
    missing=7,
    net_bps=None,
    net_usd=None,
    fees_bps=None,
    fees_usd=None,
    drawdown_bps=None,
    worst_day_bps=None,
    tail_loss_bps=None,
    turnover=None,
    as_served=None,
)


def rows(table: Markup) -> dict[str, list[str]]:
    """The cells of each row, by its first."""
    body = next(ElementTree.fromstring(table).iter("tbody"))  # noqa: S314 our own text
    cells = [["".join(cell.itertext()) for cell in row] for row in body]
    return {first: others for first, *others in cells}


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf])
def test_money_that_is_not_known_is_never_a_number(unknown: float | None) -> None:
    names = ("net_bps", "net_usd", "fees_bps", "fees_usd", "drawdown_bps", "worst_day_bps", "tail_loss_bps", "turnover")
    money = {Arm.RL: replace(UNKNOWN_MONEY, **dict.fromkeys(names, unknown))}
    shown = rows(money_table(money, OutcomeSource.AS_IF))
    counted = {"Users": "3", "User-days with an outcome": "0", "User-days missing": "7"}
    for name, (policy, rule) in shown.items():
        assert policy == counted.get(name, "not known")
        assert rule == "not known"


def test_money_stands_under_its_arm_with_its_sign() -> None:
    shown = rows(money_table({arm: arm_money(arm) for arm in (Arm.RL, Arm.FALLBACK)}, OutcomeSource.AS_IF))
    assert shown["Users who traded"] == ["131", "149"]
    assert shown["Net profit a user-day, bps of capital"] == ["+2.4", "\N{MINUS SIGN}1.1"]
    assert shown["Net profit in all, USD"] == ["+4,560", "\N{MINUS SIGN}2,090"]


@pytest.mark.parametrize(
    ("source", "account"),
    [
        (OutcomeSource.AS_IF, "by the as-if account"),
        (OutcomeSource.REPORTED, "by what callers reported"),
        (OutcomeSource.LEDGER, "by the ledger"),
    ],
)
def test_money_and_guardrails_say_by_whose_account_and_of_whom_they_are(source: OutcomeSource, account: str) -> None:
    assert f"of the compared users, {account}</caption>" in money_table({}, source)
    guarded = (
        "of everybody whom the policy was to serve, compared or not; losses, turnover and fees by the as-if account"
    )
    assert f"{guarded}</caption>" in guard_table(FINDINGS.guards, PLAN.guardrails)


def test_serving_shows_failures_and_what_the_assigned_arm_answered() -> None:
    serving = {Arm.RL: Serving(decisions=10, latency_p50_ms=None, latency_p99_ms=7.0, fallback_rate=0.25)}
    shown = rows(serving_table(serving, {Arm.RL: arm_money(Arm.RL)}))
    assert shown["Latency since this deployment began, median, ms"] == ["not known", "not known"]
    assert shown["Latency since this deployment began, 99th percentile, ms"] == ["7.0", "not known"]
    assert shown["Fallback rate (failures only)"] == ["25 %", "not known"]
    assert shown["Answered by the assigned arm"] == ["98.7 %", "not known"]


def test_a_look_without_a_statistic_shows_no_numbers_for_it() -> None:
    unknown = dict.fromkeys(("effect_bps", "p_value", "level", "p_value_days", "level_days", "smallest_p"))
    empty = replace(look(1), days=0, **unknown)  # type: ignore[arg-type]
    assert rows(look_table([empty]))["1"][2:] == ["0"] + ["not known"] * 8 + ["no"]


def test_a_look_shows_its_test_and_an_end_that_does_not_exist() -> None:
    one = replace(look(12), low_bps=None, high_bps=9.96, p_value=0.00001, p_value_days=0.0021, significant=True)
    shown = rows(look_table([one]))["12"]
    assert shown[2] == "12"
    assert shown[4:] == ["no end", "+10.0", "< 0.0001", "0.0032", "0.0021", "0.0026", "0.0001", "yes"]


def test_of_many_looks_the_last_are_shown_with_how_many_there_are() -> None:
    table = look_table([look(number) for number in range(1, 1_001)])
    assert list(rows(table)) == [str(number) for number in range(1_001 - SHOWN_LOOKS, 1_001)]
    assert "100 of 1,000" in table


def test_guardrails_are_broken_within_not_judged_or_cannot_be_told() -> None:
    shown = rows(guard_table(FINDINGS.guards, PLAN.guardrails))
    assert [cells[-1] for cells in shown.values()] == [
        "within its limit",
        "broken",
        "not judged yet",
        "within its limit",
        "cannot be told",
    ]
    assert shown["Share of failed decisions"][:4] == ["%", "0.42", "2", "pauses"]


def test_a_guardrail_that_was_not_read_cannot_be_told() -> None:
    shown = rows(guard_table((), PLAN.guardrails))
    assert {(cells[1], cells[-1]) for cells in shown.values()} == {("cannot be told", "cannot be told")}


def test_the_stage_in_force_is_marked_once_the_experiment_runs() -> None:
    assert list(rows(stage_table(PLAN, RUNNING.state))) == ["1", "2", "3 (now)"]
    assert list(rows(stage_table(PLAN, DRAFT))) == ["1", "2", "3"]


def test_events_come_newest_first_with_who_and_why_and_without_users() -> None:
    table = event_table(EVENTS)
    shown = rows(table)
    assert list(shown) == ["6", "5", "4", "3", "2", "1"]
    assert shown["4"][3:] == ["bob", "", "losses look bounded"]
    assert shown["6"][4] == "one user: fallback"
    assert shown["1"][5] == "none given"
    assert "user123" not in table


def test_a_long_log_shows_its_last_events_and_says_how_many_there_are() -> None:
    log = [replace(EVENTS[1], number=number) for number in range(1, 251)]
    table = event_table(log)
    assert list(rows(table)) == [str(number) for number in range(250, 250 - SHOWN_EVENTS, -1)]
    assert "(100 of 250)" in table


def test_what_configure_changed_is_said() -> None:
    log = [replace(EVENTS[1], number=2, enabled=False, share=0.25), replace(EVENTS[5], number=3, arm=None)]
    shown = rows(event_table(log))
    assert shown["2"][4] == "disabled, share 25 %"
    assert shown["3"][4] == "one user: by the hash"
