"""The switch over all trading."""

from pydantic import Field
from typing_extensions import TypedDict

from schemas.words import WireRequest
from trading.vocabulary import Halt


class TradingRequest(WireRequest):
    """Halt, reduce or release all trading."""

    reason: str | None = Field(None, max_length=200, pattern=r"^[ -~]*$", description="Kept with the command.")


class TradingParams(TypedDict):
    """The fields of a TradingRequest, validated, as an API method gets them."""

    reason: str | None


class TradingSwitched(TypedDict):
    """What trading as a whole may do now and did before; `orders_in_flight` had left before it."""

    state: Halt
    before: Halt
    reason: str | None
    at: str
    orders_in_flight: list[str]
