"""A decision that a caller was given is made again from the journal, while the service runs."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.fakes.served import REQUEST, ROOT, Served

# Far more than a busy machine needs to make a decision durable.
DURABLE_S = 20.0


def wait_until_kept(service: Served, request_id: str) -> None:
    deadline_s = time.monotonic() + DURABLE_S
    while service.get(f"/api/v1/decisions/{request_id}").status != 200:
        assert time.monotonic() < deadline_s, f"{request_id} was not journalled"
        time.sleep(0.05)


def replay(service: Served, request_id: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wiring", "replay", request_id]
    environment = os.environ | {"DATA_DIR": str(service.data_dir)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("arm", ["rl", "fallback"])
def test_what_a_caller_was_told_comes_out_again(service: Served, arm: str) -> None:
    given = [
        service.post("/api/v1/predict", REQUEST | {"user_id": f"replayed{number}", "symbol": symbol}).json()
        for number, symbol in enumerate(["BTC", "ETH"] * 20)
    ]
    decision = next(answer for answer in given if answer["experiment"]["served_arm"] == arm)
    wait_until_kept(service, decision["request_id"])
    again = replay(service, decision["request_id"])
    assert again.returncode == 0, again.stdout + again.stderr
    said = f"equal: decision {decision['request_id']}, {decision['action']} {decision['symbol']}"
    assert again.stdout.startswith(said)


def test_the_observation_is_shown_by_the_names_of_its_features(service: Served) -> None:
    decision = service.post("/api/v1/predict", REQUEST).json()
    assert decision["experiment"]["served_arm"] == "rl"
    wait_until_kept(service, decision["request_id"])
    shown = json.loads(service.get(f"/api/v1/decisions/{decision['request_id']}").body)
    (features,) = shown["features"]
    assert "position_exposure" in features["values"]


def test_an_unknown_decision_is_said_to_be_none(service: Served) -> None:
    unknown = replay(service, "0" * 32)
    assert (unknown.returncode, unknown.stderr) == (2, "cannot be replayed: no such decision\n")
