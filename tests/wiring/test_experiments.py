"""Commands to experiments: durable, based on what was looked at, and one experiment in force at a time."""

import asyncio
from datetime import date
from pathlib import Path

import pytest

from ab.state import Command, ExperimentState, Phase
from adapters.store.engine import Location
from schemas.experiments import AcceptMissingRequest, OverrideRequest, VersionedRequest
from tests.fakes.experiment_desks import MARKET_S, RAMP, Desk, within
from tests.fakes.settings import settings
from tests.fakes.stores import STORES, running
from trading.errors import IllegalChange, InvalidField, NotFound, StaleVersion, StoreUnavailable
from trading.vocabulary import Arm, AssignmentReason
from wiring.experiment_changes import ANOTHER_RUNS, UNREADABLE
from wiring.split_in_force import MOST_AGE_S


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def test_the_environment_begins_the_default_experiment_once_whoever_comes_first(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.experiments.ensure_default()
        for desk in (one, other):
            status = await desk.experiments.status()
            assert (status["rl_traffic_percentage"], status["version"], status["run"]) == (0.2, 2, 1)
            assert not status["environment"]["differs"]
        page = await one.experiments.events("default", after=0, limit=10)
        told = [(event["by"], event["reason"]) for event in page["events"]]  # type: ignore[attr-defined]
        assert told == [("environment", "no experiment was there yet")] * 2
        assert one.split.assign("user123").arm is Arm.RL

    within(location, test, rl_traffic_percentage=0.2)


def test_the_model_of_the_policys_arm_is_that_of_the_experiments_plan(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        await one.experiments.create(RAMP.model_copy(update={"model": "ppo"}))
        await one.look()
        assert [one.split.model_of(key) for key in ("ramp", "default", "nowhere")] == ["ppo", None, None]

    within(location, test)


def test_who_comes_later_with_another_environment_changes_nothing_and_says_so(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        later = Desk(one.store, settings(Path(), rl_traffic_percentage=0.4, ab_testing_enabled=False))
        await later.experiments.ensure_default()
        status = await later.experiments.status()
        assert (status["enabled"], status["rl_traffic_percentage"]) == (True, 0.2)
        assert status["environment"] == {"enabled": False, "rl_traffic_percentage": 0.4, "differs": True}

    within(location, test, rl_traffic_percentage=0.2)


def test_where_the_environment_disables_it_nobody_meets_the_policy(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        given = one.split.assign("user123")
        assert (given.arm, given.reason) == (Arm.FALLBACK, AssignmentReason.DISABLED)

    within(location, test, ab_testing_enabled=False)


def test_a_share_that_is_configured_is_known_here_at_once_and_elsewhere_after_a_look(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.configure(rl_traffic_percentage=0.0)
        assert one.split.assign("user123").arm is Arm.FALLBACK
        await other.look()
        assert other.split.assign("user123") == one.split.assign("user123")

    within(location, test, rl_traffic_percentage=0.5)


def test_nothing_to_configure_is_no_command(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        with pytest.raises(InvalidField):
            await one.configure()

    within(location, test)


def test_a_command_based_on_what_is_no_longer_so_is_refused_with_the_version_now(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.experiments.command("default", "pause", VersionedRequest(version=2))
        with pytest.raises(StaleVersion) as stale:
            await other.experiments.command("default", "rollback", VersionedRequest(version=2))
        assert stale.value.version == 3

    within(location, test)


def test_of_commands_given_at_once_on_one_version_one_is_taken(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        given = [
            desk.experiments.command("default", command, VersionedRequest(version=2))
            for desk in (one, other)
            for command in ("pause", "rollback", "kill")
        ]
        outcomes = await asyncio.gather(*given, return_exceptions=True)
        assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
        page = await one.experiments.events("default", after=0, limit=10)
        assert len(page["events"]) == 3  # type: ignore[arg-type]

    within(location, test)


def test_an_experiment_that_starts_takes_the_place_of_the_default_one(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.experiments.create(RAMP)
        assert one.split.assign("anna").experiment == "default"
        await one.give("ramp", "start")
        assert one.split.assign("anna").experiment == "ramp"
        await other.look()
        assert not (await other.experiments.status())["in_force"]
        assert (await other.experiments.experiment("ramp"))["in_force"]

    within(location, test)


def test_who_takes_the_place_of_another_ends_its_run_in_its_own_log(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.experiments.create(RAMP)
        await one.give("ramp", "start")
        await other.look()
        ended = other.split.states["default"]
        assert (ended.phase, ended.share, [step.share for step in ended.steps]) == (Phase.ROLLED_BACK, 0.0, [0.2, 0.0])
        page = await other.experiments.events("default", after=2, limit=9)
        (event,) = page["events"]  # type: ignore[misc]
        assert (event["command"], event["by"], event["reason"]) == ("rollback", "operator", "ramp took its place")
        await other.give("ramp", "promote")
        await other.configure(rl_traffic_percentage=0.3)
        begun = other.split.states["default"]
        assert (begun.phase, begun.run, begun.share) == (Phase.RUNNING, 2, 0.3)
        assert other.split.states["ramp"].phase is Phase.ROLLED_BACK
        assert (await other.experiments.experiment("default"))["in_force"]

    within(location, test, rl_traffic_percentage=0.2)


def test_no_other_experiment_begins_while_one_goes_on(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        for key in ("ramp", "other"):
            await one.experiments.create(RAMP.model_copy(update={"key": key}))
        await one.give("ramp", "start", "pause")
        await other.look()
        for begin in (other.give("other", "start"), other.configure(rl_traffic_percentage=0.3)):
            with pytest.raises(IllegalChange, match=ANOTHER_RUNS):
                await begin
        await other.give("ramp", "rollback")
        assert other.split.assign("anna").reason is AssignmentReason.ROLLED_BACK
        await other.configure(rl_traffic_percentage=0.3)
        assert other.split.assign("anna").experiment == "default"

    within(location, test)


def test_a_promotion_gives_way_to_another_experiment_also_while_it_is_paused(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        for key in ("ramp", "other"):
            await one.experiments.create(RAMP.model_copy(update={"key": key}))
        await one.give("ramp", "start", "promote", "pause")
        await other.look()
        assert other.split.assign("anna").reason is AssignmentReason.PAUSED
        await other.give("other", "start")
        assert other.split.assign("anna").experiment == "other"
        assert other.split.states["ramp"].phase is Phase.ROLLED_BACK

    within(location, test)


def test_what_does_not_begin_an_experiment_does_not_put_it_in_force(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        await one.experiments.create(RAMP)
        await one.experiments.override("ramp", OverrideRequest(version=1, user_id="anna", arm="rl"))
        assert one.split.assign("anna").experiment == "default"
        assert (await one.experiments.assignment("ramp", "anna"))["reason"] == "disabled"
        await one.give("ramp", "start")
        given = one.split.assign("anna")
        assert (given.arm, given.reason) == (Arm.RL, AssignmentReason.OVERRIDE)

    within(location, test)


def test_days_are_accepted_as_missing_on_every_worker_and_in_the_log(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.experiments.create(RAMP)
        await one.give("ramp", "start")
        one.market_s = MARKET_S + 2 * 86_400.0
        said = AcceptMissingRequest(version=2, through=date(2023, 11, 15), reason="the feed was down")
        shown = await one.experiments.accept_missing("ramp", said)
        await other.look()
        for seen in (shown, await other.experiments.experiment("ramp")):
            assert (seen["phase"], seen["version"], seen["missing_accepted_through"]) == ("running", 3, "2023-11-15")
            assert seen["missing_accepted_reason"] == "the feed was down"
        (event,) = (await other.experiments.events("ramp", after=2, limit=9))["events"]  # type: ignore[misc]
        assert (event["command"], event["through"], event["by"]) == ("accept_missing", "2023-11-15", "operator")
        later = said.model_copy(update={"version": 3, "through": date(2023, 11, 16)})
        with pytest.raises(InvalidField, match="through: must be a market day that is over"):
            await one.experiments.accept_missing("ramp", later)
        with pytest.raises(StaleVersion):
            await other.experiments.accept_missing("ramp", said)

    within(location, test)


def test_a_key_is_taken_once_and_an_unknown_one_is_nobodys(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        await one.experiments.create(RAMP)
        with pytest.raises(IllegalChange):
            await one.experiments.create(RAMP)
        with pytest.raises(NotFound):
            await one.experiments.experiment("other")
        with pytest.raises(NotFound):
            await one.experiments.command("other", "start", VersionedRequest(version=0))

    within(location, test)


def test_an_arm_names_a_model_that_is_there_and_every_worker_knows_that_it_needs_it(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        with pytest.raises(InvalidField):
            await one.experiments.create(RAMP.model_copy(update={"model": "none"}))
        assert "ramp" not in one.split.states
        await one.experiments.create(RAMP.model_copy(update={"model": "ppo"}))
        await one.give("ramp", "start")
        await other.look()
        assert (one.split.model, other.split.model) == ("ppo", "ppo")

    within(location, test)


def test_the_log_tells_every_command_by_whom_and_why(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        await one.experiments.command("default", "pause", VersionedRequest(version=2, reason="news"))
        page = await one.experiments.events("default", after=1, limit=1)
        assert page["next"] == 2
        (event,) = (await one.experiments.events("default", after=2, limit=1))["events"]  # type: ignore[misc, attr-defined]
        assert (event["command"], event["by"], event["reason"]) == ("pause", "operator", "news")

    within(location, test)


def test_the_engine_acts_on_the_experiment_as_it_saw_it(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        seen: ExperimentState = one.split.states["default"]
        await one.give("default", "pause")
        with pytest.raises(StaleVersion):
            await one.experiments.act(seen, Command.ROLLBACK, reason="lost 12 %")
        await one.experiments.act(one.split.states["default"], Command.ROLLBACK, reason="lost 12 %")
        assert one.split.assign("anna").reason is AssignmentReason.ROLLED_BACK

    within(location, test)


@pytest.mark.parametrize("stop", [Command.PAUSE, Command.ROLLBACK, Command.KILL])
def test_what_stops_a_run_is_taken_whatever_was_commanded_of_users_and_shares_meanwhile(
    location: Location, stop: Command
) -> None:
    async def test(one: Desk, _: Desk) -> None:
        seen: ExperimentState = one.split.states["default"]
        await one.configure(rl_traffic_percentage=0.1)
        with pytest.raises(StaleVersion):
            await one.experiments.act(seen, Command.PROMOTE, reason="nothing of this version is known")
        await one.experiments.act(seen, stop, reason="lost 12 %")
        stopped = one.split.states["default"]
        assert (stopped.version, stopped.reason) == (seen.version + 2, "lost 12 %")

    within(location, test)


def test_what_stops_a_run_stops_no_later_one_in_the_same_phase(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        seen: ExperimentState = one.split.states["default"]
        await one.give("default", "kill")
        await one.give("default", "start")
        with pytest.raises(StaleVersion):
            await one.experiments.act(seen, Command.ROLLBACK, reason="lost 12 %")
        assert one.split.states["default"].phase is Phase.RUNNING

    within(location, test)


def test_a_pause_of_a_promotion_is_not_taken_for_one_of_a_comparison(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        await one.give("default", "pause")
        seen: ExperimentState = one.split.states["default"]
        for command in ("resume", "promote", "pause"):
            await one.give("default", command)
        with pytest.raises(StaleVersion):
            await one.experiments.act(seen, Command.ROLLBACK, reason="the policy is worse")

    within(location, test)


def test_where_the_store_was_not_heard_for_long_everybody_has_the_rule(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        one.age_s = MOST_AGE_S + 0.1
        given = one.split.assign("user123")
        assert (given.experiment, given.arm, given.reason) == ("default", Arm.FALLBACK, AssignmentReason.UNKNOWN)
        # What they had under its run goes on with what they are served now.
        assert (given.version, given.run) == (0, one.split.states["default"].run)

    within(location, test, rl_traffic_percentage=1.0)


def test_where_the_store_was_not_heard_for_long_nothing_is_said_but_what_users_are_given(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        await one.experiments.create(RAMP)
        await one.look()
        one.age_s = MOST_AGE_S + 0.1
        experiments = one.experiments
        for asked in (
            experiments.status(),
            experiments.list(after="", limit=50),
            experiments.experiment("default"),
            experiments.events("default", after=0, limit=1),
            experiments.assignment("ramp", "user123"),
        ):
            with pytest.raises(StoreUnavailable):
                await asked
        given = await experiments.assignment("default", "user123")
        assert (given["arm"], given["reason"], given["in_force"]) == ("fallback", "unknown", True)

    within(location, test, rl_traffic_percentage=1.0)


def test_who_configures_is_told_what_was_written_whatever_is_heard_of_it(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        async with running(location) as heard:
            deaf = Desk(one.store, settings(Path(), rl_traffic_percentage=0.4), heard=heard)
            await deaf.experiments.ensure_default()
        status = await deaf.configure(enabled=False, rl_traffic_percentage=0.1, reason="stop")
        assert (status["enabled"], status["rl_traffic_percentage"]) == (False, 0.1)
        assert (status["version"], status["reason"], status["in_force"]) == (3, "stop", True)

    within(location, test, rl_traffic_percentage=0.4)


def test_who_starts_an_experiment_is_told_that_it_is_in_force_whatever_is_heard_of_it(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        await one.experiments.create(RAMP)
        async with running(location) as heard:
            deaf = Desk(one.store, settings(Path()), heard=heard)
            await deaf.look()
        started = await deaf.experiments.command("ramp", "start", VersionedRequest(version=1))
        assert (started["phase"], started["in_force"]) == ("running", True)

    within(location, test)


def test_experiments_are_listed_page_by_page(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        for key in ("ramp", "another"):
            await one.experiments.create(RAMP.model_copy(update={"key": key}))
        pages, after = [], ""
        while after is not None:
            page = await one.experiments.list(after=after, limit=2)
            pages.append([each["key"] for each in page["experiments"]])  # type: ignore[attr-defined]
            after = page["next"]  # type: ignore[assignment]
        assert pages == [["another", "default"], ["ramp"]]

    within(location, test)


def test_an_experiment_that_cannot_be_read_is_said_to_be_so_and_nothing_is_done_with_it(location: Location) -> None:
    async def test(one: Desk, other: Desk) -> None:
        await one.experiments.create(RAMP)
        await one.put("ramp", '{"of": "a newer version"}', in_force=True)
        await other.look()
        given = await other.experiments.assignment("ramp", "user123")
        assert (given["experiment"], given["arm"], given["reason"]) == ("ramp", "fallback", "unknown")
        for asked in (
            other.experiments.experiment("ramp"),
            other.experiments.command("ramp", "start", VersionedRequest(version=2)),
            other.configure(rl_traffic_percentage=0.3),
        ):
            with pytest.raises(IllegalChange, match=UNREADABLE):
                await asked
        (shown,) = (await other.experiments.list(after="", limit=50))["experiments"]  # type: ignore[misc]
        assert shown["key"] == "default"  # type: ignore[index]

    within(location, test, rl_traffic_percentage=1.0)


def test_a_worker_starts_beside_a_default_experiment_that_cannot_be_read(location: Location) -> None:
    async def test(one: Desk, _: Desk) -> None:
        await one.put("default", "{}", in_force=True)
        later = Desk(one.store, settings(Path()))
        await later.experiments.ensure_default()
        assert later.split.problem is not None
        assert later.split.assign("user123").reason is AssignmentReason.UNKNOWN

    within(location, test)
