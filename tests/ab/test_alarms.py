"""What speaks against an experiment whatever is known: its record from another time, and nobody who could judge it."""

from dataclasses import replace

import pytest

from ab.alarms import CLOCK_SLACK_S, adds_policy_users, clock_set_back
from ab.state import Command, ExperimentState
from tests.fakes.experiments import DAY_S, START_S, after

RUNNING = after(Command.START)
PAUSED = after(Command.START, Command.PAUSE)
PROMOTED = after(Command.START, Command.PROMOTE)


@pytest.mark.parametrize("state", [RUNNING, PAUSED, PROMOTED])
def test_a_clock_behind_the_start_or_the_findings_of_a_run_ends_it(state: ExperimentState) -> None:
    assert clock_set_back(state, None, START_S - DAY_S) is not None
    why = clock_set_back(state, START_S + 2 * DAY_S, START_S + DAY_S)
    assert why == "The market's clock is 24.0 h behind what is on record of this run: it began anew."


def test_clocks_of_workers_may_differ_a_little() -> None:
    assert clock_set_back(RUNNING, None, START_S - CLOCK_SLACK_S) is None
    assert clock_set_back(RUNNING, START_S + 1.0, START_S) is None
    assert clock_set_back(RUNNING, START_S, START_S + DAY_S) is None


@pytest.mark.parametrize("state", [after(), after(Command.START, Command.ROLLBACK), after(Command.START, Command.KILL)])
def test_where_nobody_meets_the_policy_no_clock_ends_anything(state: ExperimentState) -> None:
    assert clock_set_back(state, START_S + DAY_S, START_S - DAY_S) is None


def test_only_one_that_runs_at_a_share_gives_the_policy_to_more_users() -> None:
    for state in (RUNNING, PROMOTED):
        assert adds_policy_users(state)
    for state in (PAUSED, after(), replace(RUNNING, enabled=False), replace(RUNNING, share=0.0)):
        assert not adds_policy_users(state)
