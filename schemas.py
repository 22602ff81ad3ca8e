"""The wire: requests and responses as pydantic models, to and from our own words.

Longer than other files: whoever asks what the wire is finds all of it in one place.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Literal, Protocol, TypeVar, cast

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from trading.agents import (
    ENSEMBLE,
    Agent,
    AgentCommand,
    AgentConfig,
    AgentLimits,
    AgentState,
    ExecutionMode,
    StartResult,
)
from trading.limits import ORD_REJ_REASON
from trading.orders import MadeBy, Order, OrderState, Side
from trading.vocabulary import (
    Action,
    Arm,
    AssignmentReason,
    BlockReason,
    ConfidenceReason,
    Decision,
    FailureReason,
    Halt,
    Quote,
    Reading,
    Signal,
)

SYMBOL_MAX_LENGTH = 32
Member = TypeVar("Member")

# The one spelling of each length of bar that may be asked for.
Timeframe = Literal["1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"]
UNITS_S = {"d": 86_400, "h": 3600, "m": 60}


def _iso_only(value: object) -> object:
    # pydantic also reads 1700000000 and "12:30" as times; the wire has one spelling.
    if isinstance(value, datetime) or (isinstance(value, str) and ISO_PATTERN.match(value)):
        return value
    raise ValueError("must be an ISO-8601 time with an offset, like 2026-01-31T12:00:00.000Z")


ISO_PATTERN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)
IsoTime = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_iso_only)]
Price = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
UserId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:@-]+$")]
Symbol = Annotated[str, Field(min_length=1, max_length=SYMBOL_MAX_LENGTH, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
# An amount as text: no float on the way rounds it.
DecimalText = Annotated[str, Field(pattern=r"^[0-9]{1,15}(\.[0-9]{1,18})?$")]
# Visible ASCII: what a header can carry.
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~]+$")]


@lru_cache(maxsize=1024)
def iso_time(unix_s: float) -> str:
    """A Unix time as the wire writes it: ISO-8601, UTC, milliseconds, Z."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class WireRequest(BaseModel):
    """What all requests share: unknown fields refused, no coercion between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SignalData(WireRequest):
    """The five figures of a signal."""

    confidence: float = Field(ge=0, le=1, allow_inf_nan=False, description="How sure the sender is, 0..1.")
    rsi: float = Field(ge=0, le=100, allow_inf_nan=False, description="Relative strength index, 0..100.")
    change_percent: float = Field(
        ge=-100, le=1_000_000, allow_inf_nan=False, description="Price change over 24 hours, percent."
    )
    volume: float = Field(ge=0, le=1e18, allow_inf_nan=False, description="Quote volume of 24 hours, USD.")
    action: Action = Field(strict=False, description="BUY, SELL or HOLD.")


class MarketQuote(WireRequest):
    """A price the caller saw: checked against the last closed bar, never a feature."""

    price: Price = Field(description="Quote currency.")
    bid: Price | None = None
    ask: Price | None = None
    timestamp: IsoTime | None = None

    def to_quote(self) -> Quote:
        """The same in our own words."""
        return Quote(price=self.price, bid=self.bid, ask=self.ask, at_s=_unix_s(self.timestamp))

    @model_validator(mode="after")
    def _not_crossed(self) -> "MarketQuote":
        if self.bid is not None and self.ask is not None and self.bid > self.ask:
            raise ValueError("bid is above ask")
        return self


class PredictRequest(WireRequest):
    """A signal that asks for a decision."""

    user_id: UserId
    symbol: Symbol
    signal_data: SignalData
    market_data: MarketQuote | None = None
    timestamp: IsoTime | None = Field(None, description="Time of the signal.")
    priority: int = Field(2, ge=1, le=3, description="1 is high. Orders the queue of asynchronous predictions only.")
    timeout_seconds: float | None = Field(
        None, gt=0, le=30, allow_inf_nan=False, description="Deadline; PREDICTION_TIMEOUT_SECONDS when not given."
    )
    idempotency_key: IdempotencyKey | None = Field(
        None, description="The same key again gets the same answer; also as the header Idempotency-Key."
    )


class AsyncPredictRequest(PredictRequest):
    """A signal that asks for a decision later."""


class PredictParams(TypedDict):
    """The fields of a PredictRequest, validated, as an API method gets them."""

    user_id: str
    symbol: str
    signal_data: SignalData
    market_data: MarketQuote | None
    timestamp: datetime | None
    priority: int
    timeout_seconds: float | None
    idempotency_key: str | None


def to_signal(params: PredictParams) -> Signal:
    """The signal in our own words."""
    data, quote = params["signal_data"], params["market_data"]
    return Signal(
        user_id=params["user_id"],
        symbol=params["symbol"],
        reading=Reading(
            confidence=data.confidence,
            rsi=data.rsi,
            change_percent=data.change_percent,
            volume_usd=data.volume,
            action=data.action,
        ),
        quote=None if quote is None else quote.to_quote(),
        sent_at_s=_unix_s(params["timestamp"]),
    )


def _unix_s(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def to_params(request: PredictRequest) -> PredictParams:
    """The fields of a request, as an API method gets them."""
    return {
        "user_id": request.user_id,
        "symbol": request.symbol,
        "signal_data": request.signal_data,
        "market_data": request.market_data,
        "timestamp": request.timestamp,
        "priority": request.priority,
        "timeout_seconds": request.timeout_seconds,
        "idempotency_key": request.idempotency_key,
    }


class AgentLimitsBody(WireRequest):
    """Bounds on the orders of one agent; what is not given has no bound of its own."""

    max_notional_usd: Amount | None = Field(None, description="Value of one order, USD.")
    max_orders_per_minute: int | None = Field(None, ge=1, le=10_000)
    max_open_orders: int | None = Field(None, ge=1, le=10_000)
    max_daily_loss_usd: Amount | None = None


class AgentConfigBody(WireRequest):
    """How an agent decides."""

    model_type: str = Field(
        ENSEMBLE,
        max_length=127,
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}(:[a-z0-9][a-z0-9._-]{0,62})?$",
        description="ensemble, or the NAME or NAME:VERSION of a bundle.",
    )
    confidence_threshold: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="What a risk-increasing decision of the policy needs."
    )
    symbols: tuple[Symbol, ...] | None = Field(
        None, min_length=1, max_length=1000, description="Those it may trade; every symbol when not given."
    )
    watchlist: tuple[Symbol, ...] | None = Field(
        None, min_length=1, max_length=1000, description="Another name for symbols."
    )
    timeframe: Timeframe | None = Field(None, description="Length of its bars; the market's when not given.")
    execution: ExecutionMode | None = Field(
        None, strict=False, description="off, paper or live; paper when not given, as far as EXECUTION_MODE allows it."
    )
    capital_usd: Amount | None = Field(None, description="Split over its symbols.")
    limits: AgentLimitsBody = AgentLimitsBody()

    @model_validator(mode="after")
    def _each_symbol_once(self) -> "AgentConfigBody":
        if self.symbols is not None and self.watchlist is not None:
            raise ValueError("symbols and watchlist mean the same: give one of them")
        named = self.symbols or self.watchlist or ()
        if len(set(named)) != len(named):
            raise ValueError("names a symbol twice")
        return self


class AgentStartRequest(WireRequest):
    """Start the agent of a user."""

    user_id: UserId
    config: AgentConfigBody = AgentConfigBody()
    idempotency_key: IdempotencyKey | None = None


class AgentControlRequest(WireRequest):
    """Pause, resume or stop the agent of a user."""

    user_id: UserId
    action: AgentCommand = Field(strict=False, description="pause, resume or stop.")
    close_positions: bool = Field(False, description="With stop: order what closes all that the agent holds.")
    idempotency_key: IdempotencyKey | None = None

    @field_validator("close_positions")
    @classmethod
    def _only_with_stop(cls, close_positions: bool, info: ValidationInfo) -> bool:
        if close_positions and info.data.get("action") is not AgentCommand.STOP:
            raise ValueError("goes with stop only")
        return close_positions


class TradingRequest(WireRequest):
    """Halt, reduce or release all trading."""

    reason: str | None = Field(None, max_length=200, pattern=r"^[ -~]*$", description="Kept with the command.")


class TradingParams(TypedDict):
    """The fields of a TradingRequest, validated, as an API method gets them."""

    reason: str | None


class BreakerRequest(WireRequest):
    """Hold a circuit breaker open, or release it."""

    service: Literal["trading_service", "data_aggregator", "adaptive_threshold"]
    route: Literal["order", "read", "session", "signals", "candles", "thresholds"]


class BreakerParams(TypedDict):
    """The fields of a BreakerRequest, validated, as an API method gets them."""

    service: str
    route: str


class EngineState(WireRequest):
    """The market as the TradingEngine sees it: price in USD, 24 h volume, volatility, and its word for the regime."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    price: float | None = Field(None, gt=0, allow_inf_nan=False)
    volume: float | None = Field(None, ge=0, allow_inf_nan=False)
    volatility: float | None = Field(None, ge=0, allow_inf_nan=False)
    regime: str | None = Field(None, max_length=64)


class EngineSignalRequest(WireRequest):
    """What the TradingEngine asks."""

    symbol: Symbol
    state: EngineState


class EngineSignalParams(TypedDict):
    """The fields of an EngineSignalRequest, validated, as an API method gets them."""

    symbol: str
    state: EngineState


class EngineSignal(TypedDict):
    """What the TradingEngine reads: it takes a confidence of 0 for 0.5, so there is none without one."""

    action: Literal["BUY", "SELL", "HOLD"]
    confidence: float
    reasoning: str
    state: dict[str, object]


class ResolveRequest(WireRequest):
    """What a person found out about an order nobody knew about."""

    outcome: Literal["filled", "canceled", "rejected", "not_placed"]
    by: str = Field(min_length=1, max_length=100, pattern=r"^[ -~]+$", description="Who found it out.")
    filled_quantity: DecimalText | None = Field(None, description="Base units; needed unless nothing was filled.")
    average_price: DecimalText | None = Field(None, description="Quote currency.")
    fee: DecimalText | None = Field(None, description="Quote currency; left out: not known, which is not 0.")
    venue_order_id: str | None = Field(None, min_length=1, max_length=100, pattern=r"^[!-~]+$")
    note: str | None = Field(None, max_length=200, pattern=r"^[ -~]*$")

    @model_validator(mode="after")
    def _filled_has_figures(self) -> "ResolveRequest":
        filled = self.filled_quantity is not None
        if self.outcome == "filled" and not filled:
            raise ValueError("filled_quantity is needed for filled")
        if filled and self.outcome in ("rejected", "not_placed"):
            raise ValueError(f"an order that is {self.outcome} has no filled_quantity")
        if not filled and (self.fee is not None or self.venue_order_id is not None):
            raise ValueError("fee and venue_order_id go with a filled_quantity")
        if filled != (self.average_price is not None):
            raise ValueError("filled_quantity and average_price go together")
        return self


class AgentStartParams(TypedDict):
    """The fields of an AgentStartRequest, validated, as an API method gets them."""

    user_id: str
    config: AgentConfigBody
    idempotency_key: str | None


class AgentControlParams(TypedDict):
    """The fields of an AgentControlRequest, validated, as an API method gets them."""

    user_id: str
    action: AgentCommand
    close_positions: bool
    idempotency_key: str | None


def to_config(body: AgentConfigBody, *, timeframe_s: int, execution: ExecutionMode) -> AgentConfig:
    """A configuration in our own words; the last two stand where the caller said nothing (seconds)."""
    limits = body.limits
    return AgentConfig(
        model_type=body.model_type,
        confidence_threshold=body.confidence_threshold,
        symbols=tuple(sorted(body.symbols or body.watchlist or ())),
        timeframe_s=timeframe_s if body.timeframe is None else to_timeframe_s(body.timeframe),
        execution=execution if body.execution is None else body.execution,
        capital_usd=body.capital_usd,
        limits=AgentLimits(
            max_notional_usd=limits.max_notional_usd,
            max_orders_per_minute=limits.max_orders_per_minute,
            max_open_orders=limits.max_open_orders,
            max_daily_loss_usd=limits.max_daily_loss_usd,
        ),
    )


def to_timeframe_s(text: Timeframe) -> int:
    """The length of a bar, seconds."""
    return int(text[:-1]) * UNITS_S[text[-1]]


def spell_timeframe(seconds: int) -> str:
    """The length of a bar as the wire writes it; `seconds` are whole minutes."""
    unit = next(unit for unit, length_s in UNITS_S.items() if seconds % length_s == 0)
    return f"{seconds // UNITS_S[unit]}{unit}"


class ExperimentView(TypedDict):
    """How the experiment treated this user. `reason` says why the served arm answered."""

    key: str
    assigned_arm: Arm
    served_arm: Arm
    reason: AssignmentReason | FailureReason
    stage: str


class MarketSourceView(TypedDict):
    """Where the bars came from; a simulated market says so in every answer."""

    source: str
    speed: float


class AdviceView(TypedDict):
    """What the answering model said (`advised_exposure`), and what of it the venue can hold (`target_exposure`)."""

    target_exposure: float
    advised_exposure: float
    position_exposure: float
    clipped: bool
    confidence_reason: ConfidenceReason
    agreement: float | None
    entropy: float | None
    regime: str | None


class Execution(TypedDict):
    """The order that followed: `pending` once it is durable. What became of it, GET /api/v1/orders/{id} says."""

    status: Literal["pending"]
    client_order_id: str


class AgentStateView(TypedDict):
    """The agent of the user as it was when this was decided."""

    state: AgentState


class DecisionView(TypedDict):
    """A decision. Built by us from checked values, so a plain dictionary: a model would check them all again.

    `reject_code` is FIX's OrdRejReason (tag 103) of the first of `blocked_by`, null when there is none.
    """

    request_id: str
    user_id: str
    symbol: str
    should_trade: bool
    action: Action
    confidence: float | None
    reasoning: str
    model_used: str
    model_version: str
    fallback_used: bool
    blocked_by: list[BlockReason]
    reject_code: int | None
    agent: AgentStateView | None
    experiment: ExperimentView
    advice: AdviceView
    data_as_of: str | None
    valid_until: str | None
    execution: Execution | None
    cached: bool


class PredictResponse(DecisionView):
    """The decision, with where its bars came from and the time it took since the request was read."""

    market: MarketSourceView
    processing_time_ms: float


def to_response(decision: Decision, market: MarketSourceView, *, elapsed_s: float) -> PredictResponse:
    """A decision as the answer to its request; `elapsed_s` is the time since the request was read."""
    return {**to_answer(decision), "market": market, "processing_time_ms": round(elapsed_s * 1000.0, 3)}


class _Text(Protocol):
    def __call__(self, member: Member) -> Member: ...


# A member of a StrEnum as the plain text it is: that becomes JSON four times as fast.
_text = cast(_Text, attrgetter("_value_"))


def to_answer(decision: Decision) -> DecisionView:
    """A decision as the wire shows it."""
    advice, view, signal, agent = decision.advice, decision.market, decision.signal, decision.agent
    blocked_by = (*decision.blocked_by, *decision.refused_by)
    return {
        "request_id": decision.request_id,
        "user_id": signal.user_id,
        "symbol": signal.symbol,
        "should_trade": decision.should_trade,
        "action": _text(decision.action),
        "confidence": advice.confidence,
        "reasoning": advice.reasoning,
        "model_used": advice.model,
        "model_version": advice.version,
        "fallback_used": decision.fallback_used,
        "blocked_by": [_text(reason) for reason in blocked_by],
        "reject_code": ORD_REJ_REASON[blocked_by[0]] if blocked_by else None,
        "agent": None if agent is None else {"state": _text(agent.state)},
        "experiment": _experiment_view(decision),
        "advice": _advice_view(decision),
        "data_as_of": None if view is None else iso_time(view.as_of_s),
        "valid_until": None if view is None else iso_time(view.valid_until_s),
        "execution": _execution(decision.client_order_id),
        "cached": advice.cached,
    }


def _execution(client_order_id: str | None) -> Execution | None:
    return None if client_order_id is None else {"status": "pending", "client_order_id": client_order_id}


def _experiment_view(decision: Decision) -> ExperimentView:
    given = decision.assignment
    return {
        "key": given.experiment,
        "assigned_arm": _text(given.arm),
        "served_arm": _text(decision.served_arm),
        "reason": _text(decision.failure or given.reason),
        "stage": given.stage,
    }


def _advice_view(decision: Decision) -> AdviceView:
    advice, view = decision.advice, decision.market
    return {
        "target_exposure": decision.target_exposure,
        "advised_exposure": advice.target_exposure,
        "position_exposure": decision.position_exposure,
        "clipped": decision.clipped,
        "confidence_reason": _text(advice.confidence_reason),
        "agreement": advice.agreement,
        "entropy": advice.entropy,
        "regime": None if view is None else view.regime,
    }


class AcceptedView(TypedDict):
    """An asynchronous prediction that was accepted, or where it is now."""

    request_id: str
    status: str


class AgentLimitsView(TypedDict):
    """Bounds on the orders of one agent; null is none."""

    max_notional_usd: float | None
    max_orders_per_minute: int | None
    max_open_orders: int | None
    max_daily_loss_usd: float | None


class AgentConfigView(TypedDict):
    """How an agent decides. No `symbols` are every symbol."""

    model_type: str
    confidence_threshold: float | None
    symbols: list[str]
    timeframe: str
    execution: ExecutionMode
    capital_usd: float | None
    limits: AgentLimitsView


class AgentSummary(TypedDict):
    """An agent and since when it is so."""

    user_id: str
    state: AgentState
    config: AgentConfigView
    created_at: str
    changed_at: str


class AgentsPage(TypedDict):
    """Agents in the order of their users; `next` is the `after` of the next page, null on the last."""

    agents: list[AgentSummary]
    next: str | None


class WarningView(TypedDict):
    """Something a user should know that is no error."""

    code: str
    message: str


class AgentStarted(AgentSummary):
    """What starting an agent did."""

    result: StartResult
    warnings: list[WarningView]


class AgentModelView(TypedDict):
    """The bundle that answers for an agent in the policy's arm.

    Name and version are null with the reason: `loading` for a moment, `refused` (the status says why) or `stopped`.
    """

    name: str | None
    version: str | None
    reason: str | None


class AgentView(AgentSummary):
    """The status of an agent, the same from every worker.

    Counts are those of the journal, null while the store does not answer. `uptime_seconds` is how long it has been
    running since it was last started or resumed, null when it is not running.
    """

    last_activity: str | None
    prediction_count: int | None
    error_count: int | None
    uptime_seconds: float | None
    model: AgentModelView


def from_config(config: AgentConfig) -> AgentConfigView:
    """A configuration as the wire shows it."""
    limits = config.limits
    return {
        "model_type": config.model_type,
        "confidence_threshold": config.confidence_threshold,
        "symbols": list(config.symbols),
        "timeframe": spell_timeframe(config.timeframe_s),
        "execution": config.execution,
        "capital_usd": config.capital_usd,
        "limits": {
            "max_notional_usd": limits.max_notional_usd,
            "max_orders_per_minute": limits.max_orders_per_minute,
            "max_open_orders": limits.max_open_orders,
            "max_daily_loss_usd": limits.max_daily_loss_usd,
        },
    }


def to_summary(agent: Agent) -> AgentSummary:
    """An agent as the wire shows it."""
    return {
        "user_id": agent.user_id,
        "state": agent.state,
        "config": from_config(agent.config),
        "created_at": iso_time(agent.created_at_s),
        "changed_at": iso_time(agent.changed_at_s),
    }


class ClosingView(TypedDict):
    """A position that a stop closes, or that what has left may yet open: by the order that closes it, null with the
    reason why none does."""

    symbol: str
    client_order_id: str | None
    reason: BlockReason | None


class AgentControlled(AgentSummary):
    """An agent after a command; `orders_in_flight` may still be filled: they had left before it.

    `closing` has every position there was at a stop with `close_positions`, and the symbols in which there may be one
    yet; nothing after any other command.
    """

    orders_in_flight: list[str]
    closing: list[ClosingView]


class TradingSwitched(TypedDict):
    """What trading as a whole may do now and did before; `orders_in_flight` had left before it."""

    state: Halt
    before: Halt
    reason: str | None
    at: str
    orders_in_flight: list[str]


class BreakersHeld(TypedDict):
    """The circuit breakers that are held open by hand, as SERVICE/ROUTE."""

    held: list[str]


class OrderView(TypedDict):
    """An order. Amounts are decimal text: quantities in base units, prices and fees in quote currency.

    `fee` is that of all that is filled, null when the venue has not told it.
    """

    client_order_id: str
    made_by: MadeBy
    decision_id: str | None
    user_id: str
    symbol: str
    side: Side
    quantity: str
    reference_price: str
    mode: ExecutionMode
    arm: Arm
    venue: str
    state: OrderState
    reason: str | None
    created_at: str
    expires_at: str
    sent_at: str | None
    ended_at: str | None
    venue_order_id: str | None
    filled_quantity: str
    average_price: str | None
    fee: str | None


class OrderEventView(TypedDict):
    """One change of an order."""

    at: str
    state: str
    detail: dict[str, object]


class OrderHistory(OrderView):
    """An order and every change of it."""

    events: list[OrderEventView]


class OrdersPage(TypedDict):
    """Orders, newest first; `next` is the `before` of the next page, null on the last."""

    orders: list[OrderView]
    next: str | None


class PositionView(TypedDict):
    """A position; `price` is the last close, null where it is not known now, and then the unrealised profit is too."""

    symbol: str
    mode: ExecutionMode
    quantity: str
    average_cost: str
    opened_by: Arm | None
    opened_at: str | None
    price: str | None
    unrealized: str | None


class ProfitView(TypedDict):
    """What an arm earned in a symbol: realised before fees, the fees, and what is left, in quote currency.

    `fees` and `net` are null while the venue has not told the fee of every fill.
    """

    symbol: str
    mode: ExecutionMode
    arm: Arm
    realized: str
    fees: str | None
    net: str | None
    fills: int


class PositionsView(TypedDict):
    """What a user holds, and what each arm earned; a profit belongs to the arm that opened the position."""

    user_id: str
    positions: list[PositionView]
    profits: list[ProfitView]


SessionPart = Literal["session", "positions", "performance"]


class SessionStatusView(TypedDict):
    """How a session at TradingService is doing, in its own words; null is what this version does not tell."""

    active: bool
    paused: bool | None
    halted: bool | None
    started_at: str | None
    trades: int | None
    open_trades: int | None
    profit: str | None


class SessionPositionView(TypedDict):
    """What TradingService says it holds: decimal text in base units, below zero when short; null is not told."""

    symbol: str
    quantity: str | None
    average_cost: str | None
    price: str | None
    unrealized: str | None


class SessionPerformanceView(TypedDict):
    """What TradingService says a session earned, altogether and in its week, in quote currency; null is not told."""

    profit: str | None
    week_profit: str | None


class SessionProblemView(TypedDict):
    """Why a part is null: a code of ours, or the one of TradingService's refusal."""

    part: SessionPart
    code: str


class SessionPageView(TypedDict):
    """What TradingService itself says of a user; `version` is null while it is not known. Each part has its problem."""

    version: str | None
    session: SessionStatusView | None
    positions: list[SessionPositionView] | None
    performance: SessionPerformanceView | None
    problems: list[SessionProblemView]


def to_order_view(order: Order) -> OrderView:
    """An order as the wire shows it."""
    request = order.request
    return {
        "client_order_id": request.client_order_id,
        "made_by": request.made_by,
        "decision_id": order.decision_id if request.made_by is MadeBy.DECISION else None,
        "user_id": request.user_id,
        "symbol": request.symbol,
        "side": request.side,
        "quantity": spell_amount(request.quantity),
        "reference_price": spell_amount(order.reference_price),
        "mode": order.mode,
        "arm": order.arm,
        "venue": order.venue,
        "state": order.state,
        "reason": order.reason,
        "created_at": iso_time(order.created_at_s),
        "expires_at": iso_time(order.deadline.wall_s),
        "sent_at": None if order.sent_at_s is None else iso_time(order.sent_at_s),
        "ended_at": None if order.ended_at_s is None else iso_time(order.ended_at_s),
        "venue_order_id": order.venue_order_id,
        "filled_quantity": spell_amount(order.filled_quantity),
        "average_price": None if order.average_price is None else spell_amount(order.average_price),
        "fee": None if order.fee is None else spell_amount(order.fee),
    }


def spell_amount(amount: Decimal) -> str:
    """A decimal in plain digits, without zeros that say nothing."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class ErrorBody(BaseModel):
    """What went wrong, in the one shape every error has."""

    code: str
    message: str
    details: list[dict[str, str]] | None = None
    request_id: str


class ErrorResponse(BaseModel):
    """The envelope of every error."""

    error: ErrorBody
