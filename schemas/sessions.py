"""What TradingService itself says of a user."""

from typing import Literal

from typing_extensions import TypedDict

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
