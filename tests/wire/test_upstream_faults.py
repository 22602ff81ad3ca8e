"""Neighbours that hang, limit or are away: predictions go on as fast, calls stop, and they come back by themselves."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fakes.crowd import Client
from tests.fakes.live_stack import asking, ready_to_trade, serving, soon, start_agent
from tests.fakes.served import Served
from tests.fakes.stack.running import Stack, stack_processes
from tests.fakes.trading_crowd import Wish, start_agents, wishes

HANG_S = float(os.environ.get("SOAK_HANG_S", "10"))
BEFORE_S = 3.0
ORDERS_A_SECOND = 8.0
PLACE = "POST /api/v1/trading/place-order"
WORKERS = 2
# More than are asked for: before the hang, during it and until it is over.
ORDERS = int(ORDERS_A_SECOND * (HANG_S + 30.0))
# Of the last 20 calls of a worker half have to be slow; meanwhile orders go on arriving for the second that makes a
# call slow. Then the breaker probes every five seconds. Without one, every order of the hang would be a call.
MOST_CALLS = WORKERS * (10 + ORDERS_A_SECOND / WORKERS + HANG_S / 5.0)
CLOSED_WITHIN_S = 10.0
# What one waiting call too many would add is a second at least; a busy machine adds less.
NOISE_S = 0.15
# The service's own limit, which all of us together stay under.
CALLS_A_MINUTE = 60
LIMITED_S = 6.0


class Loop:
    """One client that asks again and again, with the time that each answer took."""

    def __init__(self, service: Served, ask: Callable[[Client], None], *, pause_s: float) -> None:
        self._client = Client(service)
        self._ask = ask
        self._pause_s = pause_s
        self._times: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def asking(self) -> Iterator["Loop"]:
        """Ask until the block ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._thread.join()
            self._client.close()

    def p99_s(self, since_s: float, until_s: float) -> float:
        """Of the calls begun between two moments of the monotonic clock."""
        took = sorted(took_s for at_s, took_s in self._times if since_s <= at_s < until_s)
        assert len(took) >= 30
        return took[int(0.99 * (len(took) - 1))]

    def _run(self) -> None:
        while not self._ended.wait(self._pause_s):
            started_s = time.monotonic()
            self._ask(self._client)
            self._times.append((started_s, time.monotonic() - started_s))


@pytest.fixture(scope="module")
def trading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Stack]]:
    with stack_processes(trading="v1m", aggregator="v1m", threshold=True) as stack:
        folder = tmp_path_factory.mktemp("faults")
        with serving(folder, stack, RL_TRAFFIC_PERCENTAGE="0", WORKERS=str(WORKERS)) as service:
            soon(lambda: ready_to_trade(service))
            yield service, stack


def predict(client: Client, user: str = "nobody", symbol: str = "BTC") -> dict[str, Any]:
    answer = client.once("POST", "/api/v1/predict", asking(user, symbol))
    assert answer.status == 200, answer.body
    return dict(answer.json())


def health(client: Client) -> None:
    assert client.once("GET", "/api/v1/health").status == 200


def breakers(service: Served, route: str) -> dict[int, str]:
    """Where the breaker of a route of TradingService is, by worker."""
    found: dict[int, str] = {}
    deadline_s = time.monotonic() + 5.0
    while len(found) < WORKERS and time.monotonic() < deadline_s:
        status = service.get("/api/v1/status").json()
        for each in status["upstreams"]:
            if (each["service"], each["route"]) == ("trading_service", route):
                found[status["worker_pid"]] = each["status"]
    return found


def predict_only(client: Client) -> None:
    predict(client)


def test_a_threshold_service_that_limits_or_is_away_is_asked_within_its_limit(trading: tuple[Served, Stack]) -> None:
    service, stack = trading
    threshold = stack.threshold.control
    start_agent(service, "judged", symbols=["BTC"])
    client = Client(service)
    soon(lambda: "rule (thresholds of" in predict(client, "judged")["reasoning"], within_s=60.0)
    assert "rule (default thresholds)" in predict(client)["reasoning"]

    asked = sum(threshold.counts().values())
    began_s = time.monotonic()
    threshold.set(threshold_limit=[0, 60.0])
    while time.monotonic() - began_s < LIMITED_S:
        assert "thresholds of" in predict(client, "judged")["reasoning"]
        assert "rule (default thresholds)" in predict(client)["reasoning"]
    # One of the calls before is what told us of the limit; afterwards nobody asks until it says.
    assert sum(threshold.counts().values()) - asked <= CALLS_A_MINUTE * LIMITED_S / 60
    threshold.down()
    assert "thresholds of" in predict(client, "judged")["reasoning"]
    client.close()


def test_a_venue_that_hangs_slows_no_prediction_down_and_gets_few_calls(trading: tuple[Served, Stack]) -> None:
    service, stack = trading
    wanted: Iterator[Wish] = iter(wishes(ORDERS, name="slow"))
    start_agents(service, wishes(ORDERS, name="slow"))

    def order(client: Client) -> None:
        wish = next(wanted)
        client.close()  # another connection is, as a rule, another worker
        predict(client, wish.user, wish.symbol)

    predictions = Loop(service, predict_only, pause_s=0.01)
    checks = Loop(service, health, pause_s=0.05)
    with predictions.asking(), checks.asking(), Loop(service, order, pause_s=1 / ORDERS_A_SECOND).asking():
        began_s = time.monotonic()
        time.sleep(BEFORE_S)
        calls = stack.trading.control.counts()[PLACE]
        assert calls > 0
        hung_s = time.monotonic()
        stack.trading.control.freeze(600)
        time.sleep(HANG_S)
        assert set(breakers(service, "order").values()) <= {"open", "half_open"}
        # A breaker that lets one call through is no trouble meanwhile: the word comes back when that call fails.
        soon(lambda: "upstreams" in service.get("/api/v1/health").json()["impaired"], within_s=CLOSED_WITHIN_S)
        thawed_s = time.monotonic()
        calls = stack.trading.control.counts()[PLACE] - calls
        stack.trading.control.heal()
        soon(lambda: set(breakers(service, "order").values()) == {"closed"}, within_s=CLOSED_WITHIN_S)

    assert calls <= MOST_CALLS
    for loop in (predictions, checks):
        before_s, during_s = loop.p99_s(began_s, hung_s), loop.p99_s(hung_s, thawed_s)
        print(f"p99 {before_s * 1000:.1f} ms before, {during_s * 1000:.1f} ms while the venue hangs; {calls} calls")
        assert during_s <= max(1.2 * before_s, before_s + 0.02) + NOISE_S
