"""Feedback: what a caller knows that a decision earned."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from schemas.words import UserId, WireRequest

Earned = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]


class FeedbackRequest(WireRequest):
    """What the decision of a prediction earned, after costs. One of `net_bps` and `net_usd`, finite.

    `net_bps` is in basis points of all that the user's agent trades with.
    """

    request_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    user_id: UserId
    net_bps: Earned | None = None
    net_usd: Earned | None = None
    note: str | None = Field(None, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$", description="Kept with it.")


class FeedbackParams(TypedDict):
    """The fields of a FeedbackRequest, validated, as an API method gets them."""

    request_id: str
    user_id: str
    net_bps: float | None
    net_usd: float | None
    note: str | None


class FeedbackView(TypedDict):
    """An outcome as it is kept; `net_usd` null where that was not told.

    `experiment` is the one it belongs to, null when the decision was made under none.
    """

    request_id: str
    user_id: str
    net_bps: float
    net_usd: float | None
    experiment: str | None
    reported_at: str
