"""Many users who each want orders, while workers are killed; and whether every order was booked once."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.fakes.crowd import Client, ask_all
from tests.fakes.live_stack import SYMBOLS, TRADER, asking
from tests.fakes.served import Served
from tests.fakes.stack.audit import Ledger

# Capital differs by more than a lot of the dearest coin, so that no two orders are alike at a venue without client ids.
FIRST_CAPITAL_USD = 1000.0
STEP_USD = 25.0
PLACED = ("filled", "open", "canceled")
ON_THEIR_WAY = ("new", "sending")
AGAIN_S = 0.2
# How often one user asks for the same order before that is a failure: each time refused, as while a venue is away.
MOST_ATTEMPTS = 300
# Calls, each on a connection of its own, in which every worker that works has answered, as good as certainly.
LOOKS = 12

Key = tuple[str, str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One order that somebody wants."""

    user: str
    symbol: str


def wishes(count: int, *, name: str = "user") -> list[Wish]:
    """So many orders, no two of them by one user in one symbol."""
    users = range(-(-count // len(SYMBOLS)))
    return [Wish(user=f"{name}{user}", symbol=symbol) for user in users for symbol in SYMBOLS][:count]


def start_agents(service: Served, wanted: Sequence[Wish], *, mode: str = "live") -> None:
    """An agent for each user, each with another capital."""
    users = list(dict.fromkeys(wish.user for wish in wanted))

    def start(client: Client, place: int) -> None:
        config = {
            "model_type": TRADER,
            "execution": mode,
            "capital_usd": FIRST_CAPITAL_USD + STEP_USD * place,
            "symbols": list(SYMBOLS),
        }
        answer = client.ask("POST", "/api/v1/agents/start", {"user_id": users[place], "config": config})
        assert answer.status == 200, answer.body

    ask_all(service, range(len(users)), start, clients=8)


def order_one(client: Client, wish: Wish) -> str:
    """The client order id of the order that this wish became; asks again while it is refused."""
    for attempt in range(MOST_ATTEMPTS):
        key = f"{wish.user}-{wish.symbol}-{attempt}"
        answer = client.ask("POST", "/api/v1/predict", asking(wish.user, wish.symbol) | {"idempotency_key": key})
        if answer.status == 200:
            execution = answer.json()["execution"]
            if execution is not None:
                return str(execution["client_order_id"])
        else:
            assert answer.status in (409, 503), answer.body  # the worker that held the key is gone: in a moment
        time.sleep(AGAIN_S)
    raise AssertionError(f"no order for {wish}: {answer.body!r}")


def order_all(service: Served, wanted: Sequence[Wish], *, clients: int = 12) -> list[str]:
    """An order for every wish; their client order ids."""
    return ask_all(service, wanted, order_one, clients=clients)


def working_pids(service: Served) -> list[int]:
    """The workers that answer now and may trade."""
    found: dict[int, bool] = {}
    for _ in range(LOOKS):
        with suppress(OSError, ValueError):
            status = service.get("/api/v1/status").json()
            found[status["worker_pid"]] = status["is_ready"] and not status["trading"]["waiting_for"]
    return sorted(pid for pid, works in found.items() if works)


@contextmanager
def killing(service: Served, *, every_s: float = 1.0) -> Iterator[list[int]]:
    """SIGKILL to a working worker every so many seconds until the block ends, as long as another one works: a small
    machine cannot start them as fast as this kills them. Yields the pids that were killed."""
    killed: list[int] = []
    ended = threading.Event()

    def kill() -> None:
        while not ended.wait(every_s):
            pids = working_pids(service)
            if len(pids) > 1:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def key_of(order: dict[str, Any]) -> Key:
    """What an order is known by at a venue that knows no client order ids."""
    return order["symbol"], order["side"], Decimal(order["quantity"])


def audit(orders: Sequence[dict[str, Any]], ledger: Ledger) -> None:
    """Fails unless every order we call placed was booked once, no other was, and each was sent once at most.

    One that is unknown may be booked or not.
    """
    assert not [order for order in orders if order["state"] in ON_THEIR_WAY]
    certain = Counter(key_of(order) for order in orders if order["state"] in PLACED)
    possible = certain + Counter(key_of(order) for order in orders if order["state"] == "unknown")
    booked = Counter((each.symbol, each.side, each.quantity) for each in ledger.bookings)
    assert not booked - possible, "booked more often than we know of"
    assert not certain - booked, "we call placed what was never booked"
    sent = Counter(_key_sent(each["body"]) for each in ledger.transmissions)
    assert not sent - possible, "sent more than once"
    assert not ledger.doubled()


def _key_sent(body: dict[str, Any]) -> Key:
    quantity = body["quantity"] if "quantity" in body else body["qty"]
    return str(body["symbol"]).removesuffix("USDT"), str(body["side"]).upper(), Decimal(quantity)
