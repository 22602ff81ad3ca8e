"""Locust: signals of many users, and a check of what each answer means, not only of its status.

locust -f locustfiles/predict.py --host http://127.0.0.1:8001 --headless -u 20 -r 10 -t 30s
"""

import random
from datetime import UTC, datetime
from typing import Any

from locust import FastHttpUser, between, task

SYMBOLS = ("BTC", "ETH", "SOL")
ACTIONS = ("BUY", "SELL", "HOLD")


def faults(asked: dict[str, Any], answer: dict[str, Any], arms: dict[str, str]) -> list[str]:
    """Everything in `answer` that contradicts itself, the request, or what this user was told before."""
    found = []
    if (answer["user_id"], answer["symbol"]) != (asked["user_id"], asked["symbol"]):
        found.append("answers another request")
    if answer["action"] not in ACTIONS:
        found.append(f"action {answer['action']!r}")
    if answer["should_trade"] != (answer["action"] != "HOLD" and not answer["blocked_by"]):
        found.append("should_trade contradicts action and blocked_by")
    confidence = answer["confidence"]
    if confidence is not None and not 0.0 <= confidence <= 1.0:
        found.append(f"confidence {confidence}")
    if (confidence is None) == (answer["advice"]["confidence_reason"] == "calibrated"):
        found.append("confidence contradicts its reason")
    arm = answer["experiment"]["assigned_arm"]
    if arms.setdefault(asked["user_id"], arm) != arm:
        found.append("the user changed arms")
    if answer["fallback_used"] != (answer["experiment"]["served_arm"] == "fallback"):
        found.append("fallback_used contradicts the served arm")
    if answer["valid_until"] is not None and datetime.fromisoformat(answer["valid_until"]) < datetime.now(UTC):
        found.append("valid_until has passed")
    return found


class Trader(FastHttpUser):
    """Sends signals of a few users, and now and then a bad one."""

    wait_time = between(0.0, 0.02)
    arms: dict[str, str] = {}  # noqa: RUF012 - shared by all users of this process: one user, one arm

    @task(20)
    def predict(self) -> None:
        """A valid signal."""
        asked = {
            "user_id": f"user{random.randrange(500)}",
            "symbol": random.choice(SYMBOLS),
            "signal_data": {
                "confidence": round(random.random(), 3),
                "rsi": round(random.uniform(0, 100), 2),
                "change_percent": round(random.gauss(0, 4), 2),
                "volume": round(random.uniform(1e8, 5e9), 2),
                "action": random.choice(ACTIONS),
            },
        }
        with self.client.post("/api/v1/predict", json=asked, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}: {response.text}")
            elif found := faults(asked, response.json(), self.arms):
                response.failure("; ".join(found))

    @task(1)
    def bad_signal(self) -> None:
        """A signal with an rsi of 101 has to be refused, naming the field."""
        asked = {
            "user_id": "user1",
            "symbol": "BTC",
            "signal_data": {"confidence": 0.5, "rsi": 101, "change_percent": 0, "volume": 1, "action": "BUY"},
        }
        with self.client.post("/api/v1/predict", json=asked, name="bad signal", catch_response=True) as response:
            error = response.json()["error"]
            if response.status_code == 422 and error["details"][0]["field"] == "signal_data.rsi":
                response.success()
            else:
                response.failure(f"a bad signal was answered with {response.status_code}")
