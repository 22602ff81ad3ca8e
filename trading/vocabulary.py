"""The words of a decision, as values.

Longer than other files: nearly every file here takes some of them, each word leads to the others, and none does much.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from trading.agents import Agent
from trading.thresholds import ThresholdsInForce

# What the source of a market is called whose prices are made up: nothing measured on real bars holds there.
SIMULATED = "simulated"
# The age of the last closed bar, in timeframes, above which it says too little of the market.
STALE_TIMEFRAMES = 1.5


class Action(StrEnum):
    """What to do with the position in one symbol."""

    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


class Arm(StrEnum):
    """Whose answer a user gets; HOLD is served when neither the policy nor the rule can answer."""

    RL = "rl"
    FALLBACK = "fallback"
    HOLD = "hold"


class ConfidenceReason(StrEnum):
    """Why a confidence has the value it has, or why there is none."""

    CALIBRATED = "calibrated"
    FLAT = "flat"
    UNCALIBRATED = "uncalibrated"
    RULE = "rule"
    UNAVAILABLE = "unavailable"


class BlockReason(StrEnum):
    """Why a decision may not be traded. A closed list: it is part of the wire."""

    STALE_DATA = "stale_data"
    STALE_SIGNAL = "stale_signal"
    MARKET_ENDED = "market_ended"
    PRICE_MISMATCH = "price_mismatch"
    STALE_STATE = "stale_state"
    AGENT_PAUSED = "agent_paused"
    AGENT_STOPPED = "agent_stopped"
    SYMBOL_NOT_ALLOWED = "symbol_not_allowed"
    LOW_CONFIDENCE = "low_confidence"
    UNCALIBRATED = "uncalibrated"
    NO_PRICE = "no_price"
    DEAD_BAND = "dead_band"
    BELOW_MINIMUM = "below_minimum"
    HALTED = "halted"
    REDUCING = "reducing"
    RECONCILING = "reconciling"
    POSITION_MISMATCH = "position_mismatch"
    ORDER_UNRESOLVED = "order_unresolved"
    IN_PROGRESS = "in_progress"
    EXPERIMENT_STOPPED = "experiment_stopped"
    LIMIT_NOTIONAL = "limit_notional"
    LIMIT_ORDERS_PER_MINUTE = "limit_orders_per_minute"
    LIMIT_OPEN_ORDERS = "limit_open_orders"
    LIMIT_DAILY_LOSS = "limit_daily_loss"
    VENUE_RATE_LIMIT = "venue_rate_limit"
    VENUE_UNAVAILABLE = "venue_unavailable"
    VENUE_SYMBOL = "venue_symbol"
    STORE_UNAVAILABLE = "store_unavailable"


class Halt(StrEnum):
    """What trading as a whole may do: everything, only reduce positions, or nothing."""

    OPEN = "open"
    REDUCING = "reducing"
    HALTED = "halted"


class AssignmentReason(StrEnum):
    """Why a user has the arm they have."""

    HASH = "hash"
    OUTSIDE = "outside"
    HOLDOUT = "holdout"
    OVERRIDE = "override"
    POSITION_HOLD = "position_hold"
    PAUSED = "paused"
    ROLLED_BACK = "rolled_back"
    KILLED = "killed"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


class FailureReason(StrEnum):
    """Why the arm that was asked first did not answer. A closed list: it is part of the wire."""

    POLICY_TIMEOUT = "policy_timeout"
    POLICY_ERROR = "policy_error"
    POLICY_NAN = "policy_nan"
    MODEL_LOADING = "model_loading"
    RULE_TIMEOUT = "rule_timeout"
    RULE_ERROR = "rule_error"
    FEATURES_WARMING_UP = "features_warming_up"
    FEATURES_MISSING = "features_missing"
    NO_DATA = "no_data"
    NO_SIGNAL = "no_signal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One candle, labelled by its open time (Unix seconds, UTC); known only from `open_time_s` + timeframe.

    Prices are in the quote currency; `volume_base` in units of the base asset, `volume_quote` in quote currency.
    """

    open_time_s: int
    open: float
    high: float
    low: float
    close: float
    volume_base: float
    volume_quote: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The five figures of a signal: confidence 0..1, rsi 0..100, 24 h change in percent, 24 h quote volume in USD."""

    confidence: float
    rsi: float
    change_percent: float
    volume_usd: float
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A price the caller saw, in quote currency; `at_s` (Unix seconds) is None when the caller did not say."""

    price: float
    bid: float | None
    ask: float | None
    at_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a caller sends. `sent_at_s` is the time of the signal (Unix seconds), None when not given.

    `reading` is None where an agent was to decide by itself and there was no signal: nobody can advise it then.
    """

    user_id: str
    symbol: str
    reading: Reading | None
    quote: Quote | None
    sent_at_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What one policy says.

    `target_exposure` is the share of the capital of this symbol to hold, before the venue's range is applied.
    `scores` are the policy's raw outputs. `confidence` is P(this target held to the horizon nets > 0 after the cost of
    reaching it), or None with the reason. `agreement` (share of members with this target) and `entropy` (nats, of the
    members' votes) are None for a single policy. `cached`: given before, for the very same question.
    `digest` is that of the bundle that answered, `observations` its raw observations by schema digest as little-endian
    float64 bytes: with them the advice can be recomputed. Both are None for the rule and for HOLD. `thresholds` are
    those the rule compared with, None for all others. `keeps`: it is to keep what is held, whatever that is, and
    `target_exposure` is the position that was told; None where that was not written down.
    """

    model: str
    version: str
    target_exposure: float
    scores: tuple[float, ...]
    confidence: float | None
    confidence_reason: ConfidenceReason
    reasoning: str
    agreement: float | None = None
    entropy: float | None = None
    cached: bool = False
    digest: str | None = None
    observations: Mapping[str, bytes] | None = None
    thresholds: ThresholdsInForce | None = None
    keeps: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """What the market looks like for one symbol now, from closed bars only.

    `as_of_s` is the close time of the last closed bar and `now_s` the time, both on the market's clock;
    `valid_until_s` is the wall time at which the next bar closes (all Unix seconds). `close` is in quote currency.
    """

    as_of_s: float
    now_s: float
    valid_until_s: float
    timeframe_s: int
    close: float
    ended: bool
    regime: str | None

    @property
    def stale(self) -> bool:
        """True when the last closed bar is older than STALE_TIMEFRAMES."""
        return self.now_s - self.as_of_s > STALE_TIMEFRAMES * self.timeframe_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Which arm an experiment gives a user, and why. `stage` is off, ramp, rollout or promoted.

    `version` is that of the experiment's log, `run` counts its starts. `propensity` (0..1) is the chance of this arm
    among the users who are compared at this share, given that this user is one; None for everybody else. `model` is the
    bundle that the policy's arm names, whoever the assigned one is, None for the agent's own. `max_notional_usd` caps
    an order of the policy, None caps nothing.
    """

    experiment: str
    version: int
    run: int
    arm: Arm
    reason: AssignmentReason
    stage: str
    propensity: float | None = None
    model: str | None = None
    max_notional_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What we answer to one signal.

    The action leads from `position_exposure` to `target_exposure`: what was advised, within what the venue can hold.
    `held_arm` is the arm that opened the position and is therefore asked instead of the assigned one until it is flat;
    None when the assigned one is asked. `failure` is why the arm that was asked first did not answer.

    `agent` is the user's agent as it was known then, None for a user without one; `agent_stale` when that was known
    from too long ago. `judged_at_s` is the wall time (Unix seconds) by which the signal's age was judged. `halt` is
    what trading as a whole was known to be allowed. What the gate let through may still get no order: `refused_by` says
    why; `client_order_id` is that of the order that follows, None where none does.
    """

    request_id: str
    signal: Signal
    action: Action
    advice: Advice
    assignment: Assignment
    served_arm: Arm
    failure: FailureReason | None
    position_exposure: float
    target_exposure: float
    blocked_by: tuple[BlockReason, ...]
    market: MarketView | None
    agent: Agent | None
    agent_stale: bool
    judged_at_s: float
    halt: Halt
    refused_by: tuple[BlockReason, ...] = ()
    client_order_id: str | None = None
    held_arm: Arm | None = None

    @property
    def clipped(self) -> bool:
        """True when the venue cannot hold what was advised."""
        return self.target_exposure != self.advice.target_exposure

    @property
    def should_trade(self) -> bool:
        """True when the action changes the position and nothing blocks it."""
        return self.action is not Action.HOLD and not self.blocked_by and not self.refused_by

    @property
    def serving_reason(self) -> AssignmentReason | FailureReason:
        """Why the served arm answered: the failure of the arm asked first, or why that one was asked."""
        if self.failure is not None:
            return self.failure
        return self.assignment.reason if self.held_arm is None else AssignmentReason.POSITION_HOLD

    @property
    def fallback_used(self) -> bool:
        """True when the rule answered: by assignment, for a position it opened, or after a failure."""
        return self.served_arm is Arm.FALLBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which decisions of the journal; None asks for all.

    `arm` is the one that answered. Wall times (Unix seconds): from `since_s` until before `until_s`.
    """

    user_id: str | None = None
    symbol: str | None = None
    arm: Arm | None = None
    since_s: float | None = None
    until_s: float | None = None
