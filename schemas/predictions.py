"""What asks for a decision, now or later."""

from datetime import datetime

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from schemas.words import IdempotencyKey, IsoTime, Price, Symbol, UserId, WireRequest
from trading.vocabulary import Action, Quote, Reading, Signal


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


class AcceptedView(TypedDict):
    """An asynchronous prediction that was accepted, or where it is now."""

    request_id: str
    status: str


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
