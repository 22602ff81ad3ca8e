"""Which commands an agent takes, and how it is shown."""

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from schemas.agent_configs import from_config
from schemas.agents import AgentControlRequest, to_summary
from schemas.words import iso_time
from tests.fakes.advisers import NOON_S, agent, config
from trading.agents import AgentCommand, AgentState


@pytest.mark.parametrize("action", AgentCommand)
def test_a_command_is_pause_resume_or_stop(action: AgentCommand) -> None:
    request = {"user_id": "user123", "action": action.value}
    assert AgentControlRequest.model_validate_json(json.dumps(request)).action is action


@pytest.mark.parametrize("action", ["start", "Pause", "", None, 1])
def test_any_other_command_is_refused(action: object) -> None:
    with pytest.raises(ValidationError):
        AgentControlRequest.model_validate_json(json.dumps({"user_id": "user123", "action": action}))


def test_an_agent_is_shown_with_its_state_and_since_when() -> None:
    later = replace(agent(AgentState.PAUSED), changed_at_s=NOON_S + 1.5)
    assert to_summary(later) == {
        "user_id": "user123",
        "state": "paused",
        "config": from_config(config()),
        "created_at": iso_time(NOON_S),
        "changed_at": iso_time(NOON_S + 1.5),
    }


def test_positions_are_closed_by_a_stop_that_says_so() -> None:
    def asked(**fields: object) -> bool:
        return AgentControlRequest.model_validate_json(json.dumps({"user_id": "u"} | fields)).close_positions

    assert asked(action="stop", close_positions=True)
    assert not asked(action="stop")
    assert not asked(action="pause", close_positions=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "pause", "close_positions": True},
        {"action": "resume", "close_positions": True},
        {"action": "stop", "close_positions": "yes"},
        {"action": "stop", "close_positions": None},
    ],
)
def test_positions_are_closed_with_no_other_command_and_the_field_is_named(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        AgentControlRequest.model_validate_json(json.dumps({"user_id": "u"} | fields))
    assert [error["loc"] for error in refused.value.errors()] == [("close_positions",)]
