"""The pages: parameters read strictly, answers and errors in the shapes of the wire, places given back."""

import asyncio

import pytest

from routes.pages import PAGES, SHOWN_S, Page
from routes.queries import ORDER_NAME
from routes.shares import RouteClass
from tests.fakes.asgi import Reply, ask
from tests.fakes.house import House, code_of
from tests.fakes.pages import KNOWN
from trading.agents import AgentState
from trading.orders import OrderState, WantedOrders, client_order_id, closing_id
from trading.vocabulary import Arm, Wanted

NOT_PLACED = {"outcome": "not_placed", "by": "anna"}
# What a page needs to be told before it answers.
SAID = {"/api/v1/orders/{order_id}/resolve": NOT_PLACED}


@pytest.fixture
def house() -> House:
    return House()


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


def test_the_query_of_orders_is_read_as_what_it_means(house: House) -> None:
    house.ask(f"/orders?user_id=anna&symbol=BTC&state=unknown&before=rl-{KNOWN}&limit=2")
    wanted = WantedOrders(user_id="anna", symbol="BTC", state=OrderState.UNKNOWN)
    assert house.reads.asked == [(wanted, f"rl-{KNOWN}", 2)]


def test_an_order_that_a_stop_made_is_asked_for_by_its_name_too(house: House) -> None:
    name = client_order_id(closing_id("anna", "BTC", 7))
    house.ask(f"/orders?before={name}&limit=2")
    assert house.reads.asked == [(WantedOrders(), name, 2)]
    assert ORDER_NAME.fullmatch(name)


def test_what_a_person_found_out_of_an_order_is_passed_on(house: House) -> None:
    assert house.ask(f"/orders/{KNOWN}/resolve", "POST", NOT_PLACED).json()["state"] == "not_placed"
    ((said,),) = house.reads.asked  # type: ignore[misc]
    assert (said.outcome, said.by, said.filled_quantity) == ("not_placed", "anna", None)


@pytest.mark.parametrize(
    "said",
    [
        {"outcome": "not_placed"},
        {"outcome": "open", "by": "anna"},
        {"outcome": "filled", "by": "anna"},
        {"outcome": "not_placed", "by": "anna", "price": "1"},
    ],
)
def test_what_says_nothing_of_an_order_is_refused(house: House, said: dict[str, str]) -> None:
    assert code_of(house.ask(f"/orders/{KNOWN}/resolve", "POST", said)) == "invalid_field"
    assert house.reads.asked == []


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
        ("/orders?state=gone", "state"),
        ("/orders?before=7", "before"),
        ("/orders?limit=201", "limit"),
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
        ("/orders/x", "GET", "no_order"),
        (f"/orders/rl-{'f' * 31}", "GET", "no_order"),
        (f"/orders/{'f' * 32}", "GET", "no_order"),
        ("/agents/berta/positions", "GET", "no_agent"),
        ("/agents/berta/session", "GET", "no_trading_service"),
        ("/agents/%20/session", "GET", "no_agent"),
        ("/orders/x/resolve", "GET", "method_not_allowed"),
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
    kind, shares = page.kind, house.room.places.shares
    url, said = page.path.replace("/api/v1", ""), SAID.get(page.path)
    for name, value in (("{request_id}", KNOWN), ("{order_id}", KNOWN), ("{user_id}", "anna")):
        url = url.replace(name, value)
    for _ in range(3):
        assert house.ask(url, page.method, said).status == 200
    assert shares.busy == 0
    while shares.take(kind):
        pass
    reply = house.ask(url, page.method, said)
    assert code_of(reply) == "too_many_requests"
    assert int(reply.headers["retry-after"]) >= 1


def test_health_finds_a_place_however_full_the_house_is(house: House) -> None:
    for kind in RouteClass:
        while house.room.places.shares.take(kind):
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
