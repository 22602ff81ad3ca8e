"""The pages: parameters read strictly, answers and errors in the shapes of the wire, places given back."""

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from routes.door import Door
from routes.errors import ERRORS
from routes.pages import PAGES, SHOWN_S, Page, build_pages
from routes.room import Room
from routes.shares import RouteClass
from tests.fakes.asgi import FakeApp, Reply, ask
from tests.fakes.pages import KNOWN, FakeReads
from trading.agents import AgentState
from trading.vocabulary import Arm, Wanted


class FakeObserver:
    """Takes a moment for its exposition, as many files do."""

    def __init__(self) -> None:
        self.exposed = 0

    def rejected(self, code: str) -> None:
        assert code in ERRORS

    def exposition(self) -> bytes:
        self.exposed += 1
        time.sleep(0.05)
        return f"metric {self.exposed}\n".encode()


@dataclass
class House:
    reads: FakeReads = field(default_factory=FakeReads)
    room: Room = field(default_factory=lambda: Room(max_concurrent=5))
    observer: FakeObserver = field(default_factory=FakeObserver)

    def __post_init__(self) -> None:
        self.room.open(
            endpoints={},
            reports={},
            not_ready=list,
            observer=self.observer,
            pages=build_pages(self.room, self.reads),
        )
        self._door = Door(FakeApp(), self.room, ours=frozenset(), passed_on=frozenset())

    def ask(self, url: str, method: str = "GET") -> Reply:
        parts = urlsplit(f"/api/v1{url}")
        return asyncio.run(ask(self._door, parts.path, method=method, headers=(), query=parts.query))


@pytest.fixture
def house() -> House:
    return House()


def code_of(reply: Reply) -> str:
    error = reply.json()["error"]
    assert (reply.status, error["message"]) == ERRORS[error["code"]]
    assert error["request_id"] == reply.headers["x-request-id"]
    return str(error["code"])


@pytest.mark.parametrize(("final", "status"), [(True, 200), (False, 202)])
def test_a_result_is_200_once_it_is_final(house: House, final: bool, status: int) -> None:
    house.reads.final = final
    assert house.ask(f"/predict/{KNOWN}/result?timeout=2.5").status == status
    assert house.reads.asked == [(2.5,)]


def test_a_cancelled_prediction_is_answered_with_what_it_is_now(house: House) -> None:
    assert house.ask(f"/predict/{KNOWN}", "DELETE").json() == {"status": "CANCELLED"}


@pytest.mark.parametrize("url", ["/agents/anna/status", "/agents/status/anna"])
def test_an_agent_is_found_under_both_of_its_paths(house: House, url: str) -> None:
    assert house.ask(url).json() == {"user_id": "anna"}


def test_the_query_of_agents_is_read_as_what_it_means(house: House) -> None:
    house.ask("/agents?state=paused&after=anna&limit=7")
    assert house.reads.asked == [(AgentState.PAUSED, "anna", 7)]


def test_the_query_of_decisions_is_read_as_what_it_means(house: House) -> None:
    house.ask(
        "/decisions?user_id=anna&symbol=BTC&arm=rl&since=2026-01-01T00:00:00Z&until=2026-01-01T02:00:00%2B01:00&before=9&limit=2"
    )
    wanted = Wanted(user_id="anna", symbol="BTC", arm=Arm.RL, since_s=1767225600.0, until_s=1767229200.0)
    assert house.reads.asked == [(wanted, 9, 2)]


def test_a_plus_in_a_time_is_the_sign_of_its_offset(house: House) -> None:
    house.ask("/decisions?since=2026-01-01T01:00:00+01:00")
    assert house.reads.asked[0][0].since_s == 1767225600.0  # type: ignore[index]


@pytest.mark.parametrize(
    ("url", "field"),
    [
        (f"/predict/{KNOWN}/result?timeout=-1", "timeout"),
        (f"/predict/{KNOWN}/result?timeout=30.1", "timeout"),
        (f"/predict/{KNOWN}/result?timeout=nan", "timeout"),
        (f"/predict/{KNOWN}/result?timeout=", "timeout"),
        (f"/predict/{KNOWN}/result?timeout=1&timeout=2", "timeout"),
        ("/agents?state=gone", "state"),
        ("/agents?limit=0", "limit"),
        ("/agents?limit=201", "limit"),
        ("/agents?after=%00", "after"),
        ("/decisions?since=yesterday", "since"),
        ("/decisions?before=0", "before"),
        ("/decisions?arm=left", "arm"),
        ("/decisions?symbol=%00", "symbol"),
        ("/health?verbose=1", "verbose"),
        ("/health?%0aevil=1", "(unprintable)"),
    ],
)
def test_a_bad_parameter_is_named(house: House, url: str, field: str) -> None:
    reply = house.ask(url)
    assert code_of(reply) == "invalid_field"
    assert reply.json()["error"]["details"][0]["field"] == field
    assert house.reads.asked == []


@pytest.mark.parametrize(
    ("url", "method", "code"),
    [
        ("/predict/x/result", "GET", "no_prediction"),
        ("/predict/x", "DELETE", "no_prediction"),
        ("/agents/berta/status", "GET", "no_agent"),
        ("/decisions/x", "GET", "no_decision"),
        (f"/decisions/{'f' * 32}", "GET", "no_decision"),
        (f"/predict/{'f' * 32}/result", "GET", "no_prediction"),
        (f"/predict/{'F' * 32}", "DELETE", "no_prediction"),
        ("/decisions/x/y", "GET", "not_found"),
        ("/decisions", "POST", "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_said_in_the_words_of_the_wire(house: House, url: str, method: str, code: str) -> None:
    assert code_of(house.ask(url, method)) == code


def test_a_store_that_is_away_is_a_503_to_be_tried_again(house: House) -> None:
    house.reads.away = True
    reply = house.ask("/decisions")
    assert code_of(reply) == "store_unavailable"
    assert int(reply.headers["retry-after"]) >= 1


@pytest.mark.parametrize("page", [page for page in PAGES if page.kind is not None], ids=lambda page: page.path)
def test_a_page_of_a_full_class_is_a_429_and_gives_every_place_back(house: House, page: Page) -> None:
    kind, shares = page.kind, house.room.shares
    url = page.path.replace("/api/v1", "").replace("{request_id}", KNOWN).replace("{user_id}", "anna")
    for _ in range(3):
        assert house.ask(url, page.method).status == 200
    assert shares.busy == 0
    while shares.take(kind):
        pass
    reply = house.ask(url, page.method)
    assert code_of(reply) == "too_many_requests"
    assert int(reply.headers["retry-after"]) >= 1


def test_health_finds_a_place_however_full_the_house_is(house: House) -> None:
    for kind in RouteClass:
        while house.room.shares.take(kind):
            pass
    assert house.ask("/health").status == 200


def test_a_crowd_that_asks_for_metrics_is_shown_one_exposition_and_who_comes_later_another(house: House) -> None:
    async def show() -> Reply:
        return await ask(house._door, "/metrics", method="GET", headers=())

    async def check() -> None:
        shown = await asyncio.gather(*(show() for _ in range(500)))
        assert {reply.body for reply in shown} == {b"metric 1\n"}
        await asyncio.sleep(SHOWN_S + 0.05)
        assert (await show()).body == b"metric 2\n"

    asyncio.run(check())


def test_who_leaves_while_metrics_are_made_takes_them_from_nobody(house: House) -> None:
    async def check() -> None:
        first, second = (asyncio.create_task(ask(house._door, "/metrics", method="GET", headers=())) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        assert (await second).body == b"metric 1\n"

    asyncio.run(check())
