"""Circuit breakers that a person holds open."""

from typing import Literal

from typing_extensions import TypedDict

from schemas.words import WireRequest


class BreakerRequest(WireRequest):
    """Hold a circuit breaker open, or release it."""

    service: Literal["trading_service", "data_aggregator", "adaptive_threshold"]
    route: Literal["order", "read", "session", "signals", "candles", "thresholds"]


class BreakerParams(TypedDict):
    """The fields of a BreakerRequest, validated, as an API method gets them."""

    service: str
    route: str


class BreakersHeld(TypedDict):
    """The circuit breakers that are held open by hand, as SERVICE/ROUTE."""

    held: list[str]
