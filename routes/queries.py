"""The query strings of the routes without a body."""

import re
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request

from routes.errors import Rejected
from routes.validation import field_name, rejected
from schemas.words import IsoTime, Symbol, UserId
from trading.agents import AgentState
from trading.orders import OrderState
from trading.vocabulary import Arm

MOST_ROWS = 200
LONGEST_POLL_S = 30.0


def _plus_is_no_space(value: object) -> object:
    # In a query string + stands for a space; in a time it can only have been the sign of its offset.
    return value.replace(" ", "+") if isinstance(value, str) else value


# A client order id, or the id of a decision; and that of an order a stop made.
ORDER_NAME = re.compile(r"(rl-)?[0-9a-f]{32}|rl-close-[0-9a-f]{24}")
OrderName = Annotated[str, Field(pattern=r"^rl-([0-9a-f]{32}|close-[0-9a-f]{24})$")]
QueryTime = Annotated[IsoTime, BeforeValidator(_plus_is_no_space)]


class Query(BaseModel):
    """What all query strings share: unknown parameters refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(Query):
    """No parameters."""


class ResultQuery(Query):
    """How long to wait for a result."""

    timeout: float = Field(0.0, ge=0, le=LONGEST_POLL_S, allow_inf_nan=False, description="Seconds.")


class AgentsQuery(Query):
    """Which agents, in the order of their users."""

    state: AgentState | None = None
    after: UserId | None = None
    limit: int = Field(50, ge=1, le=MOST_ROWS)


class DecisionsQuery(Query):
    """Which decisions, newest first; `before` is the `next` of the page before."""

    user_id: UserId | None = None
    symbol: Symbol | None = None
    arm: Arm | None = None
    since: QueryTime | None = None
    until: QueryTime | None = None
    before: int | None = Field(None, ge=1, le=2**62)
    limit: int = Field(50, ge=1, le=MOST_ROWS)


class OrdersQuery(Query):
    """Which orders, newest first; `before` is the `next` of the page before."""

    user_id: UserId | None = None
    symbol: Symbol | None = None
    state: OrderState | None = None
    before: OrderName | None = None
    limit: int = Field(50, ge=1, le=MOST_ROWS)


class ExperimentsQuery(Query):
    """Which experiments, by key: those after one, the `next` of the page before."""

    after: str = Field("", pattern=r"^[a-z0-9-]{0,64}$")
    limit: int = Field(50, ge=1, le=MOST_ROWS)


class EventsQuery(Query):
    """Which events of a log, oldest first: those after a number, the `next` of the page before."""

    after: int = Field(0, ge=0, le=2**31 - 1)
    limit: int = Field(50, ge=1, le=MOST_ROWS)


class DaysQuery(Query):
    """How far back, in days of the wall clock; no further than the journal goes."""

    days: int = Field(30, ge=1, le=3650)


class PowerQuery(Query):
    """What is expected of an experiment: an effect and a user-day's standard deviation, bps of capital a day.

    Their ranges are for ab.power_checks.
    """

    effect_bps: float = Field(allow_inf_nan=False)
    deviation_bps: float = Field(allow_inf_nan=False)
    users_per_arm: int
    tails: Literal["normal", "t3"] = "t3"


def unix_s(moment: datetime | None) -> float | None:
    """A time as Unix seconds."""
    return None if moment is None else moment.timestamp()


Parameters = TypeVar("Parameters", bound=Query)


def read_query(model: type[Parameters], request: Request) -> Parameters:
    """The query string as its model. Raises Rejected naming each bad parameter."""
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Rejected(
            "invalid_field", [{"field": field_name((name,)), "problem": "given twice"} for name in twice[:20]]
        )
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise rejected(error) from None
