"""Keeps routes.pages.Reads with one of everything, and remembers what it was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas import ResolveRequest
from trading.agents import AgentState
from trading.errors import NotFound, StoreUnavailable
from trading.orders import WantedOrders
from trading.vocabulary import Wanted

KNOWN = "0" * 31 + "1"


@dataclass
class FakeReads:
    """Knows the request KNOWN and the agent of `anna`; `away` makes every answer StoreUnavailable."""

    final: bool = True
    away: bool = False
    asked: list[object] = field(default_factory=list)

    async def result(self, request_id: str, *, timeout_s: float) -> tuple[bytes, bool]:
        self._ask(request_id, "prediction", timeout_s)
        return json.dumps({"request_id": request_id}).encode(), self.final

    async def cancel(self, request_id: str) -> bytes:
        self._ask(request_id, "prediction")
        return b'{"status":"CANCELLED"}'

    async def agent(self, user_id: str) -> Mapping[str, object]:
        self._ask(KNOWN if user_id == "anna" else user_id, "agent")
        return {"user_id": user_id}

    async def agents(self, *, state: AgentState | None, after: str | None, limit: int) -> Mapping[str, object]:
        self._ask(KNOWN, "agent", state, after, limit)
        return {"agents": [], "next": None}

    async def decision(self, request_id: str) -> Mapping[str, object]:
        self._ask(request_id, "decision")
        return {"request_id": request_id}

    async def decisions(self, wanted: Wanted, *, before: int | None, limit: int) -> Mapping[str, object]:
        self._ask(KNOWN, "decision", wanted, before, limit)
        return {"decisions": [], "next": None}

    async def order(self, name: str) -> Mapping[str, object]:
        self._ask(name, "order")
        return {"client_order_id": f"rl-{name}"}

    async def orders(self, wanted: WantedOrders, *, before: str | None, limit: int) -> Mapping[str, object]:
        self._ask(KNOWN, "order", wanted, before, limit)
        return {"orders": [], "next": None}

    async def resolve(self, name: str, said: ResolveRequest) -> Mapping[str, object]:
        self._ask(name, "order", said)
        return {"client_order_id": f"rl-{name}", "state": said.outcome}

    async def positions(self, user_id: str) -> Mapping[str, object]:
        self._ask(KNOWN if user_id == "anna" else user_id, "agent")
        return {"positions": []}

    async def session(self, user_id: str) -> Mapping[str, object]:
        self._ask(KNOWN if user_id == "anna" else user_id, "trading_service")
        return {"session": None}

    def _ask(self, name: str, what: str, *more: object) -> None:
        if self.away:
            raise StoreUnavailable("away")
        assert what in ("agent", "trading_service") or len(name) == len(KNOWN), "what cannot be an id is not looked for"
        if name != KNOWN:
            raise NotFound(what)
        self.asked.append(more)
