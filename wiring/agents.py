"""What users may do with their agents: start, control, look at and list them."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic_core import to_json

from adapters.store.agents import Activity, activity, change_agent, list_agents
from adapters.store.closing import Stopping, close_positions_of
from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.order_lists import in_flight
from schemas.agents import (
    AgentControlled,
    AgentModelView,
    AgentsPage,
    AgentStarted,
    AgentView,
    ClosingView,
    WarningView,
    to_summary,
)
from schemas.words import iso_time
from trading import agents
from trading.agents import ENSEMBLE, Agent, AgentCommand, AgentConfig, AgentState, StartResult
from trading.closing import Closing
from trading.errors import NotFound, StoreUnavailable
from wiring.agent_checks import AgentChecks
from wiring.models import Model

Before = TypeVar("Before")
After = TypeVar("After")


class KnownAgents(Protocol):
    """The agents as this process knows them; of its own changes it may be told at once."""

    def of(self, user_id: str) -> Agent | None:
        """See trading.ports.Agents."""

    def apply(self, agent: Agent) -> None:
        """Take in a change that this process made."""


class KnownModels(Protocol):
    """The models that serve in this process (see rl_models.served.ServedModels)."""

    @property
    def current(self) -> Model:
        """The active one."""

    @property
    def others(self) -> Mapping[str, Model]:
        """Those loaded by other names."""

    @property
    def refusals(self) -> Mapping[str, str]:
        """Why named ones are not loaded."""


class Closer(Protocol):
    """Closes what stopped agents hold; see wiring.closer."""

    def stopping(self) -> Stopping:
        """How the transaction that stops an agent does it."""

    def wake(self) -> None:
        """Send what it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Controlled:
    agent: Agent
    in_flight: Sequence[str]
    closing: Sequence[Closing]


class AgentDesk:
    """Changes agents in the store and shows them as the wire does.

    What a change made of an agent is known to this process as soon as it is durable, and to all others with their next
    look at the store. For changes inside another transaction (`start_work`, `control_work`) the caller sees to that.
    """

    def __init__(
        self,
        store: Store,
        known: KnownAgents,
        models: KnownModels,
        checks: AgentChecks,
        closer: Closer,
        *,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._known = known
        self._models = models
        self._checks = checks
        self._closer = closer
        self._wall_s = wall_s

    async def start(self, user_id: str, config: AgentConfig) -> AgentStarted:
        """Start, or resume, the agent of a user. Raises InvalidField, IllegalChange, StoreUnavailable."""
        warnings = await self._checks.check(user_id, config, self._models.current)
        agent, result = await self._store.write(self._start(user_id, config))
        self._known.apply(agent)
        return _show_started(agent, result, warnings)

    async def start_work(self, user_id: str, config: AgentConfig) -> Work[bytes]:
        """The same to be done in another transaction: a write whose result is the answer as JSON, once it was checked.

        Raises InvalidField; the write raises IllegalChange.
        """
        warnings = await self._checks.check(user_id, config, self._models.current)
        write = self._start(user_id, config)
        return lambda connection: _then(write(connection), lambda done: to_json(_show_started(*done, warnings)))

    async def control(self, user_id: str, command: AgentCommand, *, close_positions: bool = False) -> AgentControlled:
        """Pause, resume or stop an agent. Raises NotFound, IllegalChange, StoreUnavailable.

        Once it is paused or stopped no order of it begins to leave; the answer names those that had before. With
        `close_positions` (and stop) those leave that close what it holds, and an agent may be stopped that is already.
        """
        controlled = await self._store.write(self._control(user_id, command, close_positions=close_positions))
        self._known.apply(controlled.agent)
        self.controlled()
        return _show_controlled(controlled)

    def control_work(self, user_id: str, command: AgentCommand, *, close_positions: bool = False) -> Work[bytes]:
        """The same to be done in another transaction: a write whose result is the answer as JSON.

        The write raises NotFound, IllegalChange. Once it is durable, `controlled` is to be called.
        """
        write = self._control(user_id, command, close_positions=close_positions)
        return lambda connection: _then(write(connection), lambda done: to_json(_show_controlled(done)))

    def controlled(self) -> None:
        """What a command made durable may leave now."""
        self._closer.wake()

    async def status(self, user_id: str) -> AgentView:
        """An agent and what it did so far. Raises NotFound."""
        agent = self._known.of(user_id)
        if agent is None:
            raise NotFound("agent")
        done = await self._activity(user_id)
        last_s = None if done is None else done.last_activity_s
        running = agent.state is AgentState.RUNNING
        return {
            **to_summary(agent),
            "last_activity": None if last_s is None else iso_time(last_s),
            "prediction_count": None if done is None else done.predictions,
            "error_count": None if done is None else done.errors,
            "uptime_seconds": round(max(self._wall_s() - agent.changed_at_s, 0.0), 3) if running else None,
            "model": self._model(agent),
        }

    async def list(self, *, state: AgentState | None, after: str | None, limit: int) -> AgentsPage:
        """At most `limit` agents in the order of their users, those after a user. Raises StoreUnavailable."""
        found = await self._store.read(list_agents(after_user=after, limit=limit + 1, state=state))
        page = found[:limit]
        return {
            "agents": [to_summary(agent) for agent in page],
            "next": page[-1].user_id if len(found) > limit else None,
        }

    def _start(self, user_id: str, config: AgentConfig) -> Work[tuple[Agent, StartResult]]:
        return change_agent(user_id, lambda known: agents.start(known, user_id, config, wall_s=self._wall_s()))

    def _control(self, user_id: str, command: AgentCommand, *, close_positions: bool) -> Work[_Controlled]:
        stopping = self._closer.stopping() if close_positions else None

        def after(known: Agent | None) -> Agent:
            if close_positions:
                return agents.stop_to_close(known, wall_s=self._wall_s())
            return agents.control(known, command, wall_s=self._wall_s())

        change = change_agent(user_id, lambda known: (after(known), None))

        async def work(connection: StoreConnection) -> _Controlled:
            agent, _ = await change(connection)
            closing = () if stopping is None else await close_positions_of(connection, agent, stopping)
            return _Controlled(agent=agent, in_flight=await in_flight(connection, user_id), closing=closing)

        return work

    async def _activity(self, user_id: str) -> Activity | None:
        try:
            return await self._store.read(activity(user_id))
        except StoreUnavailable:
            # The state is known without it, and is what a caller must not be left without.
            return None

    def _model(self, agent: Agent) -> AgentModelView:
        if agent.state is AgentState.STOPPED:
            return {"name": None, "version": None, "reason": "stopped"}
        models, named = self._models, agent.config.model_type
        is_active = named == ENSEMBLE and models.current.is_ensemble
        model = models.current if is_active else models.others.get(named)
        if model is None:
            return {"name": None, "version": None, "reason": "refused" if named in models.refusals else "loading"}
        return {"name": model.manifest.name, "version": model.manifest.version, "reason": None}


def _show_started(agent: Agent, result: StartResult, warnings: Sequence[WarningView]) -> AgentStarted:
    return {**to_summary(agent), "result": result, "warnings": list(warnings)}


def _show_controlled(done: _Controlled) -> AgentControlled:
    closing: list[ClosingView] = [
        {"symbol": each.symbol, "client_order_id": each.client_order_id, "reason": each.reason} for each in done.closing
    ]
    return {**to_summary(done.agent), "orders_in_flight": list(done.in_flight), "closing": closing}


async def _then(before: Awaitable[Before], make: Callable[[Before], After]) -> After:
    return make(await before)
