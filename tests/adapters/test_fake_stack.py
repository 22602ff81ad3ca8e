"""Does the fake TradingService speak as the real one does, version by version?"""

import time
from collections.abc import Iterator

import pytest

from tests.fakes.stack.asking import ask, bearer, client, fresh
from tests.fakes.stack.running import Stack, running_stack
from tests.fakes.stack.terms import Terms
from tests.fakes.stack.tokens import mint

SECRET = Terms().jwt_secret
BROKERS = "/api/v1/brokers/orders"
PLACE = "/api/v1/trading/place-order"
ORDER = {"symbol": "BTC", "qty": 0.1, "side": "buy", "order_type": "market", "client_order_id": "rl-1"}
ORDER_V1M = {"symbol": "BTC", "side": "BUY", "quantity": 0.1}


@pytest.fixture(scope="module")
def v2() -> Iterator[Stack]:
    with running_stack(trading="v2") as stack:
        yield stack


@pytest.fixture(scope="module")
def minimal() -> Iterator[Stack]:
    with running_stack(trading="v1m", aggregator="v1") as stack:
        yield stack


@pytest.fixture(autouse=True)
def _fresh(v2: Stack, minimal: Stack) -> None:
    fresh(*v2.services.values(), *minimal.services.values())


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (None, "No authorization token provided"),
        ("Bearer nonsense", "Invalid token"),
        (f"Bearer {mint('another secret', userId='u1')}", "Invalid token"),
        (f"Bearer {mint(SECRET, userId='u1', exp=time.time() - 1)}", "Token has expired"),
    ],
)
def test_v2_refuses_an_order_without_a_valid_token(v2: Stack, token: str | None, text: str) -> None:
    headers = {"Authorization": token} if token else {}
    answer = client().post(v2.trading.url + BROKERS, json=ORDER, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"success": False, "error": text})
    assert not v2.trading.control.ledger().bookings


def test_v2_takes_the_user_from_user_id_then_sub_then_id_and_the_bare_token_too(v2: Stack) -> None:
    for token in (bearer("a"), mint(SECRET, sub="b", id="no"), mint(SECRET, id="c")):
        assert ask(v2.trading, "POST", BROKERS, ORDER, Authorization=token).status_code == 200
    assert [each.user for each in v2.trading.control.ledger().bookings] == ["a", "b", "c"]


def test_v2_takes_whoever_has_no_valid_token_for_demo_where_one_is_optional(v2: Stack) -> None:
    body = {"settings": {"watchlist": ["bitcoin"]}}
    ask(v2.trading, "POST", "/api/v1/trading/start", body, Authorization="Bearer nonsense")
    status = "/api/v1/trading/status"
    assert ask(v2.trading, "GET", status).json()["data"]["status"] == "active"
    assert ask(v2.trading, "GET", status, Authorization=bearer()).json()["data"] == {
        "active": False,
        "status": "stopped",
    }


def test_v2_names_every_wrong_field_of_an_order(v2: Stack) -> None:
    wrong = ORDER | {"symbol": "BTC/USD", "qty": -1, "side": "BUY", "client_order_id": "x" * 101}
    answer = ask(v2.trading, "POST", BROKERS, wrong, Authorization=bearer())
    assert answer.status_code == 400
    assert answer.json()["error"] == "Validation failed"
    assert [each["field"] for each in answer.json()["details"]] == ["symbol", "qty", "side", "client_order_id"]


def test_v2_lists_client_order_ids_only_when_told_to(v2: Stack) -> None:
    ask(v2.trading, "POST", BROKERS, ORDER, Authorization=bearer())
    (today,) = ask(v2.trading, "GET", BROKERS, Authorization=bearer()).json()["data"]["orders"]
    v2.trading.control.set(lists_client_ids=True)
    (mended,) = ask(v2.trading, "GET", BROKERS, Authorization=bearer()).json()["data"]["orders"]
    assert "client_order_id" not in today
    assert mended["client_order_id"] == "rl-1"
    assert (mended["status"], mended["filled_qty"]) == ("filled", 0.1)


def test_v2_counts_orders_and_all_requests_and_says_when_to_come_back(v2: Stack) -> None:
    codes = [ask(v2.trading, "POST", BROKERS, ORDER, Authorization=bearer()).status_code for _ in range(11)]
    assert codes == [200] * 10 + [429]
    v2.trading.control.set(limits={"all": [1, 900]})
    ask(v2.trading, "GET", "/api/v1/trading/status")
    limited = ask(v2.trading, "GET", "/api/v1/trading/status")
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) == limited.json()["retryAfter"] == 900
    assert limited.json()["success"] is False
    assert ask(v2.trading, "GET", "/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("POST", "/api/v1/trading/orders", 501, None),
        ("DELETE", "/api/v1/trading/orders/1", 501, None),
        ("POST", "/api/v1/trading/start", 400, "Watchlist is required"),
        ("POST", "/api/v1/trading/pause", 500, "No session found for user demo"),
        ("GET", "/api/v1/trading/signals", 500, "this.stateManager.getRecentData is not a function"),
        ("GET", "/api/trading/status", 404, "Endpoint not found"),
    ],
)
def test_v2_words_errors_as_strings(v2: Stack, method: str, path: str, status: int, error: str | None) -> None:
    answer = ask(v2.trading, method, path, {} if method == "POST" else None)
    assert answer.status_code == status
    assert answer.json()["success"] is False
    assert error is None or answer.json()["error"] == error


def test_v2_as_committed_has_no_route_at_all(v2: Stack) -> None:
    v2.trading.control.set(mounted=False)
    answer = ask(v2.trading, "GET", "/health")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<pre>Cannot GET /health</pre>" in answer.text


def test_v1m_says_inside_a_success_that_binance_refused(minimal: Stack) -> None:
    refused = ask(minimal.trading, "POST", PLACE, ORDER_V1M | {"symbol": "NOPE"}).json()
    assert refused["success"] is True
    assert refused["data"] == {"success": False, "error": "Invalid symbol.", "code": -1121}
    placed = ask(minimal.trading, "POST", PLACE, ORDER_V1M).json()
    assert (placed["data"]["status"], placed["data"]["executedQuantity"]) == ("FILLED", "0.10000000")
    assert placed["session"] == {"totalTrades": 1, "currentPositions": 1}


def test_v1m_lists_orders_in_btcusdt_only(minimal: Stack) -> None:
    for symbol in ("BTC", "ETH"):
        ask(minimal.trading, "POST", PLACE, ORDER_V1M | {"symbol": symbol})
    rows = ask(minimal.trading, "GET", "/api/v1/trading/orders").json()["data"]
    assert [row["symbol"] for row in rows] == ["BTCUSDT"]


def test_v1m_refuses_with_a_message_and_its_emergency_stop_stays(minimal: Stack) -> None:
    start = "/api/v1/trading/start"
    assert ask(minimal.trading, "POST", start).json()["session"]["isActive"] is True
    again = ask(minimal.trading, "POST", start)
    assert (again.status_code, again.json().keys()) == (200, {"success", "message"})
    assert ask(minimal.trading, "POST", "/api/v1/trading/emergency-stop").json()["emergency"] is True
    assert ask(minimal.trading, "POST", start).json()["success"] is False
    assert ask(minimal.trading, "POST", PLACE, ORDER_V1M).status_code == 400
    assert ask(minimal.trading, "GET", "/api/v1/trading/session").json()["data"]["emergencyStop"] is True


def test_v1m_refuses_orders_without_a_session_where_it_needs_one(minimal: Stack) -> None:
    minimal.trading.control.set(needs_session=True)
    assert ask(minimal.trading, "POST", PLACE, ORDER_V1M).status_code == 400
    ask(minimal.trading, "POST", "/api/v1/trading/start")
    assert ask(minimal.trading, "POST", PLACE, ORDER_V1M).status_code == 200


def test_v1_takes_orders_and_places_none(minimal: Stack) -> None:
    v1 = minimal.aggregator
    placed = ask(v1, "POST", "/api/v1/trading/orders", {"symbol": "BTC", "side": "buy", "quantity": 1})
    assert placed.json()["data"]["status"] == "pending"
    assert ask(v1, "GET", "/api/v1/trading/orders").json()["data"] == []
    assert not v1.control.ledger().bookings
    assert ask(v1, "GET", "/nowhere").json()["error"]["code"] == "NOT_FOUND"
