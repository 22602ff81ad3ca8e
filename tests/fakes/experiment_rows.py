"""Experiments put into a store as commands leave them, beside whatever else a test does with its orders."""

from ab.commands import fold
from ab.requests import decide
from ab.state import Command, ExperimentState
from adapters.store.engine import Store, Work
from adapters.store.experiments import ExperimentChange, LoggedEvent, change_experiment
from tests.fakes.experiments import after, plan, request, stage
from trading.boot import Clock
from wiring.experiment_log import event_text, state_text


def everybody(key: str = "default") -> ExperimentState:
    """An experiment that was just started and gives everybody the policy."""
    return after(Command.START, of=plan(key=key, stages=(stage(1.0),)))


async def in_force(store: Store, state: ExperimentState) -> None:
    """Put an experiment into force as it is, with a log of as many events."""
    for number in range(1, state.version + 1):
        at_s = state.changed_at_s
        logged = LoggedEvent(number=number, at_s=at_s, market_s=at_s, by="operator", command="start", detail="{}")
        change = ExperimentChange(event=logged, document=state_text(state), in_force=True)
        await store.write(change_experiment(state.plan.key, lambda _, change=change: change))


def commanding(
    state: ExperimentState, command: Command, clock: Clock, **changes: object
) -> Work[ExperimentChange | None]:
    """Write: one command more, on the state it is based on, at the time of the clock in the transaction."""

    def change(_: object) -> ExperimentChange:
        event = decide(state, request(command, at_s=clock().wall_s, market_s=clock().wall_s, **changes))
        logged = LoggedEvent(
            number=event.number,
            at_s=event.at_s,
            market_s=event.market_s,
            by=event.by,
            command=event.command.value,
            detail=event_text(event),
        )
        return ExperimentChange(event=logged, document=state_text(fold(state, event)), in_force=True)

    return change_experiment(state.plan.key, change)
