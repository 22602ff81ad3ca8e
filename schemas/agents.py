"""Agents: what may be asked of them, and what they are shown as."""

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import TypedDict

from schemas.agent_configs import AgentConfigBody, AgentConfigView, from_config
from schemas.words import IdempotencyKey, UserId, WireRequest, iso_time
from trading.agents import Agent, AgentCommand, AgentState, StartResult
from trading.vocabulary import BlockReason


class AgentStartRequest(WireRequest):
    """Start the agent of a user."""

    user_id: UserId
    config: AgentConfigBody = AgentConfigBody()
    idempotency_key: IdempotencyKey | None = None


class AgentStartParams(TypedDict):
    """The fields of an AgentStartRequest, validated, as an API method gets them."""

    user_id: str
    config: AgentConfigBody
    idempotency_key: str | None


class AgentControlRequest(WireRequest):
    """Pause, resume or stop the agent of a user."""

    user_id: UserId
    action: AgentCommand = Field(strict=False, description="pause, resume or stop.")
    close_positions: bool = Field(False, description="With stop: order what closes all that the agent holds.")
    idempotency_key: IdempotencyKey | None = None

    @field_validator("close_positions")
    @classmethod
    def _only_with_stop(cls, close_positions: bool, info: ValidationInfo) -> bool:
        if close_positions and info.data.get("action") is not AgentCommand.STOP:
            raise ValueError("goes with stop only")
        return close_positions


class AgentControlParams(TypedDict):
    """The fields of an AgentControlRequest, validated, as an API method gets them."""

    user_id: str
    action: AgentCommand
    close_positions: bool
    idempotency_key: str | None


class AgentSummary(TypedDict):
    """An agent and since when it is so."""

    user_id: str
    state: AgentState
    config: AgentConfigView
    created_at: str
    changed_at: str


class AgentsPage(TypedDict):
    """Agents in the order of their users; `next` is the `after` of the next page, null on the last."""

    agents: list[AgentSummary]
    next: str | None


class WarningView(TypedDict):
    """Something a user should know that is no error."""

    code: str
    message: str


class AgentStarted(AgentSummary):
    """What starting an agent did."""

    result: StartResult
    warnings: list[WarningView]


class AgentModelView(TypedDict):
    """The bundle that answers for an agent in the policy's arm.

    Name and version are null with the reason: `loading` for a moment, `refused` (the status says why) or `stopped`.
    """

    name: str | None
    version: str | None
    reason: str | None


class AgentView(AgentSummary):
    """The status of an agent, the same from every worker.

    Counts are those of the journal, null while the store does not answer. `uptime_seconds` is how long it has been
    running since it was last started or resumed, null when it is not running.
    """

    last_activity: str | None
    prediction_count: int | None
    error_count: int | None
    uptime_seconds: float | None
    model: AgentModelView


class ClosingView(TypedDict):
    """A position that a stop closes, or that what has left may yet open: by the order that closes it, null with the
    reason why none does."""

    symbol: str
    client_order_id: str | None
    reason: BlockReason | None


class AgentControlled(AgentSummary):
    """An agent after a command; `orders_in_flight` may still be filled: they had left before it.

    `closing` has every position there was at a stop with `close_positions`, and the symbols in which there may be one
    yet; nothing after any other command.
    """

    orders_in_flight: list[str]
    closing: list[ClosingView]


def to_summary(agent: Agent) -> AgentSummary:
    """An agent as the wire shows it."""
    return {
        "user_id": agent.user_id,
        "state": agent.state,
        "config": from_config(agent.config),
        "created_at": iso_time(agent.created_at_s),
        "changed_at": iso_time(agent.changed_at_s),
    }
