"""A stop that closes positions, on a served process: sold once, however often it is asked and whatever is killed."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.fakes.crowd import Client
from tests.fakes.live_stack import TRADER, all_orders, asking, soon, start_agent, write_policies
from tests.fakes.processes import children, lives
from tests.fakes.served import Answer, Served, served

STOP = {"action": "stop", "close_positions": True}


def environment(folder: Path) -> dict[str, str]:
    return {
        "RL_MODEL": TRADER,
        "RL_MODELS_PATH": str(write_policies(folder / "bundles")),
        "RL_TRAFFIC_PERCENTAGE": "0",
        "MARKET_SYMBOLS": "BTC,ETH",
        "MARKET_SPEED": "1",
        "PAPER_PARTICIPATION": "1",
    }


def holding(service: Served, user: str, symbol: str) -> list[dict[str, Any]]:
    found = service.get(f"/api/v1/agents/{user}/positions").json()["positions"]
    return [position for position in found if position["symbol"] == symbol]


def buy(service: Served, user: str, symbol: str = "BTC") -> None:
    client = Client(service)
    soon(lambda: client.ask("POST", "/api/v1/predict", asking(user, symbol)).json()["execution"])
    client.close()
    soon(lambda: holding(service, user, symbol))
    soon(lambda: all(order["state"] == "filled" for order in all_orders(service, f"&user_id={user}")))


def stop(service: Served, user: str, **headers: str) -> Answer:
    answer = service.post("/api/v1/agents/control", STOP | {"user_id": user}, **headers)
    assert answer.status == 200, answer.body
    return answer


def kill_all(service: Served) -> None:
    below = children(service.pid)
    os.killpg(service.pid, signal.SIGKILL)
    soon(lambda: not any(lives(pid) for pid in (service.pid, *below)))


def sold(service: Served, user: str) -> list[dict[str, Any]]:
    return [order for order in all_orders(service, f"&user_id={user}") if order["side"] == "SELL"]


def test_what_a_stop_closes_is_sold_once(tmp_path: Path) -> None:
    with served(tmp_path, **environment(tmp_path)) as service:
        for user in ("plain", "keyed"):
            start_agent(service, user, mode="paper")
            buy(service, user)
        refused = service.post("/api/v1/agents/control", STOP | {"user_id": "plain", "action": "pause"})
        assert refused.status == 422
        assert [each["field"] for each in refused.json()["error"]["details"]] == ["close_positions"]

        (closing,) = stop(service, "plain").json()["closing"]
        assert (closing["symbol"], closing["reason"]) == ("BTC", None)
        soon(lambda: not holding(service, "plain", "BTC"))
        order = service.get(f"/api/v1/orders/{closing['client_order_id']}").json()
        assert (order["state"], order["made_by"], order["decision_id"]) == ("filled", "stop", None)
        assert stop(service, "plain").json()["closing"] == []

        keyed = stop(service, "keyed", **{"Idempotency-Key": "once"})
        kill_all(service)

    with served(tmp_path, **environment(tmp_path)) as service:
        # The kill may have come before it left: then it has run out of time, and the next stop makes another.
        name = keyed.json()["closing"][0]["client_order_id"]
        ended = ("filled", "expired")
        soon(lambda: service.get(f"/api/v1/orders/{name}").json()["state"] in ended)
        assert stop(service, "keyed", **{"Idempotency-Key": "once"}).body == keyed.body
        soon(lambda: stop(service, "keyed").json()["closing"] == [] and not holding(service, "keyed", "BTC"))
        for user in ("plain", "keyed"):
            filled = [order for order in sold(service, user) if order["state"] == "filled"]
            assert len(filled) == 1, sold(service, user)
            assert service.get(f"/api/v1/agents/{user}/status").json()["state"] == "stopped"
