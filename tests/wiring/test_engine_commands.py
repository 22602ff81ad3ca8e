"""What the engine has to do is decided anew at once where others were faster, in the same run, and not for ever."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ab.state import Command, ExperimentState
from tests.fakes.experiments import after
from trading.errors import IllegalChange, RequestError, StaleVersion
from wiring.engine_commands import MOST_TRIES, MOST_WORDS, Due, give

STATE = after(Command.START)
STOP = Due(Command.ROLLBACK, "it costs money")


@dataclass
class Refusing:
    """Keeps wiring.engine_commands.InForce: takes nothing, and is at `now` whenever it is looked at."""

    error: RequestError | None
    now: ExperimentState | None = STATE
    asked: list[tuple[int, Command, str]] = field(default_factory=list)

    async def look(self) -> ExperimentState | None:
        return self.now

    async def act(self, state: ExperimentState, command: Command, *, reason: str, least_market_s: float | None) -> None:
        self.asked.append((state.version, command, reason))
        if self.error is not None:
            raise self.error


def given(
    experiments: Refusing, due: Callable[[ExperimentState], Due | None] = lambda _: STOP
) -> ExperimentState | None:
    return asyncio.run(give(experiments, STATE, due))


def test_what_is_taken_is_given_once_in_so_many_words() -> None:
    taking = Refusing(None)
    assert given(taking, lambda _: Due(Command.PAUSE, "x" * 2 * MOST_WORDS)) == STATE
    assert taking.asked == [(STATE.version, Command.PAUSE, "x" * MOST_WORDS)]


def test_what_others_made_of_it_meanwhile_is_decided_on_anew() -> None:
    later = replace(STATE, version=9)
    stale = Refusing(StaleVersion(9), later)
    assert given(stale, lambda state: STOP if state == STATE else Due(Command.KILL, "worse")) is None
    assert stale.asked[:2] == [
        (STATE.version, Command.ROLLBACK, "it costs money"),
        (9, Command.KILL, "worse"),
    ]
    assert len(stale.asked) == MOST_TRIES


def test_nothing_is_given_where_nothing_is_due_any_more() -> None:
    stale = Refusing(StaleVersion(9), replace(STATE, version=9))
    assert given(stale, lambda state: STOP if state == STATE else None) is None
    assert len(stale.asked) == 1


def test_neither_another_run_nor_another_experiment_is_stopped_for_this_one() -> None:
    other = replace(STATE, plan=replace(STATE.plan, key="other"))
    for now in (None, other, replace(STATE, run=2)):
        stale = Refusing(StaleVersion(9), now)
        assert given(stale) is None
        assert len(stale.asked) == 1


def test_what_the_phase_does_not_allow_is_not_tried_again() -> None:
    refusing = Refusing(IllegalChange("killed"))
    assert given(refusing) is None
    assert len(refusing.asked) == 1
