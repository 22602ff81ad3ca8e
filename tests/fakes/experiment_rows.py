"""Experiments put into a store as commands leave them, beside whatever else a test does with its orders."""

from dataclasses import replace

from sqlalchemy import insert, select

from ab.commands import fold
from ab.requests import decide
from ab.state import Command, ExperimentState
from adapters.store.connections import StoreConnection
from adapters.store.engine import Store, Work
from adapters.store.experiment_tables import experiment_events, experiments
from adapters.store.experiments import ExperimentChange, LoggedEvent, Standing, change_experiment
from adapters.store.versions import next_version, wait_for_turn
from tests.fakes.experiments import after, plan, request, stage
from trading.boot import Clock
from trading.vocabulary import Assignment
from wiring.experiment_log import event_text, state_from, state_text


def everybody(key: str = "default") -> ExperimentState:
    """An experiment that was just started and gives everybody the policy."""
    return after(Command.START, of=plan(key=key, stages=(stage(1.0),)))


def unless_there_is_one(assignment: Assignment) -> Work[None]:
    """Write: the experiment and run of this assignment in force, as it knew them, unless another one is."""
    state = replace(everybody(assignment.experiment), run=assignment.run, version=assignment.version)

    async def work(connection: StoreConnection) -> None:
        await wait_for_turn(connection)
        if (await connection.execute(select(experiments).where(experiments.c.in_force))).first() is not None:
            return
        await connection.execute(
            insert(experiment_events).values(
                experiment=state.plan.key,
                number=state.version,
                at=state.changed_at_s,
                market_at=state.changed_at_s,
                by="operator",
                command="start",
                detail="{}",
            )
        )
        kept = {"key": state.plan.key, "document": state_text(state), "in_force": True}
        await connection.execute(insert(experiments).values(kept | {"version": await next_version(connection)}))

    return work


async def in_force(store: Store, state: ExperimentState) -> None:
    """Put an experiment into force as it is, with a log of as many events; those that there are stay."""
    for number in range(1, state.version + 1):
        at_s = state.changed_at_s
        logged = LoggedEvent(number=number, at_s=at_s, market_s=at_s, by="operator", command="start", detail="{}")
        made = ExperimentChange(event=logged, document=state_text(replace(state, version=number)), in_force=True)

        def change(standing: Standing, made: ExperimentChange = made) -> ExperimentChange | None:
            known = 0 if standing.document is None else state_from(standing.document).version
            return made if made.event.number > known else None

        await store.write(change_experiment(state.plan.key, change))


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
