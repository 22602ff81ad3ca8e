"""BentoML with its defaults and SB3's `predict`."""

import os
from typing import Any

import bentoml

from benchmarks.sb3_answer import Sb3Answer


@bentoml.service(workers=1, http={"port": int(os.environ["BENCH_PORT"]), "host": "127.0.0.1"})
class NaiveService:
    """One service, one method, no settings."""

    def __init__(self) -> None:
        self._answer = Sb3Answer()

    @bentoml.api(route="/api/v1/predict")
    def predict(self, user_id: str, symbol: str, signal_data: dict[str, Any]) -> dict[str, Any]:
        """The decision for one signal."""
        return dict(self._answer.answer(signal_data["confidence"], signal_data["rsi"]))
