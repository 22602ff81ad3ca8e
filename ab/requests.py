"""Whether a command may be taken now, and the event that it becomes."""

from collections.abc import Callable
from dataclasses import dataclass

from ab.commands import CHANGES, begins_anew, open_ended
from ab.outcomes import day_of
from ab.plan import Plan
from ab.plan_checks import NO_SHARE_NOR_ZERO, check_plan, is_share
from ab.state import Command, Event, ExperimentState
from trading.errors import IllegalChange, InvalidField, NotFound, StaleVersion
from trading.vocabulary import Arm

# Every override is in the snapshot that all workers read.
MOST_OVERRIDES = 1000
# So is every change of the share in a run; the newest run's only.
MOST_STEPS = 1000
# What an advance is refused with where the phase would allow it.
AWAITING_APPROVAL = "awaiting_approval"
LAST_STAGE = "last_stage"
# What a configure is refused with where a ramp is planned.
PLANNED_STAGES = "planned_stages"
# What a configure or a resume is refused with that would add to the steps of a run that has MOST_STEPS.
TOO_MANY_STEPS = "too_many_steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRequest:
    """A command as it is asked for; the fields are those of ab.state.Event.

    `based_on` is the version that was looked at when it was decided on: another one by now refuses it. None is not
    checked: for `create`, and for those who say how it shall be whatever it is.
    """

    command: Command
    by: str
    reason: str | None
    at_s: float
    market_s: float
    based_on: int | None = None
    plan: Plan | None = None
    enabled: bool | None = None
    share: float | None = None
    user_id: str | None = None
    arm: Arm | None = None
    through: int | None = None


def decide(state: ExperimentState | None, request: CommandRequest) -> Event:
    """The event that a command becomes, the next one of the experiment's log; `state` None before its first.

    Raises NotFound without an experiment, StaleVersion, IllegalChange for what the phase or the stage does not allow,
    InvalidField for what the command comes with.
    """
    if request.command is Command.CREATE:
        return _created(state, request)
    if state is None:
        raise NotFound("experiment")
    if request.based_on not in (None, state.version):
        raise StaleVersion(state.version)
    if (state.phase, request.command) not in CHANGES:
        raise IllegalChange(state.phase)
    check = _CHECKS.get(request.command)
    if check is not None:
        check(state, request)
    return _event(state.plan.key, state.version + 1, request)


def _created(state: ExperimentState | None, request: CommandRequest) -> Event:
    if state is not None:
        raise IllegalChange(state.phase)
    if request.plan is None:
        raise InvalidField("plan", "is missing")
    check_plan(request.plan)
    return _event(request.plan.key, 1, request)


def _event(key: str, number: int, request: CommandRequest) -> Event:
    return Event(
        experiment=key,
        number=number,
        command=request.command,
        by=request.by,
        reason=request.reason,
        at_s=request.at_s,
        market_s=request.market_s,
        plan=request.plan,
        enabled=request.enabled,
        share=request.share,
        user_id=request.user_id,
        arm=request.arm,
        through=request.through,
    )


def _check_advance(state: ExperimentState, request: CommandRequest) -> None:
    if state.stage + 1 == len(state.plan.stages):
        raise IllegalChange(LAST_STAGE)
    if state.plan.stages[state.stage].approval and not state.approved:
        raise IllegalChange(AWAITING_APPROVAL)


def _check_configure(state: ExperimentState, request: CommandRequest) -> None:
    if not open_ended(state.plan):
        raise IllegalChange(PLANNED_STAGES)
    if request.enabled is None and request.share is None:
        raise InvalidField("share", "is missing, and so is enabled")
    if request.share is not None and not is_share(request.share):
        raise InvalidField("share", NO_SHARE_NOR_ZERO)
    # What gives nobody the policy is never refused for this, and a new run begins with no steps.
    stops = request.enabled is False or request.share == 0.0
    anew = request.share is not None and begins_anew(state)
    if not stops and not anew:
        _check_steps(state, request)


def _check_steps(state: ExperimentState, _: CommandRequest) -> None:
    if len(state.steps) >= MOST_STEPS:
        raise IllegalChange(TOO_MANY_STEPS)


def _check_override(state: ExperimentState, request: CommandRequest) -> None:
    if not request.user_id:
        raise InvalidField("user_id", "is missing")
    if request.arm is Arm.HOLD:
        raise InvalidField("arm", "nobody is assigned to hold")
    others = sum(override.user_id != request.user_id for override in state.overrides)
    if request.arm is not None and others >= MOST_OVERRIDES:
        raise InvalidField("user_id", f"there are {MOST_OVERRIDES} overrides already")


def _check_accept_missing(state: ExperimentState, request: CommandRequest) -> None:
    if request.through is None:
        raise InvalidField("through", "is missing")
    # A day that goes on is late, not missing: what it earns is not known to be lost.
    if request.through >= day_of(request.market_s):
        raise InvalidField("through", "must be a market day that is over")
    if request.through < day_of(state.steps[0].since_s):
        raise InvalidField("through", "is before the first day of this run")
    if state.missing_accepted_through is not None and request.through <= state.missing_accepted_through:
        raise InvalidField("through", "is accepted already")


_CHECKS: dict[Command, Callable[[ExperimentState, CommandRequest], None]] = {
    Command.ADVANCE: _check_advance,
    Command.CONFIGURE: _check_configure,
    Command.RESUME: _check_steps,
    Command.OVERRIDE: _check_override,
    Command.ACCEPT_MISSING: _check_accept_missing,
}
