"""How does a test talk to the control of a fake service?"""

import json
import urllib.request
from typing import Any

from tests.fakes.stack.audit import Ledger, ledger_of
from tests.fakes.stack.faults import FaultKind

PATIENCE_S = 30.0
# No proxy of the environment between the test and its fake.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Control:
    """The handle of one fake service; every method has taken effect when it returns. It blocks, for milliseconds."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - a loopback URL of ours
            f"{self.url}/_control{path}", data=raw, method=method, headers={"Content-Type": "application/json"}
        )
        with OPENER.open(request, timeout=PATIENCE_S) as response:
            return json.load(response)

    def ledger(self) -> Ledger:
        """Everything that was booked and that arrived."""
        return ledger_of(self._ask("GET", "/ledger"))

    def calls(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Every call from the `after`-th on: method, path, query, at_s, authorization, status, fault."""
        return list(self._ask("GET", f"/calls?after={after}")["calls"])

    def counts(self) -> dict[str, int]:
        """How many calls there were by `METHOD /path`."""
        return dict(self._ask("GET", "/calls?after=1000000")["counts"])

    def authorized(self) -> int:
        """How many calls carried an Authorization header."""
        return int(self._ask("GET", "/calls?after=1000000")["authorized"])

    def set(self, **terms: Any) -> None:
        """Change the terms named: see terms.Terms. `limits` of other kinds stay as they are."""
        self._ask("POST", "/terms", terms)

    def fault(
        self,
        kind: FaultKind | str,
        *,
        rate: float = 1.0,
        seed: int = 0,
        route: str | None = None,
        times: int | None = None,
        delay_s: float = 1.0,
    ) -> None:
        """Add a fault: see faults.Fault. `route` as `POST /api/v1/brokers/orders`, `*` stands for anything."""
        rule = {"kind": str(kind), "rate": rate, "seed": seed, "route": route, "times": times, "delay_s": delay_s}
        self._ask("POST", "/faults", rule)

    def faults(self) -> list[dict[str, Any]]:
        """The rules, each with how often it has struck."""
        return list(self._ask("GET", "/faults"))

    def heal(self) -> None:
        """No more faults; what is frozen thaws."""
        self._ask("DELETE", "/faults")

    def freeze(self, for_s: float) -> None:
        """Everything hangs for so many seconds; what arrives meanwhile is worked on afterwards."""
        self._ask("POST", "/freeze", {"for_s": for_s})

    def down(self, for_s: float | None = None) -> None:
        """Connections are cut and refused, for so many seconds or until `up`."""
        self._ask("POST", "/down", {"for_s": for_s})

    def up(self) -> None:
        self._ask("POST", "/up", {})

    def reset(self) -> None:
        """Forget orders, calls, faults, sessions and counts of limits; the terms stay."""
        self._ask("POST", "/reset", {})

    def fill(self, number: int, quantity: str | None = None) -> None:
        """Fill so much of an open order, or the rest of it, by its number in the ledger."""
        self._ask("POST", f"/orders/{number}/fill", {"quantity": quantity})

    def cancel(self, number: int) -> None:
        self._ask("POST", f"/orders/{number}/cancel", {})
