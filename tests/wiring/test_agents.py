"""What users may do with their agents, and what they are told."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import insert

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store
from adapters.store.snapshot import SnapshotReader
from adapters.store.tables import agent_activity
from rl_models.shelf import Shelf
from schemas.agent_configs import from_config
from schemas.words import iso_time
from tests.fakes.advisers import NOON_S, config
from tests.fakes.bars import random_bars
from tests.fakes.bundles import ensemble_manifest, policy_manifest
from tests.fakes.closers import nowhere
from tests.fakes.market import FakeMarket
from tests.fakes.stores import running, sqlite
from trading.agents import AgentCommand, AgentState, ExecutionMode
from trading.errors import IllegalChange, InvalidField, NotFound, StoreUnavailable
from wiring.agent_checks import AgentChecks
from wiring.agents import AgentDesk, KnownAgents, KnownModels
from wiring.models import Model

Result = TypeVar("Result")

CROWD = Model(manifest=ensemble_manifest(()), networks=(), digest="sha256:1", bundle=None)
SINGLE = Model(manifest=policy_manifest("single"), networks=(), digest="sha256:2", bundle=None)
NO_SHELF = Shelf(candidates=(), refusals=())


@dataclass
class FakeModels:
    """Keeps wiring.agents.KnownModels."""

    current: Model = CROWD
    others: dict[str, Model] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)


@dataclass
class Office:
    """The desk of one worker, its store and what it knows of it; the wall clock is set by hand."""

    store: Store
    known: SnapshotReader
    models: FakeModels = field(default_factory=FakeModels)
    now_s: float = NOON_S

    @property
    def desk(self) -> AgentDesk:
        known: KnownAgents = self.known
        models: KnownModels = self.models
        checks = AgentChecks(FakeMarket({"BTC": random_bars(3)}), lambda: NO_SHELF, mode=ExecutionMode.PAPER)
        return AgentDesk(self.store, known, models, checks, nowhere(self.store), wall_s=lambda: self.now_s)


def with_office(folder: Path, scenario: Callable[[Office], Awaitable[Result]]) -> Result:
    location = sqlite(folder)

    async def run() -> Result:
        async with running(location) as store:
            return await scenario(Office(store, SnapshotReader(store)))

    return asyncio.run(run())


def test_a_started_agent_is_shown_as_it_is_kept(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        started = await office.desk.start("a", config())
        assert started == {
            "user_id": "a",
            "state": AgentState.RUNNING,
            "config": from_config(config()),
            "created_at": iso_time(NOON_S),
            "changed_at": iso_time(NOON_S),
            "result": "started",
            "warnings": [],
        }
        other_worker = SnapshotReader(office.store)
        await other_worker.refresh()
        assert other_worker.of("a") == office.known.of("a")

    with_office(tmp_path, scenario)


def test_a_change_is_known_here_at_once(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        await office.desk.start("a", config())
        for command, state in (
            (AgentCommand.PAUSE, AgentState.PAUSED),
            (AgentCommand.RESUME, AgentState.RUNNING),
            (AgentCommand.STOP, AgentState.STOPPED),
        ):
            assert (await office.desk.control("a", command))["state"] is state
            known = office.known.of("a")
            assert known is not None
            assert known.state is state

    with_office(tmp_path, scenario)


def test_starting_again_says_what_that_did(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        desk = office.desk
        await desk.start("a", config())
        again = await desk.start("a", config())
        await desk.control("a", AgentCommand.PAUSE)
        resumed = await desk.start("a", config())
        assert [again["result"], resumed["result"]] == ["already_running", "resumed"]
        with pytest.raises(IllegalChange) as refused:
            await desk.start("a", config(confidence_threshold=0.5))
        assert refused.value.state == "running"

    with_office(tmp_path, scenario)


def test_what_cannot_work_here_starts_nothing(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        with pytest.raises(InvalidField):
            await office.desk.start("a", config(symbols=("XYZ",)))
        await office.known.refresh()
        assert office.known.of("a") is None

    with_office(tmp_path, scenario)


def test_nobody_controls_or_sees_an_agent_that_is_not_there(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        with pytest.raises(NotFound):
            await office.desk.control("a", AgentCommand.PAUSE)
        with pytest.raises(NotFound):
            await office.desk.status("a")

    with_office(tmp_path, scenario)


def test_a_change_inside_another_transaction_answers_with_the_same(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        desk = office.desk
        started = await office.store.write(await desk.start_work("a", config()))
        assert json.loads(started)["result"] == "started"
        again = await desk.start("a", config())
        assert json.loads(started) == json.loads(json.dumps(again | {"result": "started"}))
        paused = json.loads(await office.store.write(desk.control_work("a", AgentCommand.PAUSE)))
        await office.known.refresh()
        known = office.known.of("a")
        assert known is not None
        assert (paused["state"], known.state) == ("paused", AgentState.PAUSED)

    with_office(tmp_path, scenario)


def test_what_cannot_work_here_is_refused_before_the_other_transaction(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        with pytest.raises(InvalidField):
            await office.desk.start_work("a", config(symbols=("XYZ",)))

    with_office(tmp_path, scenario)


def test_a_new_agent_has_done_nothing_yet(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        await office.desk.start("a", config())
        status = await office.desk.status("a")
        assert (status["prediction_count"], status["error_count"], status["last_activity"]) == (0, 0, None)

    with_office(tmp_path, scenario)


async def journal(connection: StoreConnection) -> None:
    row = {"user_id": "a", "since": NOON_S, "predictions": 7, "errors": 2, "last_activity": NOON_S + 5.0}
    await connection.execute(insert(agent_activity).values(row))


def test_the_status_counts_what_all_workers_journalled(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        await office.desk.start("a", config())
        await office.store.write(journal)
        status = await office.desk.status("a")
        assert (status["prediction_count"], status["error_count"]) == (7, 2)
        assert status["last_activity"] == iso_time(NOON_S + 5.0)

    with_office(tmp_path, scenario)


def test_without_the_store_the_state_is_known_and_the_counts_are_not(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        await office.desk.start("a", config())
        office.store = AwayStore(office.store.location)
        status = await office.desk.status("a")
        assert (status["state"], status["prediction_count"], status["error_count"]) == ("running", None, None)
        with pytest.raises(StoreUnavailable):
            await office.desk.control("a", AgentCommand.PAUSE)

    with_office(tmp_path, scenario)


class AwayStore(Store):
    """A store that does not answer."""

    async def read(self, *_: object, **__: object) -> None:  # type: ignore[override]
        raise StoreUnavailable("away")

    async def write(self, *_: object, **__: object) -> None:  # type: ignore[override]
        raise StoreUnavailable("away")


def test_an_agent_is_up_since_it_was_last_started_or_resumed(tmp_path: Path) -> None:
    async def scenario(office: Office) -> list[float | None]:
        desk, uptimes = office.desk, []
        await desk.start("a", config())
        for command in (None, AgentCommand.PAUSE, AgentCommand.RESUME, None, AgentCommand.STOP):
            office.now_s += 10.0
            if command is not None:
                await desk.control("a", command)
            uptimes.append((await desk.status("a"))["uptime_seconds"])
        return uptimes

    assert with_office(tmp_path, scenario) == [10.0, None, 0.0, 10.0, None]


@pytest.mark.parametrize(
    ("model_type", "models", "shown"),
    [
        ("ensemble", FakeModels(), ("crowd", "1", None)),
        ("ensemble", FakeModels(current=SINGLE), (None, None, "loading")),
        ("ensemble", FakeModels(current=SINGLE, others={"ensemble": CROWD}), ("crowd", "1", None)),
        ("single", FakeModels(others={"single": SINGLE}), ("single", "1", None)),
        ("single", FakeModels(refusals={"single": "/folder is torn"}), (None, None, "refused")),
    ],
)
def test_the_status_says_which_bundle_answers_or_why_none_does(
    tmp_path: Path, model_type: str, models: FakeModels, shown: tuple[str | None, ...]
) -> None:
    async def scenario(office: Office) -> None:
        await office.desk.start("a", config())
        known = office.known.of("a")
        assert known is not None
        office.known.apply(replace(known, config=config(model_type=model_type), version=known.version + 1))
        office.models = models
        assert tuple((await office.desk.status("a"))["model"].values()) == shown

    with_office(tmp_path, scenario)


def test_a_stopped_agent_has_no_model(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        await office.desk.start("a", config())
        await office.desk.control("a", AgentCommand.STOP)
        assert (await office.desk.status("a"))["model"] == {"name": None, "version": None, "reason": "stopped"}

    with_office(tmp_path, scenario)


def test_agents_are_listed_page_by_page_in_the_order_of_their_users(tmp_path: Path) -> None:
    async def scenario(office: Office) -> list[list[str]]:
        for user_id in ("c", "a", "e", "b", "d"):
            await office.desk.start(user_id, config())
        pages, after = [], None
        while True:
            page = await office.desk.list(state=None, after=after, limit=2)
            pages.append([agent["user_id"] for agent in page["agents"]])
            after = page["next"]
            if after is None:
                return pages

    assert with_office(tmp_path, scenario) == [["a", "b"], ["c", "d"], ["e"]]


def test_a_page_that_ends_with_the_last_agent_has_no_next(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        await office.desk.start("a", config())
        page = await office.desk.list(state=None, after=None, limit=1)
        assert page["next"] is None

    with_office(tmp_path, scenario)


def test_agents_can_be_listed_by_state(tmp_path: Path) -> None:
    async def scenario(office: Office) -> None:
        for user_id in ("a", "b"):
            await office.desk.start(user_id, config())
        await office.desk.control("a", AgentCommand.PAUSE)
        page = await office.desk.list(state=AgentState.PAUSED, after=None, limit=10)
        assert [agent["user_id"] for agent in page["agents"]] == ["a"]

    with_office(tmp_path, scenario)
