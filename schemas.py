"""The wire: requests and responses as pydantic models, to and from our own words."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from trading.vocabulary import (
    Action,
    Arm,
    AssignmentReason,
    BlockReason,
    ConfidenceReason,
    Decision,
    FailureReason,
    Quote,
    Reading,
    Signal,
)

SYMBOL_MAX_LENGTH = 32


def _iso_only(value: object) -> object:
    # pydantic also reads 1700000000 and "12:30" as times; the wire has one spelling.
    if isinstance(value, datetime) or (isinstance(value, str) and ISO_PATTERN.match(value)):
        return value
    raise ValueError("must be an ISO-8601 time with an offset, like 2026-01-31T12:00:00.000Z")


ISO_PATTERN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)
IsoTime = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_iso_only)]
Price = Annotated[float, Field(gt=0, allow_inf_nan=False)]


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

    user_id: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:@-]+$")
    symbol: str = Field(min_length=1, max_length=SYMBOL_MAX_LENGTH, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    signal_data: SignalData
    market_data: MarketQuote | None = None
    timestamp: IsoTime | None = Field(None, description="Time of the signal.")
    priority: int = Field(2, ge=1, le=3, description="1 is high. Orders the queue of asynchronous predictions only.")
    timeout_seconds: float | None = Field(
        None, gt=0, le=30, allow_inf_nan=False, description="Deadline; PREDICTION_TIMEOUT_SECONDS when not given."
    )


class PredictParams(TypedDict):
    """The fields of a PredictRequest, validated, as an API method gets them."""

    user_id: str
    symbol: str
    signal_data: SignalData
    market_data: MarketQuote | None
    timestamp: datetime | None
    priority: int
    timeout_seconds: float | None


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
    """The order that followed."""

    status: str
    client_order_id: str


class PredictResponse(TypedDict):
    """The decision. Built by us from checked values, so a plain dictionary: a model would check them all again."""

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
    experiment: ExperimentView
    advice: AdviceView
    data_as_of: str | None
    valid_until: str | None
    execution: Execution | None
    market: MarketSourceView
    cached: bool
    processing_time_ms: float


def to_response(decision: Decision, market: MarketSourceView, *, elapsed_s: float) -> PredictResponse:
    """A decision as the wire shows it; `elapsed_s` is the time since the request was read."""
    advice, view, signal = decision.advice, decision.market, decision.signal
    return {
        "request_id": decision.request_id,
        "user_id": signal.user_id,
        "symbol": signal.symbol,
        "should_trade": decision.should_trade,
        "action": decision.action,
        "confidence": advice.confidence,
        "reasoning": advice.reasoning,
        "model_used": advice.model,
        "model_version": advice.version,
        "fallback_used": decision.fallback_used,
        "blocked_by": list(decision.blocked_by),
        "experiment": _experiment_view(decision),
        "advice": _advice_view(decision),
        "data_as_of": None if view is None else iso_time(view.as_of_s),
        "valid_until": None if view is None else iso_time(view.valid_until_s),
        "execution": None,
        "market": market,
        "cached": advice.cached,
        "processing_time_ms": round(elapsed_s * 1000.0, 3),
    }


def _experiment_view(decision: Decision) -> ExperimentView:
    given = decision.assignment
    return {
        "key": given.experiment,
        "assigned_arm": given.arm,
        "served_arm": decision.served_arm,
        "reason": decision.failure or given.reason,
        "stage": given.stage,
    }


def _advice_view(decision: Decision) -> AdviceView:
    advice, view = decision.advice, decision.market
    return {
        "target_exposure": decision.target_exposure,
        "advised_exposure": advice.target_exposure,
        "position_exposure": decision.position_exposure,
        "clipped": decision.clipped,
        "confidence_reason": advice.confidence_reason,
        "agreement": advice.agreement,
        "entropy": advice.entropy,
        "regime": None if view is None else view.regime,
    }


class ErrorBody(BaseModel):
    """What went wrong, in the one shape every error has."""

    code: str
    message: str
    details: list[dict[str, str]] | None = None
    request_id: str


class ErrorResponse(BaseModel):
    """The envelope of every error."""

    error: ErrorBody
