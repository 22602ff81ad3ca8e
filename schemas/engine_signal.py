"""What the TradingEngine asks, and the answer it reads."""

from typing import Literal

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from schemas.words import Symbol, WireRequest


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
