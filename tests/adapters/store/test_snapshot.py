"""What a worker knows of the store without asking: as fresh as its last refresh, and never older than it was."""

import asyncio
from dataclasses import replace
from typing import TypeVar

import pytest
from sqlalchemy import delete, insert, update

from adapters.store.agents import change_agent, config_text
from adapters.store.choices import choose
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work
from adapters.store.snapshot import CHUNK, SnapshotReader
from adapters.store.tables import agents, snapshot_version
from adapters.store.trading_tables import positions
from tests.fakes.agents import CONFIG
from tests.fakes.stores import running
from trading.agents import Agent, AgentCommand, AgentState, ExecutionMode, control, start
from trading.errors import StoreUnavailable
from trading.vocabulary import Arm

Result = TypeVar("Result")


async def begin(store: Store, user_id: str, *, model_type: str = "ensemble") -> Agent:
    config = replace(CONFIG, model_type=model_type)
    agent, _ = await store.write(change_agent(user_id, lambda known: start(known, user_id, config, wall_s=1.0)))
    return agent


async def command(store: Store, user_id: str, wanted: AgentCommand) -> Agent:
    change = change_agent(user_id, lambda known: (control(known, wanted, wall_s=2.0), None))
    return (await store.write(change))[0]


async def fill(store: Store, count: int, *, at_once: int = 5_000) -> None:
    """Many agents, quicker than one by one."""

    async def work(connection: StoreConnection) -> None:
        row = {"state": "running", "config": config_text(CONFIG), "created_at": 1.0, "changed_at": 1.0}
        for first in range(1, count + 1, at_once):
            rows = [row | {"user_id": f"user {n}", "version": n} for n in range(first, min(first + at_once, count + 1))]
            await connection.execute(insert(agents), rows)
        await connection.execute(update(snapshot_version).values(version=count))

    await store.write(work, within_s=60)


def test_before_the_first_refresh_nothing_is_known_and_the_age_is_infinite(location: Location) -> None:
    async def scenario() -> None:
        async with running(location) as store:
            await begin(store, "a")
            snapshot = SnapshotReader(store)
            assert snapshot.of("a") is None
            assert snapshot.age_s(0.0) == float("inf")

    asyncio.run(scenario())


def test_a_change_of_another_worker_is_known_after_a_refresh(location: Location) -> None:
    async def scenario() -> None:
        async with running(location) as here, running(location) as there:
            snapshot = SnapshotReader(here)
            await snapshot.refresh()
            started = await begin(there, "a")
            assert snapshot.of("a") is None
            assert await snapshot.refresh() is True
            assert snapshot.of("a") == started
            paused = await command(there, "a", AgentCommand.PAUSE)
            assert await snapshot.refresh() is True
            assert snapshot.of("a") == paused
            assert snapshot.version == paused.version

    asyncio.run(scenario())


def test_a_refresh_without_a_change_says_so(location: Location) -> None:
    async def scenario() -> list[bool]:
        async with running(location) as store:
            await begin(store, "a")
            snapshot = SnapshotReader(store)
            return [await snapshot.refresh() for _ in range(3)]

    assert asyncio.run(scenario()) == [True, False, False]


def test_the_age_is_counted_from_the_last_refresh_that_succeeded(location: Location) -> None:
    async def scenario() -> float:
        now_s = 100.0
        async with running(location) as store:
            snapshot = SnapshotReader(store, monotonic_s=lambda: now_s)
            await snapshot.refresh()
        now_s = 107.0
        with pytest.raises(StoreUnavailable):
            await snapshot.refresh()
        return snapshot.age_s(now_s)

    assert asyncio.run(scenario()) == 7.0


def test_what_this_worker_changed_is_known_at_once(location: Location) -> None:
    async def scenario() -> None:
        async with running(location) as store:
            snapshot = SnapshotReader(store)
            await snapshot.refresh()
            started = await begin(store, "a")
            snapshot.apply(started)
            assert snapshot.of("a") == started
            paused = await command(store, "a", AgentCommand.PAUSE)
            snapshot.apply(paused)
            snapshot.apply(started)
            assert snapshot.of("a") == paused
            assert await snapshot.refresh() is True
            assert snapshot.of("a") == paused

    asyncio.run(scenario())


def test_what_others_changed_meanwhile_is_not_missed_by_a_worker_that_knows_its_own_change(location: Location) -> None:
    async def scenario() -> Agent | None:
        async with running(location) as store:
            snapshot = SnapshotReader(store)
            await snapshot.refresh()
            earlier = await begin(store, "earlier")
            snapshot.apply(await begin(store, "own"))
            await snapshot.refresh()
            assert snapshot.of("earlier") == earlier
            return snapshot.of("own")

    assert asyncio.run(scenario()) is not None


def test_the_value_chosen_last_is_known_after_a_refresh(location: Location) -> None:
    async def scenario() -> list[str | None]:
        async with running(location) as store:
            snapshot = SnapshotReader(store)
            seen = []
            for value in (None, '"ppo:1"', '"ppo:2"'):
                if value is not None:
                    await store.write(choose("active_model", value))
                await snapshot.refresh()
                seen.append(snapshot.choice("active_model"))
            return seen

    assert asyncio.run(scenario()) == [None, '"ppo:1"', '"ppo:2"']


class Held(Store):
    """A store whose next read, once it has looked, is held back until told."""

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        self.looked, self.go_on = asyncio.Event(), asyncio.Event()

    async def read(self, work: Work[Result], *, within_s: float = 2.0) -> Result:
        found = await super().read(work, within_s=within_s)
        if not self.looked.is_set():
            self.looked.set()
            await self.go_on.wait()
        return found


def test_of_two_refreshes_at_once_the_older_look_puts_nothing_back(location: Location) -> None:
    async def scenario() -> None:
        store = Held(location)
        await store.start()
        snapshot = SnapshotReader(store)
        await store.write(choose("model", '"old"'))
        first = asyncio.create_task(snapshot.refresh())
        await store.looked.wait()
        await store.write(choose("model", '"new"'))
        second = asyncio.create_task(snapshot.refresh())
        await asyncio.wait({second}, timeout=0.2)
        store.go_on.set()
        await asyncio.gather(first, second)
        assert snapshot.choice("model") == '"new"'
        await store.stop()

    asyncio.run(scenario())


def test_more_agents_than_are_read_at_once_are_all_known(location: Location) -> None:
    async def scenario() -> None:
        async with running(location) as store:
            await fill(store, 2 * CHUNK + 1)
            await store.write(choose("active_model", '"ppo:1"'))
            snapshot = SnapshotReader(store)
            assert await snapshot.refresh() is True
            assert [snapshot.of(f"user {n}") is not None for n in (1, CHUNK, CHUNK + 1, 2 * CHUNK + 1)] == [True] * 4
            assert snapshot.count(AgentState.RUNNING) == 2 * CHUNK + 1
            assert snapshot.choice("active_model") == '"ppo:1"'
            assert await snapshot.refresh() is False

    asyncio.run(scenario())


def test_exactly_as_many_agents_as_are_read_at_once_are_read_once(location: Location) -> None:
    async def scenario() -> list[bool]:
        async with running(location) as store:
            await fill(store, CHUNK)
            snapshot = SnapshotReader(store)
            return [await snapshot.refresh(), await snapshot.refresh()]

    assert asyncio.run(scenario()) == [True, False]


def test_the_models_that_agents_may_decide_with_are_those_of_agents_that_are_not_stopped(location: Location) -> None:
    async def scenario() -> None:
        async with running(location) as store:
            snapshot = SnapshotReader(store)
            for user, model in (("a", "ppo"), ("b", "a2c"), ("c", "dqn"), ("d", "ppo")):
                await begin(store, user, model_type=model)
            await command(store, "b", AgentCommand.PAUSE)
            await command(store, "c", AgentCommand.STOP)
            await command(store, "d", AgentCommand.STOP)
            await snapshot.refresh()
            assert snapshot.model_types() == {"ppo", "a2c"}
            await command(store, "a", AgentCommand.STOP)
            await snapshot.refresh()
            assert snapshot.model_types() == {"a2c"}
            assert [snapshot.count(state) for state in AgentState] == [0, 1, 3]

    asyncio.run(scenario())


def holding(user_id: str, mode: str, arm: str | None, *, version: int) -> dict[str, object]:
    quantity = "0" if arm is None else "0.5"
    amounts = {"quantity": quantity, "average_cost": "100", "opened_at": None if arm is None else 1.0}
    return {
        "user_id": user_id,
        "symbol": "BTC",
        "mode": mode,
        "arm": arm,
        "changed_at": 1.0,
        "version": version,
    } | amounts


def test_who_opened_a_position_is_known_until_it_is_flat(location: Location) -> None:
    async def put(store: Store, version: int, *rows: dict[str, object]) -> None:
        async def work(connection: StoreConnection) -> None:
            await connection.execute(delete(positions))
            for row in rows:
                await connection.execute(insert(positions), row)
            await connection.execute(update(snapshot_version).values(version=version))

        await store.write(work)

    async def scenario() -> None:
        async with running(location) as store:
            snapshot = SnapshotReader(store)
            await put(store, 1, holding("a", "paper", "rl", version=1), holding("b", "live", "fallback", version=1))
            await snapshot.refresh()
            assert snapshot.opened_by("a", "BTC", ExecutionMode.PAPER) is Arm.RL
            assert snapshot.opened_by("b", "BTC", ExecutionMode.LIVE) is Arm.FALLBACK
            assert snapshot.opened_by("a", "BTC", ExecutionMode.LIVE) is None
            assert snapshot.opened_by("a", "ETH", ExecutionMode.PAPER) is None
            await put(store, 2, holding("a", "paper", None, version=2), holding("b", "live", "rl", version=2))
            await snapshot.refresh()
            assert snapshot.opened_by("a", "BTC", ExecutionMode.PAPER) is None
            assert snapshot.opened_by("b", "BTC", ExecutionMode.LIVE) is Arm.RL

    asyncio.run(scenario())
