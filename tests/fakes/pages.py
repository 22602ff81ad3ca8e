"""Keeps routes.pages.Reads with one of everything, and remembers what it was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.experiments import AcceptMissingRequest, CreateRequest, OverrideRequest, VersionedRequest
from schemas.orders import ResolveRequest
from trading.agents import AgentState
from trading.errors import NotFound, StaleVersion, StoreUnavailable
from trading.orders import WantedOrders
from trading.vocabulary import Wanted

KNOWN = "0" * 31 + "1"


@dataclass
class FakeReads:
    """Knows the request KNOWN and the agent of `anna`; `away` makes every answer StoreUnavailable."""

    final: bool = True
    away: bool = False
    asked: list[object] = field(default_factory=list)
    fails: Exception | None = None

    @property
    def experiments(self) -> "FakeExperiments":
        return FakeExperiments(self)

    @property
    def analyses(self) -> "FakeAnalyses":
        return FakeAnalyses(self)

    @property
    def models(self) -> "FakeModels":
        return FakeModels(self)

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


@dataclass
class FakeExperiments:
    """Keeps routes.experiment_pages.ExperimentReads: knows the experiment `ramp`, which is at version 3."""

    reads: FakeReads

    async def status(self) -> Mapping[str, object]:
        return self._experiment("ramp")

    async def list(self, *, after: str, limit: int) -> Mapping[str, object]:
        self.reads.asked.append((after, limit))
        return {"experiments": [self._experiment("ramp")], "next": None}

    async def experiment(self, key: str) -> Mapping[str, object]:
        return self._experiment(key)

    async def assignment(self, key: str, user_id: str) -> Mapping[str, object]:
        return {**self._experiment(key), "user_id": user_id}

    async def events(self, key: str, *, after: int, limit: int) -> Mapping[str, object]:
        return {**self._experiment(key), "events": [], "next": None, "after": after, "limit": limit}

    async def create(self, said: CreateRequest) -> Mapping[str, object]:
        self.reads.asked.append(said)
        return {"key": said.key}

    async def command(self, key: str, command: str, said: VersionedRequest) -> Mapping[str, object]:
        if said.version != 3:
            raise StaleVersion(3)
        self.reads.asked.append((command, said))
        return self._experiment(key)

    async def override(self, key: str, said: OverrideRequest) -> Mapping[str, object]:
        self.reads.asked.append(said)
        return self._experiment(key)

    async def accept_missing(self, key: str, said: AcceptMissingRequest) -> Mapping[str, object]:
        self.reads.asked.append(said)
        return self._experiment(key)

    def _experiment(self, key: str) -> Mapping[str, object]:
        if self.reads.away:
            raise StoreUnavailable("away")
        if key != "ramp":
            raise NotFound("experiment")
        return {"key": key, "version": 3}


@dataclass
class FakeAnalyses:
    """Keeps routes.analysis_pages.AnalysisReads of the experiment `ramp`; raises `reads.fails` where it is set."""

    reads: FakeReads

    async def results(self, key: str) -> Mapping[str, object]:
        self._ask(key)
        return {"key": key, "findings": None}

    async def report(self, key: str) -> bytes:
        self._ask(key)
        return b"<!DOCTYPE html><title>ramp</title>"

    async def power(
        self, key: str, *, effect_bps: float, deviation_bps: float, users_per_arm: int, tails: str
    ) -> bytes:
        self._ask(key, effect_bps, deviation_bps, users_per_arm, tails)
        return b'{"planned":0.8}'

    async def check(self, key: str) -> bytes:
        self._ask(key)
        return b'{"passed":true}'

    def _ask(self, key: str, *more: object) -> None:
        if self.reads.fails is not None:
            raise self.reads.fails
        if key != "ramp":
            raise NotFound("experiment")
        self.reads.asked.append(more)


@dataclass
class FakeModels:
    """Keeps routes.model_pages.ModelReads; raises `reads.fails` where it is set."""

    reads: FakeReads

    async def performance(self, days: int) -> Mapping[str, object]:
        return self._ask("performance", days)

    async def comparison(self, days: int) -> Mapping[str, object]:
        return self._ask("comparison", days)

    def _ask(self, page: str, days: int) -> Mapping[str, object]:
        if self.reads.fails is not None:
            raise self.reads.fails
        self.reads.asked.append((page, days))
        return {page: days}
