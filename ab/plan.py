"""What an experiment is to do, fixed before it starts: its split, its ramp, how it is judged and what stops it."""

from dataclasses import dataclass
from enum import StrEnum


class OutcomeSource(StrEnum):
    """Where the profit of a unit comes from.

    as_if: the one account that marks served, shadow and blocked decisions alike; reported: what callers told us;
    ledger: what fills earned, with what is held marked at the close of each day: what they realised hides an open loss.
    """

    AS_IF = "as_if"
    REPORTED = "reported"
    LEDGER = "ledger"


class Guard(StrEnum):
    """What is watched beside the primary outcome, for the users who meet the policy."""

    DAILY_LOSS = "daily_loss_bps"
    DRAWDOWN = "drawdown_bps"
    TAIL_LOSS = "tail_loss_bps"
    TURNOVER = "turnover"
    FEES = "fees_bps"
    REJECTED_ORDERS = "rejected_orders"
    ERRORS = "errors"
    LATENCY = "latency_ms"


class Response(StrEnum):
    """What is done when a guardrail is broken, from the mildest on."""

    HOLD = "hold"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"
    KILL = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of the ramp: the share of users (0..1) who meet the policy, and what must be so before the next.

    `min_days` are market days that the stage has run, `min_units` user-days an arm of it that count (both >= 0).
    `approval`: an operator has to approve before the next stage. `max_notional_usd` caps each order of the policy while
    it lasts.
    """

    share: float
    min_days: float
    min_units: int
    approval: bool
    max_notional_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """How the outcome is judged: `looks` (>= 1) planned ones, `look_days` (>= 1) market days apart.

    `alpha` is the two-sided level over all looks. A day's profit is cut to `lowest_bps`..`highest_bps` of the allotted
    capital. Not worse means not worse by `margin_bps` (> 0) a day.
    """

    source: OutcomeSource
    looks: int
    look_days: float
    alpha: float
    margin_bps: float
    lowest_bps: float
    highest_bps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A bound on one guard; what is done above it, once there are `min_units` user-days in the policy's arm.

    Losses and drawdowns are positive numbers of basis points of allotted capital; shares are 0..1; turnover is traded
    value a day over capital.
    """

    guard: Guard
    limit: float
    response: Response
    min_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An experiment as it was created. `salt` decides who is where; `model` is the bundle of the policy's arm.

    `model` None: the one that each agent names. `holdout_share` (0..0.5) of users never take part. The shares of the
    stages grow.
    """

    key: str
    salt: str
    model: str | None
    holdout_share: float
    stages: tuple[Stage, ...]
    analysis: Analysis
    guardrails: tuple[Guardrail, ...]
