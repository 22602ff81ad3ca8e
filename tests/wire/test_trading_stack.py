"""From a prediction to a profit through each TradingService, and a service that starts before its neighbours."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.live_stack import (
    BUYER,
    all_orders,
    asking,
    order_of,
    ready_to_trade,
    serving,
    soon,
    start_agent,
)
from tests.fakes.served import Served
from tests.fakes.stack.faults import FaultKind
from tests.fakes.stack.running import Stack, running_stack
from tests.fakes.trading_crowd import audit

# This version takes 10 orders a minute and 60 in 15 minutes: every test here counts.
V2_ORDERS = "POST /api/v1/brokers/orders"
# An order that is lost is found within so many seconds of the venue's answering again.
FOUND_WITHIN_S = 30.0
# What the TradingEngine sends, and how long it waits.
ENGINE_STATE = {"price": 60_000.0, "volume": 1e9, "volatility": 0.02, "regime": "trending"}
ENGINE_WAITS_S = 2.0


@contextmanager
def trading(folder: Path, version: str) -> Iterator[tuple[Served, Stack]]:
    """The service, started while its TradingService was down; its active model always wants to buy."""
    with running_stack(trading=version, aggregator="v1m", threshold=True) as stack:
        stack.trading.control.set(lists_client_ids=True)
        stack.trading.control.down()
        with serving(folder, stack, RL_MODEL=BUYER, TRADING_LISTS_CLIENT_IDS="true") as service:
            yield service, stack


@pytest.fixture(scope="module")
def v1m(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Stack]]:
    with trading(tmp_path_factory.mktemp("v1m"), "v1m") as running:
        yield running


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Stack]]:
    with trading(tmp_path_factory.mktemp("v2"), "v2") as running:
        yield running


def predict(service: Served, user: str, symbol: str = "BTC") -> dict[str, Any]:
    answer = service.post("/api/v1/predict", asking(user, symbol))
    assert answer.status == 200, answer.body
    return dict(answer.json())


def order(service: Served, user: str, symbol: str = "BTC") -> dict[str, Any]:
    """The next order of a user, once it has ended."""
    made: list[dict[str, Any]] = []

    def ordered() -> bool:
        # A worker that has just begun, or has not read of the last fill, refuses: then it is asked again.
        made.append(predict(service, user, symbol))
        return made[-1]["execution"] is not None

    soon(ordered)
    soon(lambda: order_of(service, made[-1])["ended_at"] is not None)
    return order_of(service, made[-1])


def positions(service: Served, user: str) -> dict[str, Any]:
    return dict(service.get(f"/api/v1/agents/{user}/positions").json())


def test_a_service_that_starts_before_its_venue_predicts_and_orders_nothing(v1m: tuple[Served, Stack]) -> None:
    service, stack = v1m
    start_agent(service, "early", symbols=["BTC"])
    made: list[dict[str, Any]] = []

    def known() -> bool:
        made.append(predict(service, "early"))
        return made[-1]["agent"] is not None and made[-1]["data_as_of"] is not None

    soon(known)
    assert made[-1]["blocked_by"] == ["reconciling"]
    assert (made[-1]["should_trade"], made[-1]["execution"]) == (False, None)
    assert "reconciling" in str(service.get("/api/v1/health").json()["impaired"])

    stack.trading.control.up()

    soon(lambda: predict(service, "early")["execution"] is not None)
    soon(lambda: service.get("/api/v1/health").json()["impaired"] == [])


@pytest.mark.parametrize("version", ["v1m", "v2"])
def test_a_prediction_becomes_an_order_a_fill_a_position_and_a_profit(
    version: str, request: pytest.FixtureRequest
) -> None:
    service, stack = request.getfixturevalue(version)
    stack.trading.control.up()
    soon(lambda: ready_to_trade(service))
    stack.trading.control.set(prices={"SOL": "150"})
    # Of an agent that orders nothing, until every worker has its model and the features for it.
    start_agent(service, "early-bird", mode="off", symbols=["SOL"])
    soon(lambda: all(predict(service, "early-bird", "SOL")["experiment"]["served_arm"] == "rl" for _ in range(8)))
    start_agent(service, "anna", symbols=["SOL"])

    bought = order(service, "anna", "SOL")

    assert (bought["side"], bought["state"], bought["arm"]) == ("BUY", "filled", "rl")
    assert bought["filled_quantity"] == bought["quantity"]
    assert Decimal(bought["average_price"]) == 150
    assert [event["state"] for event in bought["events"]] == ["new", "sending", "filled"]
    (position,) = positions(service, "anna")["positions"]
    assert (position["symbol"], position["quantity"], position["opened_by"]) == ("SOL", bought["quantity"], "rl")

    stack.trading.control.set(prices={"SOL": "153"})
    sold = order(service, "anna", "SOL")

    assert (sold["side"], sold["state"], sold["quantity"]) == ("SELL", "filled", bought["quantity"])
    assert positions(service, "anna")["positions"] == []
    (profit,) = positions(service, "anna")["profits"]
    assert Decimal(profit["realized"]) == 3 * Decimal(bought["quantity"])
    # Neither version tells a fee.
    assert (bought["fee"], profit["fees"], profit["net"]) == (None, None, None)
    assert profit["fills"] == 2
    ledger = stack.trading.control.ledger()
    booked = [(each.symbol, each.side, each.filled) for each in ledger.bookings if each.symbol == "SOL"]
    quantity = Decimal(bought["quantity"])
    assert booked == [("SOL", "BUY", quantity), ("SOL", "SELL", quantity)]
    audit(all_orders(service), ledger)


@pytest.mark.parametrize("symbol", ["BTC", "BTCUSDT"])
def test_the_engine_is_told_in_its_own_words_while_every_neighbour_hangs(
    v1m: tuple[Served, Stack], symbol: str
) -> None:
    service, stack = v1m
    for neighbour in stack.services.values():
        neighbour.control.freeze(60.0)
    started_s = time.monotonic()
    answer = service.post("/api/signal", {"symbol": symbol, "state": ENGINE_STATE})
    took_s = time.monotonic() - started_s
    for neighbour in stack.services.values():
        neighbour.control.heal()

    assert answer.status == 200, answer.body
    told = answer.json()
    assert set(told) == {"action", "confidence", "reasoning", "state"}
    assert (told["action"], told["confidence"]) == ("BUY", 0.5)
    assert took_s < ENGINE_WAITS_S


def test_the_engine_asking_for_an_unknown_symbol_gets_our_error(v1m: tuple[Served, Stack]) -> None:
    answer = v1m[0].post("/api/signal", {"symbol": "NOPE", "state": ENGINE_STATE})
    assert (answer.status, answer.json()["error"]["code"]) == (404, "unknown_symbol")


def test_orders_whose_answers_are_lost_are_found_where_the_venue_lists_client_ids(v2: tuple[Served, Stack]) -> None:
    service, stack = v2
    stack.trading.control.up()
    soon(lambda: ready_to_trade(service))
    users = ("lost1", "lost2", "lost3")
    for user in users:
        start_agent(service, user, symbols=["ETH"])
    stack.trading.control.fault(FaultKind.ACCEPT_THEN_RESET, route=V2_ORDERS)
    made: dict[str, dict[str, Any]] = {}

    def ordered(user: str) -> bool:
        made[user] = predict(service, user, "ETH")
        return made[user]["execution"] is not None

    for user in users:
        soon(lambda user=user: ordered(user))
    soon(lambda: {order_of(service, each)["state"] for each in made.values()} == {"unknown"})
    stack.trading.control.heal()

    soon(lambda: {order_of(service, each)["state"] for each in made.values()} == {"filled"}, within_s=FOUND_WITHIN_S)

    ledger = stack.trading.control.ledger()
    assert {order_of(service, each)["client_order_id"] for each in made.values()} <= set(ledger.client_ids())
    audit(all_orders(service), ledger)


def test_a_live_agent_is_warned_of_the_session_that_trades_beside_it(v1m: tuple[Served, Stack]) -> None:
    service, stack = v1m
    stack.trading.control.up()
    soon(lambda: service.get("/api/v1/agents/anna/session").json()["version"] == "v1m")
    config = {"model_type": BUYER, "execution": "live", "capital_usd": 10_000.0, "symbols": ["BTC"]}

    def warned(user: str) -> list[str]:
        answer = service.post("/api/v1/agents/start", {"user_id": user, "config": config})
        return [warning["code"] for warning in answer.json()["warnings"]]

    # A worker that has only just begun does not know yet.
    soon(lambda: warned("alone") == [])
    with httpx2.Client(base_url=stack.trading.url, trust_env=False) as their_client:
        their_client.post("/api/v1/trading/start", json={}).raise_for_status()
        soon(lambda: warned("beside") == ["session_trades"])
        page = service.get("/api/v1/agents/beside/session").json()
        assert (page["session"]["active"], page["session"]["halted"]) == (True, False)
        assert page["problems"] == [{"part": "performance", "code": "not_offered"}]
        their_client.post("/api/v1/trading/stop").raise_for_status()
