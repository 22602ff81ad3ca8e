"""The routes that compare models: how far back is asked, and what is refused."""

import pytest

from tests.fakes.house import House, code_of
from trading.errors import AnalysisFailed, TooManyWait

PAGES = ("performance", "comparison")


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("page", PAGES)
def test_the_last_thirty_days_are_shown_unless_others_are_asked_for(house: House, page: str) -> None:
    assert house.ask(f"/models/{page}").json() == {page: 30}
    assert house.ask(f"/models/{page}?days=7").json() == {page: 7}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("days", ["0", "-1", "1.5", "nan", "4000", "", "x"])
def test_days_that_are_none_are_refused(house: House, page: str, days: str) -> None:
    reply = house.ask(f"/models/{page}?days={days}")
    assert (code_of(reply), reply.json()["error"]["details"][0]["field"]) == ("invalid_field", "days")
    assert house.reads.asked == []


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("fails", "status", "code"),
    [(AnalysisFailed("no"), 503, "analysis_failed"), (TooManyWait("one runs"), 429, "too_many_requests")],
)
def test_who_comes_at_a_bad_time_is_told_when_to_come_back(
    house: House, page: str, fails: Exception, status: int, code: str
) -> None:
    house.reads.fails = fails
    reply = house.ask(f"/models/{page}")
    assert (reply.status, code_of(reply)) == (status, code)
    assert reply.headers["retry-after"] == "1"
