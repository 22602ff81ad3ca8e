"""Where an experiment is: what the log of its events adds up to."""

from dataclasses import dataclass
from enum import StrEnum

from ab.plan import Plan
from trading.vocabulary import Arm


class Phase(StrEnum):
    """What an experiment is doing. Only `running` lets anybody new meet the policy."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    ROLLED_BACK = "rolled_back"
    KILLED = "killed"
    PROMOTED = "promoted"


class Command(StrEnum):
    """What can be asked of an experiment; each is one event of its log."""

    CREATE = "create"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    ADVANCE = "advance"
    APPROVE = "approve"
    ROLLBACK = "rollback"
    KILL = "kill"
    PROMOTE = "promote"
    CONFIGURE = "configure"
    OVERRIDE = "override"
    ACCEPT_MISSING = "accept_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The share of users whom the hash gave the policy from a market time (Unix seconds) on; `stage` counts from 0.

    It is 0 while the experiment was paused or disabled, and from its end on.
    """

    stage: int
    share: float
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A user who has an arm because an operator says so."""

    user_id: str
    arm: Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentState:
    """An experiment now. `version` is the number of its events: a command names the one it is based on.

    `run` grows with every start and decides, with the salt, who is where; 0 before the first. `enabled` False gives
    everybody the rule. `share` (0..1) is the one it has while it runs, `steps` what was in force in this run, oldest
    first. `approved`: the next stage may begin. `reason` is why the last command was given, in words.
    Days up to `missing_accepted_through` (since 1970-01-01) that are missing hold nothing any more, and
    `missing_accepted_reason` says why; None: nobody accepted any in this run. `paused_from` is the phase to which a
    resume returns; None while it is not paused, and for running. `changed_at_s` is the wall time of the last command,
    `phase_since_s` of the one that led to this phase of this run and `phase_reason` why that was given: see
    `phase_began`. `ended_at_s` is when a rollback or a kill ended this run; None before. What older versions wrote has
    None for the three.
    """

    plan: Plan
    version: int
    run: int
    phase: Phase
    enabled: bool
    stage: int
    share: float
    approved: bool
    overrides: tuple[Override, ...]
    steps: tuple[Step, ...]
    changed_at_s: float
    reason: str | None
    missing_accepted_through: int | None = None
    missing_accepted_reason: str | None = None
    paused_from: Phase | None = None
    phase_since_s: float | None = None
    phase_reason: str | None = None
    ended_at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One command that was taken: `number` counts from 1 within the experiment; `by` is operator or engine.

    `at_s` is a wall time, `market_s` the market's (both Unix seconds). `plan` comes with create only, `enabled` with
    create and configure, `share` with configure (None: unchanged, at first enabled), `user_id` and `arm` with override
    (`arm` None ends it), `through` with accept_missing: the last of the days, since 1970-01-01.
    """

    experiment: str
    number: int
    command: Command
    by: str
    reason: str | None
    at_s: float
    market_s: float
    plan: Plan | None = None
    enabled: bool | None = None
    share: float | None = None
    user_id: str | None = None
    arm: Arm | None = None
    through: int | None = None


def is_promoted(state: ExperimentState) -> bool:
    """True from a promotion on, also while it is paused: nothing is compared any more, and no stage is to come."""
    return Phase.PROMOTED in (state.phase, state.paused_from)


def phase_began(state: ExperimentState) -> tuple[float, str | None]:
    """Since which wall time (Unix seconds) a run is in its phase, and why, None without a reason.

    Of a state that an older version wrote it is what the last command says.
    """
    if state.phase_since_s is None:
        return state.changed_at_s, state.reason
    return state.phase_since_s, state.phase_reason
