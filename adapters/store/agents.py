"""Agents as rows: changed one after the other, each change under a version of its own."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Row, and_, bindparam, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.tables import agent_activity, agents
from adapters.store.upsert import insert_or_replace
from adapters.store.versions import next_version, wait_for_turn
from trading.agents import Agent, AgentConfig, AgentLimits, AgentState, ExecutionMode

Result = TypeVar("Result")
# The agent as it is, None for none -> the agent as it shall be, and what to tell the caller. May raise RequestErrors.
Change = Callable[[Agent | None], tuple[Agent, Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What an agent did since it was created, counted over all workers.

    `last_activity_s` is Unix seconds, None before the first decision.
    """

    predictions: int
    errors: int
    last_activity_s: float | None


def change_agent(user_id: str, change: Change[Result]) -> Work[tuple[Agent, Result]]:
    """Write: change one agent; the agent with its version, and the result. Nothing is written when nothing changes.

    `change` runs on the agent as it is at that moment, whoever else changes it; what it raises leaves all as it was.
    """

    async def work(connection: StoreConnection) -> tuple[Agent, Result]:
        await wait_for_turn(connection)
        found = (await connection.execute(_FIND, {"wanted": user_id})).first()
        known = None if found is None else agent_of(found)
        changed, result = change(known)
        if changed == known:
            return changed, result
        changed = replace(changed, version=await next_version(connection))
        await insert_or_replace(connection, agents, _row(changed), key="user_id")
        return changed, result

    return work


def activity(user_id: str) -> Work[Activity]:
    """Read: what the agent of a user did."""

    async def work(connection: StoreConnection) -> Activity:
        of_agent = and_(agents.c.user_id == agent_activity.c.user_id, agents.c.created_at == agent_activity.c.since)
        statement = select(agent_activity).join(agents, of_agent).where(agent_activity.c.user_id == user_id)
        row = (await connection.execute(statement)).first()
        if row is None:
            return Activity(predictions=0, errors=0, last_activity_s=None)
        return Activity(predictions=row.predictions, errors=row.errors, last_activity_s=row.last_activity)

    return work


def list_agents(*, after_user: str | None, limit: int, state: AgentState | None) -> Work[Sequence[Agent]]:
    """Read: at most `limit` agents by user id, those after `after_user`; None means from the first, in any state."""

    async def work(connection: StoreConnection) -> Sequence[Agent]:
        statement = select(agents).order_by(agents.c.user_id).limit(limit)
        if after_user is not None:
            statement = statement.where(agents.c.user_id > after_user)
        if state is not None:
            statement = statement.where(agents.c.state == state.value)
        return [agent_of(row) for row in await connection.execute(statement)]

    return work


def agent_of(row: Row[Any]) -> Agent:
    """The agent of a row of the table."""
    return Agent(
        user_id=row.user_id,
        state=AgentState(row.state),
        config=config_from(row.config),
        created_at_s=row.created_at,
        changed_at_s=row.changed_at,
        version=row.version,
    )


def config_text(config: AgentConfig) -> str:
    """A configuration as JSON; the same configuration the same text."""
    return json.dumps(asdict(config), sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=4096)  # agents share few configurations: a hundred thousand of them are read in a second
def config_from(text: str) -> AgentConfig:
    """The configuration of a JSON text."""
    fields = json.loads(text)
    fields |= {
        "symbols": tuple(fields["symbols"]),
        "execution": ExecutionMode(fields["execution"]),
        "limits": AgentLimits(**fields["limits"]),
    }
    return AgentConfig(**fields)


_FIND = select(agents).where(agents.c.user_id == bindparam("wanted"))


def _row(agent: Agent) -> dict[str, object]:
    return {
        "user_id": agent.user_id,
        "state": agent.state.value,
        "config": config_text(agent.config),
        "created_at": agent.created_at_s,
        "changed_at": agent.changed_at_s,
        "version": agent.version,
    }
