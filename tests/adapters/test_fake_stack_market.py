"""Do the fake DataAggregator and AdaptiveThreshold speak as the real ones do?"""

import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.fakes.stack.asking import ask, client, fresh
from tests.fakes.stack.running import Stack, running_stack

SIGNAL = {"symbol": "BTC", "confidence": 0.9, "rsi": 60, "change_percent": 3, "volume": 2e9, "action": "BUY"}


@pytest.fixture(scope="module")
def minimal() -> Iterator[Stack]:
    with running_stack(trading="v1m", aggregator="v1") as stack:
        yield stack


@pytest.fixture(scope="module")
def ml() -> Iterator[Stack]:
    with running_stack(threshold=True) as stack:
        yield stack


@pytest.fixture(autouse=True)
def _fresh(ml: Stack, minimal: Stack) -> None:
    fresh(*ml.services.values(), *minimal.services.values())


def test_v1m_makes_prices_up_when_no_market_answers(minimal: Stack) -> None:
    minimal.trading.control.set(binance_up=False)
    prices = ask(minimal.trading, "GET", "/api/v1/market/prices?symbols=BTC,ETH,SOL").json()
    assert prices["success"] is True
    assert [(row["price"], row["source"]) for row in prices["data"]] == [
        (43250, "fallback"),
        (2750, "fallback"),
        (95, "fallback"),
    ]
    klines = ask(minimal.trading, "GET", "/api/v1/binance/klines?symbol=BTC")
    assert (klines.status_code, klines.json()["error"]["code"]) == (500, "BINANCE_KLINES_ERROR")


def test_v1_passes_binance_on_as_it_is_and_its_empty_prices_claim_sources(minimal: Stack) -> None:
    klines = "/api/v1/proxy/binance/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=3"
    rows = ask(minimal.aggregator, "GET", klines).json()
    assert [row[0] - rows[0][0] for row in rows] == [0, 60_000, 120_000]
    assert [len(row) for row in rows] == [12] * 3
    minimal.aggregator.control.set(binance_up=False)
    prices = ask(minimal.aggregator, "GET", "/api/v1/market/prices?symbols=BTC").json()
    assert (prices["data"], prices["sources"]["binance"]) == ([], "available")
    assert ask(minimal.aggregator, "GET", klines).json()["error"]["code"] == "PROXY_ERROR"


def test_bars_close_as_fast_as_the_clock_runs_and_stay_as_they_are(minimal: Stack) -> None:
    path = "/api/v1/binance/klines?symbol=BTC&interval=1m&limit=20"
    minimal.trading.control.set(clock_s=1_700_000_030.0, speed=6000.0)
    before = ask(minimal.trading, "GET", path).json()["data"]
    time.sleep(0.02)
    after = ask(minimal.trading, "GET", path).json()["data"]
    assert after[-1][0] > before[-1][0]
    known = {row[0]: row for row in before[:-1]}
    assert all(known.get(row[0], row) == row for row in after[:-1])


@pytest.mark.parametrize(
    ("content", "kind", "status", "error"),
    [
        ("{}", "application/json", 400, "Request body required"),
        ("{}", "text/plain", 500, "415 Unsupported Media Type"),
        ("{", "application/json", 500, "400 Bad Request"),
        ("[1]", "application/json", 500, "'list' object has no attribute 'get'"),
    ],
)
def test_threshold_hides_errors_of_the_client_in_a_500(
    ml: Stack, content: str, kind: str, status: int, error: str
) -> None:
    path = f"{ml.threshold.url}/api/v1/evaluate/u1"
    answer = client().post(path, content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.json()["error"].startswith(error)


@pytest.mark.parametrize(
    ("change", "trades"),
    [
        ({}, True),
        ({"confidence": 0.64}, False),
        ({"rsi": 71}, False),
        ({"rsi": 71, "action": "SELL"}, True),
        ({"change_percent": -1.9}, False),
        ({"volume": 1_500_000}, False),
        ({"confidence": "high"}, False),
    ],
)
def test_threshold_decides_by_its_rule(ml: Stack, change: dict[str, Any], trades: bool) -> None:
    answer = ask(ml.threshold, "POST", "/api/v1/evaluate/u1", {"signal": SIGNAL | change})
    assert answer.json()["data"]["should_trade"] is trades
    assert datetime.fromisoformat(answer.json()["data"]["evaluated_at"]).tzinfo is None


def test_threshold_keeps_values_by_user_and_exact_symbol_and_says_it_is_unhealthy(ml: Stack) -> None:
    ml.threshold.control.set(thresholds={"u1": {"BTC": {"rsi_threshold": 60.0}}})
    values = {
        (user, symbol): ask(ml.threshold, "GET", f"/api/v1/thresholds/{user}?symbol={symbol}").json()["data"]
        for user, symbol in (("u1", "BTC"), ("u1", "BTCUSD"), ("u2", "BTC"))
    }
    assert [each["thresholds"]["rsi_threshold"] for each in values.values()] == [60.0, 70.0, 70.0]
    assert ask(ml.threshold, "GET", "/health").status_code == 503


def test_threshold_limits_an_address_in_html(ml: Stack) -> None:
    codes = [ask(ml.threshold, "GET", "/api/v1/thresholds/u1").status_code for _ in range(61)]
    limited = ask(ml.threshold, "GET", "/health")
    assert codes == [200] * 60 + [429]
    assert re.search("<p>60 per 1 minute</p>", limited.text)
    assert 0 < int(limited.headers["retry-after"]) <= 60
    ml.threshold.control.set(threshold_limit=[0, 60], threshold_retry_after=False)
    assert "retry-after" not in ask(ml.threshold, "GET", "/health").headers
