"""Only days on which the experiment ran at the share under which a user came are days of the comparison."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.commands import fold
from ab.requests import decide
from ab.running import counting, running_s, share_in_force
from ab.state import Command, Step
from tests.fakes.experiments import DAY_S, START_S, after, plan, request, stage

# The start of a day, so that the days here are round.
DAY = int(START_S // DAY_S) + 1
BEGAN_S = DAY * DAY_S


def steps(*shares: tuple[float, float]) -> tuple[Step, ...]:
    """The shares from so many days after the beginning on."""
    return tuple(Step(stage=0, share=share, since_s=BEGAN_S + days * DAY_S) for days, share in shares)


def counted(*shares: tuple[float, float], entered: float, until: int = 10) -> list[int]:
    """Which days count of a user who entered so many days after the beginning."""
    counts = counting(steps(*shares))
    return [day for day in range(int(entered), until) if counts(BEGAN_S + entered * DAY_S, DAY + day)]


def test_all_days_count_while_the_share_only_grows() -> None:
    assert counted((0.0, 0.1), (2.5, 0.25), (4.5, 0.5), entered=0.0) == list(range(10))


@pytest.mark.parametrize(("paused", "resumed"), [(1.5, 6.5), (1.0, 7.0), (1.999, 6.001)])
def test_no_day_counts_that_was_paused_in_part(paused: float, resumed: float) -> None:
    days = counted((0.0, 0.1), (paused, 0.0), (resumed, 0.1), entered=0.0)
    assert days == [0, 7, 8, 9]


def test_the_day_of_the_entry_counts_from_the_entry_on() -> None:
    assert counted((0.0, 0.1), (1.2, 0.0), (1.4, 0.1), entered=1.5, until=3) == [1, 2]
    assert counted((0.0, 0.1), (1.6, 0.0), (1.7, 0.1), entered=1.5, until=3) == [2]


def test_a_share_below_that_of_the_entry_leaves_out_who_came_above_it() -> None:
    lowered = (0.0, 0.1), (2.0, 0.4), (5.0, 0.2), (8.0, 0.4)
    assert counted(*lowered, entered=0.5) == list(range(10))
    assert counted(*lowered, entered=2.5) == [2, 3, 4, 8, 9]


def test_who_came_by_a_worker_that_heard_of_the_pause_late_came_before_it() -> None:
    assert counted((0.0, 0.1), (1.5, 0.0), (3.0, 0.1), entered=1.50001, until=5) == [3, 4]


def test_after_its_end_no_day_counts() -> None:
    assert counted((0.0, 0.1), (3.5, 0.0), entered=0.0) == [0, 1, 2]


@given(st.lists(st.tuples(st.floats(0.0, 9.0), st.sampled_from([0.0, 0.1, 0.3, 0.5])), min_size=1), st.floats(0.0, 9.0))
def test_a_day_counts_as_it_would_if_every_hundredth_of_it_were_looked_at(
    shares: list[tuple[float, float]], entered: float
) -> None:
    history = steps((0.0, 0.2), *sorted((round(days, 2), share) for days, share in shares))
    entered = round(entered, 2)
    counts = counting(history)

    def share_at(days: float) -> float:
        return [step.share for step in history if step.since_s <= BEGAN_S + days * DAY_S + 1.0][-1]

    own = [step.share for step in history if step.since_s <= BEGAN_S + entered * DAY_S + 1.0 and step.share > 0.0][-1]
    for day in range(int(entered), 10):
        seen = [share_at(day + part / 100) for part in range(100) if day + part / 100 >= entered - 1e-9]
        # A step that another one follows at the same moment was in force for no time at all.
        expected = all(share >= own for share in seen)
        zero_long = any(one.since_s == two.since_s for one, two in pairwise(history))
        assert counts(BEGAN_S + entered * DAY_S, DAY + day) == expected or zero_long


def test_a_stage_runs_from_its_step_on_without_pauses() -> None:
    ramp = plan(stages=(stage(0.1), stage(0.25)))
    state = after(request(Command.START, market_s=0.0), request(Command.ADVANCE, market_s=10.0), of=ramp)
    assert running_s(state, 13.0) == 3.0
    paused = fold(state, decide(state, request(Command.PAUSE, market_s=20.0)))
    assert (share_in_force(paused), running_s(paused, 50.0)) == (0.0, 10.0)
    resumed = fold(paused, decide(paused, request(Command.RESUME, market_s=60.0)))
    assert (share_in_force(resumed), running_s(resumed, 61.0)) == (0.25, 11.0)
    assert running_s(after(), 5.0) == 0.0
