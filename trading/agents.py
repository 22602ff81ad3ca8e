"""An agent: one user's durable delegate, its configuration, and the changes of state it may go through."""

from dataclasses import dataclass, replace
from enum import StrEnum

from trading.errors import IllegalChange, NotFound

# The bundle that is active, whichever it is, when that is an ensemble; else the newest ensemble there is.
ENSEMBLE = "ensemble"


class AgentState(StrEnum):
    """What an agent is doing. A paused or stopped one is still answered for, but never traded for."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class AgentCommand(StrEnum):
    """What a user may ask of an agent that was started."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class ExecutionMode(StrEnum):
    """What happens with a decision that may be traded; each mode includes the caution of those before it."""

    OFF = "off"
    PAPER = "paper"
    LIVE = "live"


class StartResult(StrEnum):
    """What starting an agent did."""

    STARTED = "started"
    ALREADY_RUNNING = "already_running"
    RESUMED = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """Bounds on the orders of one agent; None means no bound of its own. Amounts in USD."""

    max_notional_usd: float | None = None
    max_orders_per_minute: int | None = None
    max_open_orders: int | None = None
    max_daily_loss_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """How an agent decides.

    `model_type` is ENSEMBLE or a bundle's NAME or NAME:VERSION; it picks the bundle inside the RL arm.
    `confidence_threshold` (0..1) is judged for risk-increasing RL decisions, None judges nothing. `symbols` empty means
    every symbol of the market. `timeframe_s` is the length of the bars it decides on. `capital_usd` is split over its
    symbols; None lets the mode decide.
    """

    model_type: str
    confidence_threshold: float | None
    symbols: tuple[str, ...]
    timeframe_s: int
    execution: ExecutionMode
    capital_usd: float | None
    limits: AgentLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One user's agent. Times are wall times, Unix seconds; `version` is that of the snapshot that first had it so."""

    user_id: str
    state: AgentState
    config: AgentConfig
    created_at_s: float
    changed_at_s: float
    version: int


# From each state, what each command leads to. What is not here is refused with the state.
CHANGES: dict[tuple[AgentState, AgentCommand], AgentState] = {
    (AgentState.RUNNING, AgentCommand.PAUSE): AgentState.PAUSED,
    (AgentState.PAUSED, AgentCommand.RESUME): AgentState.RUNNING,
    (AgentState.RUNNING, AgentCommand.STOP): AgentState.STOPPED,
    (AgentState.PAUSED, AgentCommand.STOP): AgentState.STOPPED,
}


def start(known: Agent | None, user_id: str, config: AgentConfig, *, wall_s: float) -> tuple[Agent, StartResult]:
    """The agent after a start, and what the start did. Raises IllegalChange for another configuration while it lives.

    A stopped agent starts anew with any configuration. The version is for the store to give.
    """
    if known is None or known.state is AgentState.STOPPED:
        started = Agent(
            user_id=user_id,
            state=AgentState.RUNNING,
            config=config,
            created_at_s=wall_s,
            changed_at_s=wall_s,
            version=0,
        )
        return started, StartResult.STARTED
    if known.config != config:
        raise IllegalChange(known.state)
    if known.state is AgentState.PAUSED:
        return replace(known, state=AgentState.RUNNING, changed_at_s=wall_s), StartResult.RESUMED
    return known, StartResult.ALREADY_RUNNING


def control(known: Agent | None, command: AgentCommand, *, wall_s: float) -> Agent:
    """The agent after a command. Raises NotFound without an agent, IllegalChange for what is not in CHANGES."""
    if known is None:
        raise NotFound("agent")
    state = CHANGES.get((known.state, command))
    if state is None:
        raise IllegalChange(known.state)
    return replace(known, state=state, changed_at_s=wall_s)


def stop_to_close(known: Agent | None, *, wall_s: float) -> Agent:
    """The agent after a stop that closes its positions: one that is stopped already stays as it is, and may close them.

    Raises NotFound without an agent.
    """
    stopped = known is not None and known.state is AgentState.STOPPED
    return known if known is not None and stopped else control(known, AgentCommand.STOP, wall_s=wall_s)
