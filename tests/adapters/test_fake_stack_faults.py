"""Do the faults of the fake stack do what they are called, and does its ledger tell of all of it?"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal

import httpx2
import pytest

from tests.fakes.stack.__main__ import arguments
from tests.fakes.stack.asking import ask, bearer, fresh
from tests.fakes.stack.faults import FaultKind
from tests.fakes.stack.running import ROOT, Service, running_stack, stack_processes

BROKERS = "/api/v1/brokers/orders"
SOON_S = 0.2


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with running_stack(trading="v2") as stack:
        yield stack.trading


@pytest.fixture
def venue(running: Service) -> Service:
    fresh(running)
    running.control.set(limits={"all": [10**6, 60], "orders": [10**6, 60]})
    return running


def order(venue: Service, client_id: str = "rl-1", within_s: float = 5.0, qty: float = 0.1) -> httpx2.Response:
    body = {"symbol": "BTC", "qty": qty, "side": "buy", "order_type": "market", "client_order_id": client_id}
    return ask(venue, "POST", BROKERS, body, within_s=within_s, Authorization=bearer())


def booked(venue: Service) -> int:
    return len(venue.control.ledger().bookings)


@pytest.mark.parametrize(("kind", "bookings"), [(FaultKind.ACCEPT_THEN_RESET, 1), (FaultKind.RESET_BEFORE_ACCEPT, 0)])
def test_a_reset_takes_the_answer_or_the_order_too(venue: Service, kind: FaultKind, bookings: int) -> None:
    venue.control.fault(kind, times=1)
    with pytest.raises(httpx2.ReadError, match="reset"):
        order(venue)
    ledger = venue.control.ledger()
    assert len(ledger.bookings) == bookings
    assert [each["fault"] for each in ledger.transmissions] == [kind.value]
    assert order(venue).status_code == 200


@pytest.mark.parametrize(("kind", "bookings"), [(FaultKind.ACCEPT_THEN_HANG, 1), (FaultKind.HANG_BEFORE_ACCEPT, 0)])
def test_a_hang_answers_nothing(venue: Service, kind: FaultKind, bookings: int) -> None:
    venue.control.fault(kind)
    with pytest.raises(httpx2.ReadTimeout):
        order(venue, within_s=SOON_S)
    assert booked(venue) == bookings
    venue.control.heal()
    assert order(venue).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "bookings"),
    [
        (FaultKind.ACCEPT_THEN_500, 500, 1),
        (FaultKind.ERROR_500, 500, 0),
        (FaultKind.ACCEPT_THEN_HTML_502, 502, 1),
        (FaultKind.HTML_502, 502, 0),
        (FaultKind.DUPLICATE, 200, 2),
    ],
)
def test_an_answer_need_not_tell_what_was_booked(venue: Service, kind: FaultKind, status: int, bookings: int) -> None:
    venue.control.fault(kind, times=1)
    answer = order(venue)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html" if status == 502 else "application/json")
    assert booked(venue) == bookings


def test_a_slow_answer_comes_after_its_delay_and_the_order_is_booked_before(venue: Service) -> None:
    venue.control.fault(FaultKind.SLOW, delay_s=30.0)
    with pytest.raises(httpx2.ReadTimeout):
        order(venue, within_s=SOON_S)
    assert booked(venue) == 1
    venue.control.heal()
    venue.control.fault(FaultKind.SLOW, delay_s=SOON_S)
    began_s = time.monotonic()
    assert order(venue).status_code == 200
    assert time.monotonic() - began_s >= SOON_S


def test_the_same_seed_strikes_the_same_requests_of_its_route_only(venue: Service) -> None:
    def fates() -> list[int]:
        venue.control.heal()
        venue.control.fault(FaultKind.ERROR_500, rate=0.3, seed=7, route=f"POST {BROKERS}")
        found = []
        for _ in range(20):
            assert ask(venue, "GET", "/health").status_code == 200
            found.append(order(venue).status_code)
        return found

    first = fates()
    assert {200, 500} == set(first)
    assert fates() == first
    assert venue.control.faults()[0]["struck"] == first.count(500)


def test_what_arrives_while_it_is_frozen_is_worked_on_afterwards(venue: Service) -> None:
    venue.control.freeze(60.0)
    with pytest.raises(httpx2.ReadTimeout):
        order(venue, "rl-gone", within_s=SOON_S)
    assert booked(venue) == 0
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(order(venue, "rl-waiting").status_code))
    waiting.start()
    while venue.control.counts().get(f"POST {BROKERS}", 0) < 2:
        time.sleep(0.01)
    venue.control.heal()
    waiting.join()
    assert answers == [200]
    assert [each.client_order_id for each in venue.control.ledger().bookings] == ["rl-gone", "rl-waiting"]


def test_a_freeze_and_a_downtime_end_by_themselves(venue: Service) -> None:
    venue.control.freeze(SOON_S)
    assert order(venue).status_code == 200
    venue.control.down(SOON_S)
    with pytest.raises(httpx2.ConnectError):
        order(venue)
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        try:
            assert order(venue).status_code == 200
            return
        except httpx2.ConnectError:
            time.sleep(0.02)
    pytest.fail("it did not listen again")


def test_a_service_that_goes_down_cuts_the_connections_it_has(venue: Service) -> None:
    with socket.create_connection(("127.0.0.1", venue.port)) as open_connection:
        open_connection.sendall(b"GET /health HTTP/1.1\r\nHost: fake\r\n\r\n")
        assert open_connection.recv(12) == b"HTTP/1.1 200"
        venue.control.down()
        with pytest.raises(ConnectionResetError):
            list(iter(lambda: open_connection.recv(65536), b""))
    venue.control.up()
    assert ask(venue, "GET", "/health").status_code == 200


def test_a_client_order_id_sent_twice_is_booked_twice_unless_the_venue_dedupes(venue: Service) -> None:
    for _ in range(2):
        order(venue, "rl-twice")
    assert venue.control.ledger().doubled() == {"rl-twice": 2}
    venue.control.set(dedupes=True)
    ids = {order(venue, "rl-once").json()["data"]["order"]["id"] for _ in range(2)}
    ledger = venue.control.ledger()
    assert len(ids) == 1
    assert ledger.doubled() == {"rl-twice": 2}
    assert len(ledger.transmissions) == 4


def test_the_ledger_finds_what_is_missing_unknown_or_alike(venue: Service) -> None:
    order(venue, "rl-a", qty=0.25)
    order(venue, "rl-b", qty=0.25)
    ledger = venue.control.ledger()
    assert ledger.missing(["rl-a", "rl-c"]) == {"rl-c"}
    assert ledger.unknown(["rl-a", "rl-c"]) == {"rl-b"}
    assert [each.number for each in ledger.alike("BTC", "BUY", Decimal("0.25"))] == [1, 2]
    assert not ledger.alike("BTC", "SELL", Decimal("0.25"))


def listed(venue: Service) -> list[dict[str, object]]:
    return list(ask(venue, "GET", BROKERS, Authorization=bearer()).json()["data"]["orders"])


def test_a_placed_order_is_listed_after_the_lag(venue: Service) -> None:
    venue.control.set(lookup_lag_s=3600)
    order(venue)
    assert listed(venue) == []
    venue.control.set(lookup_lag_s=0)
    assert [each["status"] for each in listed(venue)] == ["filled"]


def test_fills_come_whole_in_halves_or_when_told(venue: Service) -> None:
    venue.control.set(fills="none", prices={"BTC": "100"})
    order(venue, qty=2)
    venue.control.set(fills="halves")
    order(venue, qty=2)
    assert [(each["status"], each["filled_qty"]) for each in listed(venue)] == [("pending", 1), ("pending", 0)]
    venue.control.fill(1, "0.5")
    venue.control.cancel(1)
    venue.control.set(prices={"BTC": "110"})
    venue.control.fill(2)
    first, second = venue.control.ledger().bookings
    assert (first.status, first.filled, first.average_price) == ("canceled", Decimal("0.5"), Decimal(100))
    assert (second.status, second.filled, second.average_price) == ("filled", Decimal(2), Decimal(105))
    positions = ask(venue, "GET", "/api/v1/brokers/positions", Authorization=bearer()).json()["data"]["positions"]
    assert [(each["symbol"], each["qty"]) for each in positions] == [("BTCUSD", 2.5)]


def test_the_second_half_comes_by_itself_and_an_immediate_order_keeps_no_rest(venue: Service) -> None:
    venue.control.set(fills="halves", rest_after_s=0)
    order(venue)
    assert [each["status"] for each in listed(venue)] == ["filled"]
    venue.control.set(rest_after_s=None, cancels_rest=True)
    body = {"symbol": "BTC", "qty": 2, "side": "buy", "order_type": "market", "time_in_force": "ioc"}
    placed = ask(venue, "POST", BROKERS, body, Authorization=bearer()).json()["data"]["order"]
    assert (placed["status"], placed["filled_qty"]) == ("canceled", 1)


def test_calls_are_counted_with_whether_they_carried_a_token(venue: Service) -> None:
    ask(venue, "GET", "/health")
    order(venue)
    assert venue.control.counts() == {"GET /health": 1, f"POST {BROKERS}": 1}
    assert [each["authorization"] for each in venue.control.calls()] == [None, "bearer"]
    assert venue.control.authorized() == 1


def test_as_a_process_it_says_where_it_is_and_serves_the_same() -> None:
    with stack_processes(trading="v1m") as stack:
        body = {"symbol": "BTC", "side": "BUY", "quantity": 1}
        assert ask(stack.trading, "POST", "/api/v1/trading/place-order", body).json()["data"]["success"] is True
        assert booked(stack.trading) == 1


def test_the_command_takes_terms_and_refuses_a_version_that_is_not() -> None:
    asked = arguments(["--service", "trading", "--version", "v2", "--port", "3000", "--terms", '{"dedupes": true}'])
    assert (asked.version, asked.port, asked.terms) == ("v2", 3000, {"dedupes": True})
    command = [sys.executable, "-m", "tests.fakes.stack", "--service", "threshold", "--version", "v2"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "has no version v2" in refused.stderr


def test_a_term_that_is_none_is_refused(venue: Service) -> None:
    answer = httpx2.post(f"{venue.control.url}/_control/terms", content=json.dumps({"fils": "none"}), trust_env=False)
    assert answer.status_code == 400
