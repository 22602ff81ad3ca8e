"""Fakes of the desk's ports: policies that answer, fail or dawdle, and a recorder that remembers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from trading.agents import ENSEMBLE, Agent, AgentConfig, AgentLimits, AgentState, ExecutionMode
from trading.errors import NoMarketData, UnknownSymbol
from trading.ports import Policy
from trading.vocabulary import (
    Action,
    Advice,
    Arm,
    Assignment,
    AssignmentReason,
    ConfidenceReason,
    Decision,
    Halt,
    MarketView,
    Reading,
    Signal,
)

READING = Reading(confidence=0.85, rsi=65.0, change_percent=3.5, volume_usd=1.5e9, action=Action.BUY)
NOON_S = 1_700_000_000.0


def signal(symbol: str = "BTC", **changes: object) -> Signal:
    """A signal of user123, changed where told."""
    fields: dict[str, object] = {
        "user_id": "user123",
        "symbol": symbol,
        "reading": READING,
        "quote": None,
        "sent_at_s": None,
    }
    return Signal(**(fields | changes))  # type: ignore[arg-type]


def view(**changes: object) -> MarketView:
    """A fresh market view, changed where told."""
    fields: dict[str, object] = {
        "as_of_s": NOON_S,
        "now_s": NOON_S + 60,
        "valid_until_s": NOON_S + 3600,
        "timeframe_s": 3600,
        "close": 100.0,
        "ended": False,
        "regime": None,
    }
    return MarketView(**(fields | changes))  # type: ignore[arg-type]


def config(**changes: object) -> AgentConfig:
    """What an agent has whose user chose nothing, changed where told."""
    fields: dict[str, object] = {
        "model_type": ENSEMBLE,
        "confidence_threshold": None,
        "symbols": (),
        "timeframe_s": 3600,
        "execution": ExecutionMode.PAPER,
        "capital_usd": None,
        "limits": AgentLimits(),
    }
    return AgentConfig(**(fields | changes))  # type: ignore[arg-type]


def agent(state: AgentState = AgentState.RUNNING, *, user_id: str = "user123", **changes: object) -> Agent:
    """An agent of user123 started at NOON_S, its configuration changed where told."""
    return Agent(
        user_id=user_id,
        state=state,
        config=config(**changes),
        created_at_s=NOON_S,
        changed_at_s=NOON_S,
        version=1,
    )


@dataclass
class FakeAgents:
    """Keeps trading.ports.Agents: knows these and nobody else, from so many seconds ago."""

    known: Mapping[str, Agent] = field(default_factory=dict)
    known_for_s: float = 0.25

    def of(self, user_id: str) -> Agent | None:
        return self.known.get(user_id)

    def age_s(self, monotonic_s: float) -> float:
        return self.known_for_s


@dataclass
class FakePolicies:
    """Keeps trading.desk.Policies: the active policy, and those loaded by model type."""

    active: Policy
    loaded: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, model_type: str | None) -> Policy | None:
        return self.active if model_type is None else self.loaded.get(model_type)


@dataclass
class FakeFeatures:
    """Keeps trading.ports.Features: lists BTC, and EMPTY which has no bar yet."""

    market: MarketView = field(default_factory=view)

    def view(self, symbol: str) -> MarketView:
        if symbol == "EMPTY":
            raise NoMarketData
        if symbol != "BTC":
            raise UnknownSymbol(symbol)
        return self.market


@dataclass
class FakePolicy:
    """Keeps trading.ports.Policy: says `target`, or raises `error`; remembers what it was asked."""

    model: str = "fake"
    target: float = 1.0
    error: Exception | None = None
    confidence: float | None = None
    asked: list[tuple[str, float, float]] = field(default_factory=list)

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        self.asked.append((symbol, exposure, budget_s))
        if self.error is not None:
            raise self.error
        return Advice(
            model=self.model,
            version="1",
            target_exposure=self.target,
            scores=(self.target,),
            confidence=self.confidence,
            confidence_reason=ConfidenceReason.UNCALIBRATED if self.confidence is None else ConfidenceReason.CALIBRATED,
            reasoning=f"{self.model} says {self.target}",
        )


@dataclass
class FakeAssigner:
    """Keeps trading.ports.Assigner: everybody has the same arm, for the same reason."""

    arm: Arm = Arm.RL
    reason: AssignmentReason = AssignmentReason.HASH
    model: str | None = None

    def assign(self, user_id: str) -> Assignment:
        return Assignment(
            experiment="test", version=1, run=1, arm=self.arm, reason=self.reason, stage="ramp", model=self.model
        )


@dataclass
class FakeRecorder:
    """Keeps trading.ports.Recorder: remembers every decision."""

    decisions: list[Decision] = field(default_factory=list)

    def record(self, decision: Decision, *, seconds: float) -> None:
        assert seconds >= 0.0
        self.decisions.append(decision)


def ticking(step_s: float) -> Iterator[float]:
    """A monotonic clock that moves `step_s` at each look."""
    now_s = 0.0
    while True:
        yield now_s
        now_s += step_s


class FakeFallback:
    """Keeps trading.desk.Fallback: the same policies for everybody."""

    def __init__(self, *policies: Policy) -> None:
        self._policies = policies

    def of(self, user_id: str, symbol: str) -> Sequence[Policy]:
        return self._policies


class FakeHoldings:
    """Keeps trading.ports.Holdings: what is held by user, symbol and mode, all opened by one arm, and the halt."""

    def __init__(
        self,
        quantities: Mapping[tuple[str, str, ExecutionMode], Decimal] | None = None,
        halt: Halt = Halt.OPEN,
        arm: Arm = Arm.RL,
    ) -> None:
        self._quantities = quantities or {}
        self._halt = halt
        self._arm = arm

    def held(self, user_id: str, symbol: str, mode: ExecutionMode) -> Decimal:
        return self._quantities.get((user_id, symbol, mode), Decimal(0))

    def opened_by(self, user_id: str, symbol: str, mode: ExecutionMode) -> Arm | None:
        return self._arm if self.held(user_id, symbol, mode) else None

    def halt(self) -> Halt:
        return self._halt


class FakeOrders:
    """Stands for wiring.order_desk.OrderDesk: remembers the decisions that came to it, and orders nothing."""

    def __init__(self) -> None:
        self.acted: list[Decision] = []

    async def act(self, decision: Decision, *, budget_s: float, again: bool = False) -> Decision:
        self.acted.append(decision)
        return decision

    async def keep(self, decision: Decision, *, budget_s: float, along: object) -> Decision:
        self.acted.append(decision)
        return decision
