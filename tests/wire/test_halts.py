"""Limits and halts while orders pour in: never one order too many, and none after the halt, whatever is killed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.crowd import Client, all_at_once, ask_all
from tests.fakes.live_stack import (
    SYMBOLS,
    all_orders,
    asking,
    ready_to_trade,
    serving,
    soon,
    start_agent,
)
from tests.fakes.processes import children, lives
from tests.fakes.served import Answer, Served
from tests.fakes.stack.running import Stack, stack_processes
from tests.fakes.trading_crowd import ON_THEIR_WAY, audit, start_agents, wishes

REQUESTS = 400
AT_ONCE = 40
LIMIT = 10
# A fill is known to every worker by the round after the next.
ROUND_S = 0.4
# After the answer to a halt nothing is booked that had not left, and what had left has arrived by then.
ARRIVES_WITHIN_S = 1.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with stack_processes(trading="v1m", aggregator="v1m") as running:
        yield running


def switch(service: Served, to: str) -> Answer:
    answer = service.post(f"/api/v1/trading/{to}", {"reason": "a test"})
    assert answer.status == 200, answer.body
    return answer


def limit_holds(service: Served, stack: Stack) -> None:
    start_agent(service, "limited", symbols=list(SYMBOLS), limits={"max_orders_per_minute": LIMIT})
    soon(lambda: Client(service).ask("POST", "/api/v1/predict", asking("limited", "BTC", "HOLD")).json()["agent"])
    before = len(stack.trading.control.ledger().bookings)

    def ask(client: Client, place: int) -> list[list[str]]:
        found = []
        for number in range(REQUESTS // AT_ONCE):
            # Together they want 5 orders a round, in turn one way and the other.
            signal = asking("limited", SYMBOLS[place % len(SYMBOLS)], "BUY" if number % 4 < 2 else "SELL")
            found.append(client.ask("POST", "/api/v1/predict", signal).json()["blocked_by"])
            time.sleep(ROUND_S)
        return found

    blocked = [reasons for each in all_at_once(service, AT_ONCE, ask) for reasons in each]

    soon(lambda: not [each for each in all_orders(service) if each["state"] in ON_THEIR_WAY])
    assert ["limit_orders_per_minute"] in blocked
    assert len(stack.trading.control.ledger().bookings) - before == LIMIT


def halt_holds(service: Served, stack: Stack) -> None:
    wanted = wishes(600, name="halted")
    start_agents(service, wanted)
    ended = threading.Event()

    def ask(client: Client, place: int) -> None:
        for wish in wanted[place::8]:
            if ended.is_set():
                return
            client.ask("POST", "/api/v1/predict", asking(wish.user, wish.symbol))

    load = threading.Thread(target=lambda: ask_all(service, range(8), ask, clients=8))
    load.start()
    try:
        before = len(stack.trading.control.ledger().bookings)
        soon(lambda: len(stack.trading.control.ledger().bookings) > before + 20)
        answer = switch(service, "halt")
        halted_s = time.time()
        time.sleep(2 * ARRIVES_WITHIN_S)
    finally:
        ended.set()
        load.join()
    assert answer.json()["state"] == "halted"
    bookings = stack.trading.control.ledger().bookings
    assert max(each.at_s for each in bookings) <= halted_s + ARRIVES_WITHIN_S
    assert len(bookings) < before + len(wanted)


def kill_all(service: Served) -> None:
    """SIGKILL to the supervisor and everything below it."""
    below = children(service.pid)
    os.killpg(service.pid, signal.SIGKILL)
    soon(lambda: not any(lives(pid) for pid in (service.pid, *below)))


def test_limits_and_halts_hold_under_load_and_a_halt_outlives_a_kill(tmp_path: Path, stack: Stack) -> None:
    with serving(tmp_path, stack, RL_TRAFFIC_PERCENTAGE="0") as service:
        soon(lambda: ready_to_trade(service))
        limit_holds(service, stack)
        halt_holds(service, stack)
        kill_all(service)

    with serving(tmp_path, stack, RL_TRAFFIC_PERCENTAGE="0") as service:
        soon(lambda: ready_to_trade(service))
        assert service.get("/api/v1/status").json()["trading"]["state"] == "halted"
        assert service.get("/api/v1/health").json()["impaired"] == ["trading_halted"]
        before = len(stack.trading.control.ledger().bookings)
        start_agent(service, "after", symbols=["BTC"])
        client = Client(service)
        soon(lambda: client.ask("POST", "/api/v1/predict", asking("after")).json()["agent"])
        assert "halted" in client.ask("POST", "/api/v1/predict", asking("after")).json()["blocked_by"]
        assert len(stack.trading.control.ledger().bookings) == before

        assert switch(service, "release").json()["before"] == "halted"

        soon(lambda: client.ask("POST", "/api/v1/predict", asking("after")).json()["execution"])
        soon(lambda: len(stack.trading.control.ledger().bookings) == before + 1)
        client.close()
        soon(lambda: not [each for each in all_orders(service) if each["state"] in ON_THEIR_WAY])
        audit(all_orders(service), stack.trading.control.ledger())
