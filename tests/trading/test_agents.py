"""What an agent may go through, and what it may not."""

from dataclasses import replace

import pytest

from tests.fakes.advisers import NOON_S, agent, config
from trading.agents import Agent, AgentCommand, AgentState, StartResult, control, start, stop_to_close
from trading.errors import IllegalChange, NotFound

LATER_S = NOON_S + 100.0
RUNNING, PAUSED, STOPPED = AgentState.RUNNING, AgentState.PAUSED, AgentState.STOPPED


def test_a_user_without_an_agent_starts_one() -> None:
    started, result = start(None, "user123", config(), wall_s=LATER_S)
    assert result is StartResult.STARTED
    assert started == replace(agent(), created_at_s=LATER_S, changed_at_s=LATER_S, version=0)


def test_a_stopped_agent_starts_anew_with_any_configuration() -> None:
    other = config(model_type="mine")
    started, result = start(agent(STOPPED), "user123", other, wall_s=LATER_S)
    assert (started.state, started.config, started.created_at_s, result) == (
        RUNNING,
        other,
        LATER_S,
        StartResult.STARTED,
    )


def test_the_same_start_again_changes_nothing() -> None:
    assert start(agent(), "user123", config(), wall_s=LATER_S) == (agent(), StartResult.ALREADY_RUNNING)


def test_the_same_start_resumes_a_paused_agent() -> None:
    resumed, result = start(agent(PAUSED), "user123", config(), wall_s=LATER_S)
    assert result is StartResult.RESUMED
    assert resumed == replace(agent(), changed_at_s=LATER_S)


@pytest.mark.parametrize("state", [RUNNING, PAUSED])
def test_another_configuration_is_refused_while_the_agent_lives(state: AgentState) -> None:
    with pytest.raises(IllegalChange) as refused:
        start(agent(state), "user123", config(confidence_threshold=0.5), wall_s=LATER_S)
    assert refused.value.state == state


@pytest.mark.parametrize(
    ("state", "command", "after"),
    [
        (RUNNING, AgentCommand.PAUSE, PAUSED),
        (PAUSED, AgentCommand.RESUME, RUNNING),
        (RUNNING, AgentCommand.STOP, STOPPED),
        (PAUSED, AgentCommand.STOP, STOPPED),
    ],
)
def test_a_command_changes_the_state_and_when_it_changed(
    state: AgentState, command: AgentCommand, after: AgentState
) -> None:
    known: Agent = agent(state)
    assert control(known, command, wall_s=LATER_S) == replace(known, state=after, changed_at_s=LATER_S)


@pytest.mark.parametrize(
    ("state", "command"),
    [
        (RUNNING, AgentCommand.RESUME),
        (PAUSED, AgentCommand.PAUSE),
        (STOPPED, AgentCommand.PAUSE),
        (STOPPED, AgentCommand.RESUME),
        (STOPPED, AgentCommand.STOP),
    ],
)
def test_any_other_change_is_refused_with_the_state(state: AgentState, command: AgentCommand) -> None:
    with pytest.raises(IllegalChange) as refused:
        control(agent(state), command, wall_s=LATER_S)
    assert refused.value.state == state


@pytest.mark.parametrize("command", AgentCommand)
def test_there_is_nothing_to_control_without_an_agent(command: AgentCommand) -> None:
    with pytest.raises(NotFound, match="no such agent"):
        control(None, command, wall_s=LATER_S)


@pytest.mark.parametrize("state", [RUNNING, PAUSED])
def test_a_stop_that_closes_positions_stops(state: AgentState) -> None:
    assert stop_to_close(agent(state), wall_s=LATER_S) == replace(agent(STOPPED), changed_at_s=LATER_S)


def test_a_stopped_agent_stays_as_it_is_when_it_closes_positions() -> None:
    assert stop_to_close(agent(STOPPED), wall_s=LATER_S) == agent(STOPPED)


def test_without_an_agent_there_are_no_positions_to_close() -> None:
    with pytest.raises(NotFound):
        stop_to_close(None, wall_s=LATER_S)
