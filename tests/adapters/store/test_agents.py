"""Agents in the store: changed one after the other whoever asks, and found again as they were."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from adapters.store.agents import Activity, Change, activity, change_agent, config_from, config_text, list_agents
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.tables import agent_activity
from tests.fakes.agents import CONFIG
from tests.fakes.stores import running
from trading.agents import (
    Agent,
    AgentCommand,
    AgentConfig,
    AgentLimits,
    AgentState,
    ExecutionMode,
    StartResult,
    control,
    start,
)
from trading.errors import IllegalChange, NotFound


def starting(user_id: str, config: AgentConfig = CONFIG, *, wall_s: float = 1.0) -> Change[StartResult]:
    return lambda known: start(known, user_id, config, wall_s=wall_s)


def controlling(command: AgentCommand, *, wall_s: float = 2.0) -> Change[AgentCommand]:
    return lambda known: (control(known, command, wall_s=wall_s), command)


async def begin(store: Store, *users: str) -> list[Agent]:
    return [(await store.write(change_agent(user, starting(user))))[0] for user in users]


async def listed(store: Store, **narrowed: Any) -> list[str]:
    wanted = {"after_user": None, "limit": 100, "state": None} | narrowed
    return [agent.user_id for agent in await store.read(list_agents(**wanted))]


def test_an_agent_is_found_again_as_it_was_left(location: Location) -> None:
    async def scenario() -> tuple[Agent, list[Agent]]:
        async with running(location) as store:
            await begin(store, "a")
            left, _ = await store.write(change_agent("a", controlling(AgentCommand.PAUSE)))
        async with running(location) as again:
            return left, list(await again.read(list_agents(after_user=None, limit=10, state=None)))

    left, found = asyncio.run(scenario())
    assert found == [left]
    assert (left.state, left.config, left.created_at_s, left.changed_at_s) == (AgentState.PAUSED, CONFIG, 1.0, 2.0)


def test_each_change_has_a_version_of_its_own_and_a_later_one_a_higher_one(location: Location) -> None:
    async def scenario() -> list[int]:
        async with running(location) as store:
            agents = await begin(store, "a", "b")
            paused, _ = await store.write(change_agent("a", controlling(AgentCommand.PAUSE)))
            return [agent.version for agent in (*agents, paused)]

    versions = asyncio.run(scenario())
    assert versions == sorted(set(versions))


def test_what_changes_nothing_has_no_new_version(location: Location) -> None:
    async def scenario() -> tuple[Agent, Agent, StartResult]:
        async with running(location) as store:
            (started,) = await begin(store, "a")
            same, result = await store.write(change_agent("a", starting("a", wall_s=9.0)))
            return started, same, result

    started, same, result = asyncio.run(scenario())
    assert same == started
    assert result is StartResult.ALREADY_RUNNING


def test_a_refused_change_reaches_its_caller_and_changes_nothing(location: Location) -> None:
    async def scenario() -> list[Agent]:
        async with running(location) as store:
            with pytest.raises(NotFound):
                await store.write(change_agent("nobody", controlling(AgentCommand.PAUSE)))
            started = await begin(store, "a")
            with pytest.raises(IllegalChange):
                await store.write(change_agent("a", controlling(AgentCommand.RESUME)))
            assert await store.read(list_agents(after_user=None, limit=10, state=None)) == started
            return started

    assert len(asyncio.run(scenario())) == 1


def test_of_many_that_start_at_once_on_two_workers_one_starts(location: Location) -> None:
    async def scenario() -> list[StartResult]:
        async with running(location) as one, running(location) as two:
            calls = [store.write(change_agent("a", starting("a")), within_s=30) for store in (one, two) * 25]
            return [result for _, result in await asyncio.gather(*calls)]

    results = asyncio.run(scenario())
    assert results.count(StartResult.STARTED) == 1
    assert results.count(StartResult.ALREADY_RUNNING) == 49


def test_racing_changes_from_two_workers_happen_one_after_the_other(location: Location) -> None:
    # Fifty that flip between running and paused: each that succeeds must have seen the one before it.
    async def attempt(store: Store, command: AgentCommand) -> Agent | None:
        try:
            return (await store.write(change_agent("a", controlling(command)), within_s=30))[0]
        except IllegalChange:
            return None

    async def scenario() -> tuple[list[Agent], Agent]:
        async with running(location) as one, running(location) as two:
            (started,) = await begin(one, "a")
            commands = [AgentCommand.PAUSE, AgentCommand.RESUME] * 25
            calls = [attempt((one, two)[place % 3 % 2], command) for place, command in enumerate(commands)]
            changed = [agent for agent in await asyncio.gather(*calls) if agent is not None]
            (left,) = await two.read(list_agents(after_user=None, limit=10, state=None))
            return [started, *sorted(changed, key=lambda agent: agent.version)], left

    agents, left = asyncio.run(scenario())
    assert [agent.version for agent in agents] == list(range(agents[0].version, agents[0].version + len(agents)))
    states = [AgentState.RUNNING, AgentState.PAUSED]
    assert [agent.state for agent in agents] == [states[place % 2] for place in range(len(agents))]
    assert left == agents[-1]
    assert len(agents) > 2


def test_after_racing_pauses_and_stops_the_agent_is_stopped_for_good(location: Location) -> None:
    async def attempt(store: Store, command: AgentCommand) -> AgentState | str:
        try:
            return (await store.write(change_agent("a", controlling(command)), within_s=30))[0].state
        except IllegalChange as refused:
            return f"refused while {refused.state}"

    async def scenario() -> tuple[list[AgentState | str], AgentState]:
        async with running(location) as one, running(location) as two:
            await begin(one, "a")
            commands = [AgentCommand.PAUSE, AgentCommand.STOP] * 25
            calls = [attempt((one, two)[place % 2], command) for place, command in enumerate(commands)]
            outcomes = await asyncio.gather(*calls)
            (left,) = await one.read(list_agents(after_user=None, limit=10, state=None))
            return outcomes, left.state

    outcomes, left = asyncio.run(scenario())
    assert left is AgentState.STOPPED
    assert outcomes.count(AgentState.STOPPED) == 1
    assert outcomes.count(AgentState.PAUSED) <= 1


def test_agents_are_listed_by_user_in_pages(location: Location) -> None:
    async def scenario() -> tuple[list[str], list[str], list[str]]:
        async with running(location) as store:
            await begin(store, "c", "a", "b")
            await store.write(change_agent("b", controlling(AgentCommand.STOP)))
            return (
                await listed(store, limit=2),
                await listed(store, after_user="b"),
                await listed(store, state=AgentState.RUNNING),
            )

    assert asyncio.run(scenario()) == (["a", "b"], ["c"], ["a", "c"])


def test_an_agent_that_did_nothing_has_no_activity(location: Location) -> None:
    async def scenario() -> Activity:
        async with running(location) as store:
            await begin(store, "a")
            return await store.read(activity("a"))

    assert asyncio.run(scenario()) == Activity(predictions=0, errors=0, last_activity_s=None)


def test_what_an_agent_did_is_told(location: Location) -> None:
    async def did(connection: StoreConnection) -> None:
        values = {"user_id": "a", "since": 1.0, "predictions": 2**40, "errors": 3, "last_activity": 1_700_000_000.125}
        await connection.execute(insert(agent_activity).values(values))

    async def scenario() -> Activity:
        async with running(location) as store:
            await begin(store, "a")
            await store.write(did)
            return await store.read(activity("a"))

    assert asyncio.run(scenario()) == Activity(predictions=2**40, errors=3, last_activity_s=1_700_000_000.125)


AMOUNTS = st.none() | st.floats(min_value=0, allow_infinity=False)
CONFIGS = st.builds(
    AgentConfig,
    model_type=st.text(),
    confidence_threshold=st.none() | st.floats(0, 1),
    symbols=st.lists(st.text()).map(tuple),
    timeframe_s=st.integers(60, 86400),
    execution=st.sampled_from(ExecutionMode),
    capital_usd=AMOUNTS,
    limits=st.builds(
        AgentLimits,
        max_notional_usd=AMOUNTS,
        max_orders_per_minute=st.none() | st.integers(0),
        max_open_orders=st.none() | st.integers(0),
        max_daily_loss_usd=AMOUNTS,
    ),
)


@given(CONFIGS)
def test_a_configuration_is_read_as_it_was_written(config: AgentConfig) -> None:
    assert config_from(config_text(config)) == config


def test_another_configuration_has_another_text() -> None:
    assert config_text(CONFIG) == config_text(replace(CONFIG))
    assert config_text(CONFIG) != config_text(replace(CONFIG, timeframe_s=60))
