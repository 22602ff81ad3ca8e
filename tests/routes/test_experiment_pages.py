"""The routes of experiments: what they take, what they refuse and in which words."""

from datetime import date

import pytest

from routes.experiment_pages import COMMANDS, EXPERIMENT_PAGES, ExperimentPages
from routes.page import Page
from schemas.experiments import AcceptMissingRequest, CreateRequest, OverrideRequest, VersionedRequest
from tests.fakes.house import House, code_of

PLAN = {"key": "ramp-2", "stages": [{"share": 0.1}, {"share": 0.5, "approval": True}]}
BASED = {"version": 3}
# What a page needs to be told before it answers.
SAID = {
    "/experiments": PLAN,
    "/experiments/{key}/override": {**BASED, "user_id": "anna", "arm": "rl"},
    "/experiments/{key}/accept-missing": {**BASED, "through": "2026-01-31", "reason": "the feed was down"},
}


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("url", ["/ab-test/status", "/experiments/ramp", "/experiments/ramp/events?after=2&limit=7"])
def test_an_experiment_is_shown(house: House, url: str) -> None:
    assert house.ask(url).json()["key"] == "ramp"


def test_experiments_are_read_page_by_page(house: House) -> None:
    for url in ("/experiments", "/experiments?after=ramp&limit=7"):
        assert [each["key"] for each in house.ask(url).json()["experiments"]] == ["ramp"]
    assert house.reads.asked == [("", 50), ("ramp", 7)]


def test_a_plan_becomes_a_draft(house: House) -> None:
    reply = house.ask("/experiments", "POST", PLAN)
    assert (reply.status, reply.json()) == (201, {"key": "ramp-2"})
    (said,) = house.reads.asked
    assert isinstance(said, CreateRequest)
    assert [stage.share for stage in said.stages] == [0.1, 0.5]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_given_with_the_version_it_is_based_on(house: House, command: str) -> None:
    assert house.ask(f"/experiments/ramp/{command}", "POST", {**BASED, "reason": "because"}).status == 200
    assert house.reads.asked == [(command, VersionedRequest(version=3, reason="because"))]


def test_blanks_around_a_reason_are_no_part_of_it(house: House) -> None:
    assert house.ask("/experiments/ramp/pause", "POST", {**BASED, "reason": "  the feed was down "}).status == 200
    assert house.reads.asked == [("pause", VersionedRequest(version=3, reason="the feed was down"))]


def test_an_override_names_the_user_and_the_arm(house: House) -> None:
    assert house.ask("/experiments/ramp/override", "POST", {**BASED, "user_id": "anna", "arm": None}).status == 200
    assert house.reads.asked == [OverrideRequest(version=3, user_id="anna", arm=None)]


def test_days_are_accepted_as_missing_up_to_one_and_for_a_reason(house: House) -> None:
    said = {**BASED, "through": "2026-01-31", "reason": "the feed was down"}
    assert house.ask("/experiments/ramp/accept-missing", "POST", said).status == 200
    expected = AcceptMissingRequest(version=3, through=date(2026, 1, 31), reason="the feed was down")
    assert house.reads.asked == [expected]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *(({"through": day}, "through") for day in (20484, "20484", "2026-02-30", "2026-1-31", "", None, True)),
        ({"through": "2026-01-31T00:00:00Z"}, "through"),
        ({"reason": ""}, "reason"),
        ({"reason": " \u3000"}, "reason"),
        ({"reason": None}, "reason"),
        ({"version": None}, "version"),
        ({"user_id": "anna"}, "user_id"),
    ],
)
def test_what_no_days_can_be_accepted_by_is_a_422_that_names_the_field(
    house: House, change: dict[str, object], field: str
) -> None:
    said = {**BASED, "through": "2026-01-31", "reason": "the feed was down"} | change
    reply = house.ask("/experiments/ramp/accept-missing", "POST", said)
    assert code_of(reply) == "invalid_field"
    assert reply.json()["error"]["details"][0]["field"] == field
    assert house.reads.asked == []


def test_a_command_on_an_old_version_is_told_the_one_it_is_now(house: House) -> None:
    reply = house.ask("/experiments/ramp/pause", "POST", {"version": 2})
    assert code_of(reply) == "stale_version"
    assert reply.status == 409
    assert reply.json()["error"]["details"] == [{"field": "version", "problem": "it is 3 now"}]


@pytest.mark.parametrize(
    ("url", "method", "code"),
    [
        ("/experiments/none", "GET", "no_experiment"),
        ("/experiments/none/pause", "POST", "no_experiment"),
        ("/experiments/No%20Key/pause", "POST", "no_experiment"),
        ("/experiments/ramp/explode", "POST", "not_found"),
        ("/experiments/ramp/create", "POST", "not_found"),
        ("/experiments/ramp/assignment/a%20b", "GET", "invalid_field"),
        ("/experiments/ramp/events?after=-1", "GET", "invalid_field"),
        ("/experiments?after=No%20Key", "GET", "invalid_field"),
        ("/experiments?limit=1000", "GET", "invalid_field"),
        ("/experiments/ramp", "DELETE", "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_said_in_the_words_of_the_wire(house: House, url: str, method: str, code: str) -> None:
    assert code_of(house.ask(url, method, BASED if method == "POST" else None)) == code


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "version"),
        ({"version": "3"}, "version"),
        ({"version": True}, "version"),
        ({"version": -1}, "version"),
        ({"version": 3, "reason": "a\nb"}, "reason"),
        ({"version": 3, "reason": "   "}, "reason"),
        ({"version": 3, "force": True}, "force"),
    ],
)
def test_a_bad_command_is_a_422_that_names_the_field(house: House, said: object, field: str) -> None:
    reply = house.ask("/experiments/ramp/pause", "POST", said)
    assert code_of(reply) == "invalid_field"
    assert reply.json()["error"]["details"][0]["field"] == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"stages": []}, "stages"),
        ({"stages": [{"share": 1.5}]}, "stages.0.share"),
        ({"key": "Ramp 2"}, "key"),
        ({"salt": "a#b"}, "salt"),
        ({"holdout_share": float("nan")}, "holdout_share"),
        ({"analysis": {"alpha": float("inf")}}, "analysis.alpha"),
        ({"analysis": {"source": "guess"}}, "analysis.source"),
        ({"guardrails": [{"guard": "daily_loss_bps", "limit": 100, "response": "pray"}]}, "guardrails.0.response"),
    ],
)
def test_a_bad_plan_is_a_4xx_that_names_the_field(house: House, change: dict[str, object], field: str) -> None:
    reply = house.ask("/experiments", "POST", PLAN | change)
    assert code_of(reply) in ("invalid_field", "malformed_json")
    if code_of(reply) == "invalid_field":
        assert reply.json()["error"]["details"][0]["field"] == field
    assert house.reads.asked == []


@pytest.mark.parametrize("page", EXPERIMENT_PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_a_page_of_a_full_class_is_a_429_and_gives_every_place_back(house: House, page: Page[ExperimentPages]) -> None:
    kind, shares, path = page.kind, house.room.places.shares, page.path.removeprefix("/api/v1")
    assert kind is not None
    said = SAID.get(path, BASED) if page.method == "POST" else None
    url = path.format(key="ramp", user_id="anna", command="pause")
    assert house.ask(url, page.method, said).status in (200, 201)
    assert shares.busy == 0
    while shares.take(kind):
        pass
    assert code_of(house.ask(url, page.method, said)) == "too_many_requests"
