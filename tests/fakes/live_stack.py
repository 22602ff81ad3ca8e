"""The service as it trades live: beside fakes of its neighbours, with policies whose every answer is known."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rl_models.bundle import write_bundle
from tests.fakes.bundles import CALIBRATION, HOUR_S, constant_onnx, linear_onnx, policy_manifest
from tests.fakes.served import Served, served
from tests.fakes.stack.coins import COINS
from tests.fakes.stack.running import Stack
from tests.fakes.stack.terms import Terms

TRADER = "trader"
BUYER = "buyer"
# MATIC and its like are left out: bars and lots of these five are enough for any crowd.
SYMBOLS = ("BTC", "ETH", "SOL", "BNB", "XRP")
SOON_S = 30.0
# Calls on connections of their own meet every worker, as a rule.
LOOKS = 4


def write_policies(folder: Path, *, timeframe_s: int = HOUR_S) -> Path:
    """A folder with two calibrated policies.

    TRADER wants exposure 1 when flat and 0 when all of the capital is held, BUYER 1 whatever is held.
    """
    symbols = tuple(sorted(COINS))
    # Row by row what the last return and the exposure (normalised: -1 flat, 1 full) add to the score of each level.
    networks = {
        TRADER: linear_onnx([[0.0, 0.0, 0.0], [4.0, 0.0, -4.0]], [0.0, 0.0, 0.0]),
        BUYER: constant_onnx([0.0, 0.0, 4.0]),
    }
    for name, network in networks.items():
        manifest = replace(policy_manifest(name), symbols=symbols, timeframe_s=timeframe_s)
        write_bundle(folder, replace(manifest, calibration=replace(CALIBRATION, symbols=symbols)), network)
    return folder


def environment(folder: Path, stack: Stack) -> dict[str, str]:
    """What the service is told of the fakes, and of a folder in which it and its secrets are."""
    trading, aggregator = stack.services.get("trading"), stack.services.get("aggregator")
    ours = {
        "RL_MODEL": TRADER,
        "RL_MODELS_PATH": str(write_policies(folder / "bundles")),
        "RL_TRAFFIC_PERCENTAGE": "1.0",
        "MARKET_SYMBOLS": ",".join(SYMBOLS),
    }
    if aggregator is not None:
        ours |= {
            "MARKET_SOURCE": "live",
            "DATA_AGGREGATOR_URL": aggregator.url,
            "DATA_AGGREGATOR_VERSION": aggregator.version,
        }
    if trading is not None:
        secret = folder / "jwt-secret"
        secret.write_text(Terms().jwt_secret)
        secret.chmod(0o600)
        ours |= {
            "EXECUTION_MODE": "live",
            "TRADING_SERVICE_URL": trading.url,
            "TRADING_SERVICE_VERSION": trading.version,
            "TRADING_JWT_SECRET_FILE": str(secret),
        }
    if "threshold" in stack.services:
        ours["ADAPTIVE_THRESHOLD_URL"] = stack.threshold.url
    return ours


@contextmanager
def serving(folder: Path, stack: Stack, **changes: str) -> Iterator[Served]:
    """The service beside these fakes until the block ends, with these variables besides."""
    folder.mkdir(exist_ok=True)
    with served(folder, **(environment(folder, stack) | changes)) as service:
        yield service


def soon(true: Callable[[], object], *, within_s: float = SOON_S) -> None:
    """Returns once `true()` is; fails when it is not within `within_s` seconds."""
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s, f"not within {within_s} s"
        time.sleep(0.05)


def ready_to_trade(service: Served) -> bool:
    """True when the workers, as far as they are met, have bars and know what became of earlier orders."""
    for _ in range(LOOKS):
        if service.get("/api/v1/status").json()["trading"]["waiting_for"]:
            return False
        answers = [service.post("/api/v1/predict", asking("nobody", symbol)).json() for symbol in SYMBOLS]
        if not all(answer["data_as_of"] for answer in answers):
            return False
    return True


def start_agent(service: Served, user: str, *, mode: str = "live", **config: Any) -> None:
    """Start an agent; returns once the workers, as far as they are met, have its model."""
    body = {"user_id": user, "config": {"model_type": TRADER, "execution": mode, "capital_usd": 10_000.0} | config}
    answer = service.post("/api/v1/agents/start", body)
    assert answer.status == 200, answer.body

    def loaded() -> bool:
        status = service.get(f"/api/v1/agents/{user}/status")
        return status.status == 200 and status.json()["model"]["reason"] is None

    soon(lambda: all(loaded() for _ in range(LOOKS)))


def asking(user: str, symbol: str = "BTC", action: str = "BUY") -> dict[str, Any]:
    """A prediction the rule approves too."""
    data = {"confidence": 0.9, "rsi": 30.0, "change_percent": 5.0, "volume": 2e9, "action": action}
    return {"user_id": user, "symbol": symbol, "signal_data": data}


def order_of(service: Served, decision: Mapping[str, Any]) -> dict[str, Any]:
    """The order of a decision with its history."""
    assert decision["execution"] is not None, decision
    answer = service.get(f"/api/v1/orders/{decision['execution']['client_order_id']}")
    assert answer.status == 200, answer.body
    return dict(answer.json())


def all_orders(service: Served, query: str = "") -> list[dict[str, Any]]:
    """Every order there is, newest first."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = service.get(f"/api/v1/orders?limit=100{query}{cursor}").json()
        found += page["orders"]
        if page["next"] is None:
            return found
        cursor = f"&before={page['next']}"
