"""What each command makes of an experiment: the log of its events, added up."""

from collections.abc import Callable
from dataclasses import replace

from ab.plan import Plan
from ab.running import share_in_force
from ab.state import Command, Event, ExperimentState, Override, Phase, Step, is_promoted

# In each phase, what each command leads to. What is not here is refused with the phase. A configure that names a share
# starts a run anew where none goes on; a resume leads back to where the pause came from.
CHANGES: dict[tuple[Phase, Command], Phase] = {
    (Phase.DRAFT, Command.START): Phase.RUNNING,
    (Phase.ROLLED_BACK, Command.START): Phase.RUNNING,
    (Phase.KILLED, Command.START): Phase.RUNNING,
    (Phase.RUNNING, Command.PAUSE): Phase.PAUSED,
    (Phase.PAUSED, Command.RESUME): Phase.RUNNING,
    (Phase.RUNNING, Command.ADVANCE): Phase.RUNNING,
    (Phase.RUNNING, Command.APPROVE): Phase.RUNNING,
    (Phase.PAUSED, Command.APPROVE): Phase.PAUSED,
    (Phase.RUNNING, Command.ROLLBACK): Phase.ROLLED_BACK,
    (Phase.PAUSED, Command.ROLLBACK): Phase.ROLLED_BACK,
    (Phase.PROMOTED, Command.PAUSE): Phase.PAUSED,
    (Phase.PROMOTED, Command.ROLLBACK): Phase.ROLLED_BACK,
    (Phase.RUNNING, Command.KILL): Phase.KILLED,
    (Phase.PAUSED, Command.KILL): Phase.KILLED,
    (Phase.ROLLED_BACK, Command.KILL): Phase.KILLED,
    (Phase.PROMOTED, Command.KILL): Phase.KILLED,
    (Phase.RUNNING, Command.PROMOTE): Phase.PROMOTED,
    (Phase.RUNNING, Command.ACCEPT_MISSING): Phase.RUNNING,
    (Phase.PAUSED, Command.ACCEPT_MISSING): Phase.PAUSED,
    (Phase.RUNNING, Command.CONFIGURE): Phase.RUNNING,
    (Phase.PAUSED, Command.CONFIGURE): Phase.PAUSED,
    (Phase.ROLLED_BACK, Command.CONFIGURE): Phase.ROLLED_BACK,
    (Phase.PROMOTED, Command.CONFIGURE): Phase.PROMOTED,
} | {(phase, Command.OVERRIDE): phase for phase in Phase}


# Nobody meets the policy any more.
ENDED = (Phase.ROLLED_BACK, Phase.KILLED)


def open_ended(plan: Plan) -> bool:
    """True for a plan of a single stage: its share is raised and lowered by hand."""
    return len(plan.stages) == 1


def begins_anew(state: ExperimentState) -> bool:
    """True where a configure that names a share begins a new run: the last one is over, or compares nothing more."""
    return state.phase is Phase.ROLLED_BACK or is_promoted(state)


def begins_run(state: ExperimentState, command: Command, share: float | None) -> bool:
    """True for a command that begins a new run of an experiment; `share` is the one that it names, None for none."""
    return command is Command.START or (command is Command.CONFIGURE and share is not None and begins_anew(state))


def stage_since_s(state: ExperimentState) -> float | None:
    """The market time (Unix seconds) at which the present stage of this run began; None before the first run."""
    return next((step.since_s for step in state.steps if step.stage == state.stage), None)


def fold(state: ExperimentState | None, event: Event) -> ExperimentState:
    """The state after one more event; `state` None before the first, which creates it.

    Raises ValueError for an event that is not the next one of this experiment or that its phase does not allow: no log
    that commands wrote has one.
    """
    if state is None:
        return _created(event)
    phase = CHANGES.get((state.phase, event.command))
    if event.experiment != state.plan.key or event.number != state.version + 1 or phase is None:
        raise ValueError(
            f"event {event.number} ({event.command}) of {event.experiment!r} does not follow "
            f"version {state.version} ({state.phase}) of {state.plan.key!r}"
        )
    changed = replace(state, version=event.number, phase=phase, changed_at_s=event.at_s, reason=event.reason)
    effect = _EFFECTS.get(event.command)
    after = changed if effect is None else effect(changed, event)
    if after.phase is not Phase.PAUSED:
        after = replace(after, paused_from=None)
    elif state.phase is Phase.PROMOTED:
        after = replace(after, paused_from=Phase.PROMOTED)
    ends = after.phase in ENDED and state.phase not in ENDED
    if ends:
        after = replace(after, ended_at_s=event.at_s)
    if (after.phase, after.run) != (state.phase, state.run):
        after = replace(after, phase_since_s=event.at_s, phase_reason=event.reason)
    return _noted(after, event, ends=ends)


def _created(event: Event) -> ExperimentState:
    if event.command is not Command.CREATE or event.plan is None or event.number != 1:
        raise ValueError(f"the log of {event.experiment!r} begins with event {event.number} ({event.command})")
    return ExperimentState(
        plan=event.plan,
        version=1,
        run=0,
        phase=Phase.DRAFT,
        enabled=event.enabled is not False,
        stage=0,
        share=0.0,
        approved=False,
        overrides=(),
        steps=(),
        changed_at_s=event.at_s,
        reason=event.reason,
        phase_since_s=event.at_s,
        phase_reason=event.reason,
    )


def _noted(state: ExperimentState, event: Event, *, ends: bool) -> ExperimentState:
    share = share_in_force(state)
    last = state.steps[-1] if state.steps else None
    # An end is noted although a pause had let nobody new meet the policy before: what was held was held until then.
    if state.run == 0 or not (ends or last is None or (last.stage, last.share) != (state.stage, share)):
        return state
    step = Step(stage=state.stage, share=share, since_s=event.market_s)
    return replace(state, steps=(*state.steps, step))


def _started(state: ExperimentState, event: Event) -> ExperimentState:
    return _new_run(state, state.plan.stages[0].share)


def _new_run(state: ExperimentState, share: float) -> ExperimentState:
    begun = replace(state, run=state.run + 1, phase=Phase.RUNNING, stage=0, share=share, approved=False, steps=())
    return replace(
        begun, missing_accepted_through=None, missing_accepted_reason=None, paused_from=None, ended_at_s=None
    )


def _resumed(state: ExperimentState, event: Event) -> ExperimentState:
    return replace(state, phase=state.paused_from or state.phase)


def _advanced(state: ExperimentState, event: Event) -> ExperimentState:
    following = state.stage + 1
    return replace(state, stage=following, share=state.plan.stages[following].share, approved=False)


def _approved(state: ExperimentState, event: Event) -> ExperimentState:
    return replace(state, approved=True)


def _ended(state: ExperimentState, event: Event) -> ExperimentState:
    return replace(state, share=0.0)


def _promoted(state: ExperimentState, event: Event) -> ExperimentState:
    return replace(state, share=1.0)


def _configured(state: ExperimentState, event: Event) -> ExperimentState:
    state = state if event.enabled is None else replace(state, enabled=event.enabled)
    if event.share is None:
        return state
    if not begins_anew(state):
        return replace(state, share=event.share)
    # A pause is ended by a resume only.
    return replace(_new_run(state, event.share), phase=Phase.PAUSED if state.phase is Phase.PAUSED else Phase.RUNNING)


def _overridden(state: ExperimentState, event: Event) -> ExperimentState:
    kept = [override for override in state.overrides if override.user_id != event.user_id]
    if event.user_id is not None and event.arm is not None:
        kept.append(Override(user_id=event.user_id, arm=event.arm))
    return replace(state, overrides=tuple(sorted(kept, key=lambda override: override.user_id)))


def _accepted_missing(state: ExperimentState, event: Event) -> ExperimentState:
    return replace(state, missing_accepted_through=event.through, missing_accepted_reason=event.reason)


_EFFECTS: dict[Command, Callable[[ExperimentState, Event], ExperimentState]] = {
    Command.START: _started,
    Command.RESUME: _resumed,
    Command.ADVANCE: _advanced,
    Command.APPROVE: _approved,
    Command.ROLLBACK: _ended,
    Command.KILL: _ended,
    Command.PROMOTE: _promoted,
    Command.CONFIGURE: _configured,
    Command.OVERRIDE: _overridden,
    Command.ACCEPT_MISSING: _accepted_missing,
}
