"""What a command makes of an experiment in the store: its next event, decided and stamped in one transaction."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from ab.commands import CHANGES, begins_run, fold
from ab.requests import CommandRequest, decide
from ab.state import Command, Event, ExperimentState, Phase, is_promoted
from adapters.store.engine import Work
from adapters.store.experiments import ExperimentChange, LoggedEvent, Standing, Times, change_experiment
from trading.errors import IllegalChange, StoreRefused
from wiring.experiment_log import event_text, state_from, state_text
from wiring.split_in_force import DEFAULT_EXPERIMENT

# With one of these the experiment in force is over, or nobody has begun it: another may take its place.
_OVER = frozenset({Phase.DRAFT, Phase.ROLLED_BACK, Phase.KILLED})
# What a start is refused with while another experiment goes on.
ANOTHER_RUNS = "another_experiment_runs"
# All experiments are in the snapshot that every worker reads.
MOST_EXPERIMENTS = 1000
TOO_MANY_EXPERIMENTS = "too_many_experiments"
# What is refused of an experiment that is damaged, or that a newer version of the service wrote.
UNREADABLE = "unreadable"
# Commands that make an experiment the one that assigns users.
_BEGINS = frozenset({Command.START, Command.CONFIGURE})


class Asked(Protocol):
    """A command that has yet to get its times: those at which it is taken."""

    def __call__(self, *, at_s: float, market_s: float) -> CommandRequest:
        """The command at a wall time and a market time (both Unix seconds)."""


# The experiment as it is, None for none -> what is asked of it, None for nothing.
Wanted = Callable[[ExperimentState | None], Asked | None]


def changing(
    key: str, wanted: Wanted, *, wall_s: Callable[[], float], market_s: Callable[[], float]
) -> Work[ExperimentChange | None]:
    """Write: what is `wanted` of an experiment as it is at that moment, at the times of both clocks (Unix seconds).

    None when nothing is. Within a log no wall time goes back, and within a run no market time. Raises as
    ab.requests.decide, IllegalChange.
    """

    def change(standing: Standing) -> ExperimentChange | None:
        state = None if standing.document is None else _read(standing.document)
        asked = wanted(state)
        if asked is None:
            return None
        event = decide(state, _stamped(asked, state, standing.latest, Times(at_s=wall_s(), market_s=market_s())))
        if state is None and standing.experiments >= MOST_EXPERIMENTS:
            raise IllegalChange(TOO_MANY_EXPERIMENTS)
        begins, in_force = event.command in _BEGINS, standing.in_force
        if begins:
            _check_free(key, standing)
        return ExperimentChange(
            event=_logged(event),
            document=state_text(fold(state, event)),
            in_force=begins or (in_force is not None and in_force.key == key),
            displaced=_displaced(standing, event) if begins else None,
        )

    return change_experiment(key, change)


def _displaced(standing: Standing, by: Event) -> ExperimentChange | None:
    # Nobody is assigned by it any more: its log has to say so, or its days would go on counting.
    in_force = standing.in_force
    if in_force is None or in_force.key == by.experiment:
        return None
    try:
        state = state_from(in_force.document)
    except StoreRefused:
        return None
    if (state.phase, Command.ROLLBACK) not in CHANGES:
        return None
    asked = partial(CommandRequest, command=Command.ROLLBACK, by=by.by, reason=f"{by.experiment} took its place")
    now = Times(at_s=by.at_s, market_s=by.market_s)
    event = decide(state, _stamped(asked, state, standing.latest_in_force, now))
    return ExperimentChange(event=_logged(event), document=state_text(fold(state, event)), in_force=False)


def _read(text: str) -> ExperimentState:
    try:
        return state_from(text)
    except StoreRefused as error:
        raise IllegalChange(UNREADABLE) from error


def _stamped(asked: Asked, state: ExperimentState | None, latest: Times | None, now: Times) -> CommandRequest:
    # Clocks are put back, and another worker's may be behind: a run whose times went back would add up to nothing.
    last = latest or now
    request = asked(at_s=max(last.at_s, now.at_s), market_s=max(last.market_s, now.market_s))
    if state is None or not begins_run(state, request.command, request.share):
        return request
    # The market may have begun anew since the last run: a new one is of the market that there is.
    return replace(request, market_s=now.market_s)


def _check_free(key: str, standing: Standing) -> None:
    in_force = standing.in_force
    # The default experiment is what goes on while there is no other: it gives way to any.
    if in_force is None or in_force.key in (key, DEFAULT_EXPERIMENT):
        return
    state = _read(in_force.document)
    if state.phase not in _OVER and not is_promoted(state):
        raise IllegalChange(ANOTHER_RUNS)


def _logged(event: Event) -> LoggedEvent:
    return LoggedEvent(
        number=event.number,
        at_s=event.at_s,
        market_s=event.market_s,
        by=event.by,
        command=event.command.value,
        detail=event_text(event),
    )
