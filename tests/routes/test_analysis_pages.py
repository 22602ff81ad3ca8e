"""The routes of findings: what they show, what they refuse, and that the page may load and run nothing."""

import pytest

from tests.fakes.house import House, code_of
from trading.errors import AnalysisFailed, InvalidField, TooManyWait

POWER = "/experiments/ramp/power?effect_bps=-5.5&deviation_bps=100&users_per_arm=50"


@pytest.fixture
def house() -> House:
    return House()


def test_findings_are_null_until_they_are_made(house: House) -> None:
    assert house.ask("/experiments/ramp/results").json() == {"key": "ramp", "findings": None}


def test_the_page_is_html_that_may_load_and_run_nothing(house: House) -> None:
    reply = house.ask("/experiments/ramp/report")
    assert reply.body == b"<!DOCTYPE html><title>ramp</title>"
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "script-src" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert len(reply.headers["x-request-id"]) == 32


def test_power_is_asked_with_what_is_expected(house: House) -> None:
    assert house.ask(POWER).json() == {"planned": 0.8}
    assert house.ask(f"{POWER}&tails=normal").json() == {"planned": 0.8}
    assert house.reads.asked == [(-5.5, 100.0, 50, "t3"), (-5.5, 100.0, 50, "normal")]


def test_the_check_of_the_test_is_shown(house: House) -> None:
    assert house.ask("/experiments/ramp/aa").json() == {"passed": True}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("effect_bps=5&deviation_bps=inf&users_per_arm=50", "deviation_bps"),
        ("effect_bps=nan&deviation_bps=10&users_per_arm=50", "effect_bps"),
        ("effect_bps=5&deviation_bps=10&users_per_arm=2.5", "users_per_arm"),
        ("effect_bps=5&deviation_bps=10&users_per_arm=50&tails=fat", "tails"),
        ("effect_bps=5&deviation_bps=10", "users_per_arm"),
    ],
)
def test_what_cannot_be_expected_is_refused(house: House, query: str, field: str) -> None:
    reply = house.ask(f"/experiments/ramp/power?{query}")
    assert code_of(reply) == "invalid_field"
    assert [detail["field"] for detail in reply.json()["error"]["details"]] == [field]


def test_what_is_outside_its_range_is_refused_in_the_words_of_the_rule(house: House) -> None:
    house.reads.fails = InvalidField("users_per_arm", "must be in 2..10000000")
    reply = house.ask(POWER)
    assert (reply.status, code_of(reply)) == (422, "invalid_field")
    assert reply.json()["error"]["details"] == [{"field": "users_per_arm", "problem": "must be in 2..10000000"}]


@pytest.mark.parametrize("page", ["results", "report", "aa"])
@pytest.mark.parametrize("key", ["none", "No%20Key"])
def test_an_experiment_that_is_not_there_is_said_to_be_none(house: House, page: str, key: str) -> None:
    assert code_of(house.ask(f"/experiments/{key}/{page}")) == "no_experiment"


@pytest.mark.parametrize(
    ("fails", "status", "code"),
    [(AnalysisFailed("no"), 503, "analysis_failed"), (TooManyWait("one runs"), 429, "too_many_requests")],
)
def test_who_comes_at_a_bad_time_is_told_when_to_come_back(
    house: House, fails: Exception, status: int, code: str
) -> None:
    house.reads.fails = fails
    reply = house.ask("/experiments/ramp/report")
    assert (reply.status, code_of(reply)) == (status, code)
    assert reply.headers["retry-after"] == "1"
