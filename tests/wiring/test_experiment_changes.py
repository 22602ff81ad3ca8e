"""What a command makes of an experiment in the store: times that never go back, and so many experiments."""

import asyncio
from pathlib import Path

import pytest

from ab.alarms import clock_set_back
from ab.state import Command
from adapters.store.engine import Location, Store
from adapters.store.experiments import ExperimentChange, LoggedEvent, change_experiment
from schemas.experiments import OverrideRequest
from tests.fakes.experiment_desks import MARKET_S, RAMP, WALL_S, Desk, within
from tests.fakes.stores import STORES
from trading.errors import IllegalChange
from wiring.experiment_changes import MOST_EXPERIMENTS, TOO_MANY_EXPERIMENTS


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def test_the_times_of_a_log_never_go_back_whoever_commands(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.configure(rl_traffic_percentage=0.1)
        other.wall_s, other.market_s = WALL_S - 60.0, MARKET_S - 3600.0
        await other.configure(rl_traffic_percentage=0.3)
        await other.experiments.act(other.split.states["default"], Command.PAUSE, reason="a guardrail")
        one.wall_s, one.market_s = WALL_S + 1.0, MARKET_S + 2.0
        await one.experiments.status()
        await one.give("default", "resume")
        events = (await one.experiments.events("default", after=2, limit=10))["events"]
        times = [event["at"] for event in events]
        assert times == ["2025-10-09T08:53:20.000Z"] * 3 + ["2025-10-09T08:53:21.000Z"]  # type: ignore[attr-defined]
        steps = [step.since_s for step in one.split.states["default"].steps]
        assert (sorted(steps), steps[-1]) == (steps, MARKET_S + 2.0)

    within(location, test)


def test_the_times_of_a_log_do_not_go_back_either_where_another_experiment_takes_its_place(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.experiments.create(RAMP)
        one.wall_s, one.market_s = WALL_S + 5.0, MARKET_S + 60.0
        # No change of the share: its time is that of the event alone.
        await one.experiments.override("default", OverrideRequest(version=2, user_id="anna", arm="rl"))
        await other.look()
        await other.give("ramp", "start")
        (ended,) = (await other.experiments.events("default", after=3, limit=10))["events"]  # type: ignore[misc]
        assert (ended["command"], ended["at"]) == ("rollback", "2025-10-09T08:53:25.000Z")
        assert ended["market_at"] == "2023-11-14T22:14:20.000Z"
        assert other.split.states["default"].steps[-1].since_s == MARKET_S + 60.0
        assert other.split.states["ramp"].steps[-1].since_s == MARKET_S

    within(location, test)


@pytest.mark.parametrize("end", ["rollback", "kill", "promote"])
def test_a_run_begins_at_the_market_s_own_time_and_goes_back_behind_it_no_more(location: Location, end: str) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.configure(rl_traffic_percentage=0.1)
        one.market_s = MARKET_S + 9e6
        await one.give("default", end)
        # As after restart-market, at a wall clock that was put back as well.
        began_s = one.market_s = other.market_s = MARKET_S - 9e6
        one.wall_s = WALL_S - 60.0
        await (one.give("default", "start") if end == "kill" else one.configure(rl_traffic_percentage=0.2))
        state = one.split.states["default"]
        assert [step.since_s for step in state.steps] == [began_s]
        assert clock_set_back(state, None, began_s) is None
        other.market_s -= 60.0
        await other.configure(rl_traffic_percentage=0.3)
        await other.give("default", "pause")
        assert [step.since_s for step in other.split.states["default"].steps] == [began_s] * 3
        events = (await one.experiments.events("default", after=0, limit=20))["events"]
        times = [event["at"] for event in events]  # type: ignore[attr-defined]
        assert times == sorted(times)

    within(location, test)


def test_a_command_has_the_time_at_which_it_is_taken_not_the_one_at_which_it_came(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        ahead = other.market_s = MARKET_S + 60.0
        first, second = one.configure(rl_traffic_percentage=0.1), other.configure(rl_traffic_percentage=0.3)
        await asyncio.gather(second, first)
        await one.look()
        steps = [step.since_s for step in one.split.states["default"].steps]
        assert sorted(steps) == steps
        assert ahead in steps

    within(location, test)


def test_there_are_so_many_experiments_and_no_more(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        await asyncio.gather(*(fill(one.store, f"e{number}") for number in range(MOST_EXPERIMENTS - 2)))
        await one.experiments.create(RAMP)
        with pytest.raises(IllegalChange, match=TOO_MANY_EXPERIMENTS):
            await one.experiments.create(RAMP.model_copy(update={"key": "one-more"}))
        await one.configure(rl_traffic_percentage=0.1)

    within(location, test)


async def fill(store: Store, key: str) -> None:
    event = LoggedEvent(number=1, at_s=0.0, market_s=0.0, by="", command="", detail="{}")
    kept = ExperimentChange(event=event, document="{}", in_force=False)
    await store.write(change_experiment(key, lambda _: kept), within_s=60.0)
