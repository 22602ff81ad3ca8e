"""Which arm of an experiment a user is in: a pure function of the experiment's state and the user's id."""

import math
from dataclasses import dataclass
from functools import lru_cache

from ab.plan import Plan
from ab.state import ExperimentState, Phase, is_promoted
from trading.vocabulary import Arm, Assignment, AssignmentReason

BUCKETS = 10_000

# Up to this share both arms are mirrored and compared; above it there are too few users left for an equal control.
LARGEST_COMPARED_SHARE = 0.5
MIRROR = BUCKETS // 2
# Of the buckets that are compared half are treated, at every share.
COMPARED_PROPENSITY = 0.5
# Buckets of users that a process remembers.
REMEMBERED = 65_536

# Phases in which everybody has the rule, whatever an operator has said of single users.
_EVERYBODY: dict[Phase, AssignmentReason] = {
    Phase.KILLED: AssignmentReason.KILLED,
    Phase.ROLLED_BACK: AssignmentReason.ROLLED_BACK,
    Phase.DRAFT: AssignmentReason.DISABLED,
}


def fnv1a_32(text: str) -> int:
    """The 32-bit FNV-1a hash of the UTF-8 bytes of `text` (http://www.isthe.com/chongo/tech/comp/fnv/)."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def bucket(salt: str, user_id: str) -> float:
    """Where a user falls in [0, 1), in steps of 1/10,000: version 2 of GrowthBook's hash, so other SDKs agree."""
    return fnv1a_32(str(fnv1a_32(salt + user_id))) % BUCKETS / BUCKETS


@lru_cache(maxsize=REMEMBERED)
def place(salt: str, user_id: str) -> int:
    """The number of a user's bucket, 0..9999."""
    return round(bucket(salt, user_id) * BUCKETS)


def buckets_below(share: float) -> int:
    """How many whole buckets a share (0..1) takes.

    Whole: as fractions, 0.5 + 0.07 > 0.57 and the control would have one more than the treated.
    """
    return math.ceil(round(share * BUCKETS, 6))


def salt_in_run(plan: Plan, run: int) -> str:
    """The salt that splits the users in a run. A new run is a new split: no arm carries on the last one."""
    return plan.salt if run <= 1 else f"{plan.salt}#{run}"


def stage_of(state: ExperimentState) -> str:
    """off (the hash gives nobody the policy), ramp (compared), rollout (p > 1/2, not compared) or promoted (p = 1)."""
    if not state.enabled or state.phase not in (Phase.RUNNING, Phase.PROMOTED) or state.share == 0.0:
        return "off"
    if state.share <= LARGEST_COMPARED_SHARE:
        return "ramp"
    return "promoted" if state.share == 1.0 else "rollout"


class Split:
    """The users of one state of an experiment, split; implements trading.ports.Assigner.

    Mirrored shares up to 1/2: treated is [0, p), compared control [1/2, 1/2 + p), the rest is outside: the rule.
    Raising p only ever adds users to either arm. Above 1/2 it is a rollout: [0, p) treated, nothing compared.
    What goes first: killed or rolled back, disabled, an override, the holdout, a pause, the hash. A pause goes
    before an override to the policy as well: while it lasts nobody new meets it.
    """

    def __init__(self, state: ExperimentState) -> None:
        compared = state.share <= LARGEST_COMPARED_SHARE
        propensity = COMPARED_PROPENSITY if compared else None
        self._salt = salt_in_run(state.plan, state.run)
        # Not that of the run: who is held out stays so over all of them.
        self._holdout_salt = f"{state.plan.salt}:holdout"
        self._held_out_below = buckets_below(state.plan.holdout_share)
        self._treated_below = buckets_below(state.share)
        self._control_below = MIRROR + (self._treated_below if compared else 0)
        # Every answer there is, made once: making one takes longer than finding whose it is.
        self._everybody = _for_everybody(state)
        paused = state.phase is Phase.PAUSED
        self._paused = _answer(state, Arm.FALLBACK, AssignmentReason.PAUSED) if paused else None
        self._overrides = {
            override.user_id: self._paused
            if self._paused is not None and override.arm is Arm.RL
            else _answer(state, override.arm, AssignmentReason.OVERRIDE)
            for override in state.overrides
        }
        self._held_out = _answer(state, Arm.FALLBACK, AssignmentReason.HOLDOUT)
        self._treated = _answer(state, Arm.RL, AssignmentReason.HASH, propensity)
        self._control = _answer(state, Arm.FALLBACK, AssignmentReason.HASH, propensity)
        self._outside = _answer(state, Arm.FALLBACK, AssignmentReason.OUTSIDE)

    def assign(self, user_id: str) -> Assignment:
        """The arm of this user."""
        if self._everybody is not None:
            return self._everybody
        override = self._overrides.get(user_id)
        if override is not None:
            return override
        if self._held_out_below and place(self._holdout_salt, user_id) < self._held_out_below:
            return self._held_out
        if self._paused is not None:
            return self._paused
        number = place(self._salt, user_id)
        if number < self._treated_below:
            return self._treated
        return self._control if MIRROR <= number < self._control_below else self._outside


def _for_everybody(state: ExperimentState) -> Assignment | None:
    reason = _EVERYBODY.get(state.phase)
    if reason is None and not state.enabled:
        reason = AssignmentReason.DISABLED
    return None if reason is None else _answer(state, Arm.FALLBACK, reason)


def _answer(state: ExperimentState, arm: Arm, reason: AssignmentReason, propensity: float | None = None) -> Assignment:
    # Also where the rule is assigned: the policy goes on with a position that it opened, by this model and under this
    # cap. The stages are over once it is promoted, and with them what they cap.
    capped = not is_promoted(state)
    return Assignment(
        experiment=state.plan.key,
        version=state.version,
        run=state.run,
        arm=arm,
        reason=reason,
        stage=stage_of(state),
        propensity=propensity,
        model=state.plan.model,
        max_notional_usd=state.plan.stages[state.stage].max_notional_usd if capped else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSplit:
    """The answer while nothing is known of the experiment `key`: the rule; implements trading.ports.Assigner.

    `run` is the one known last, 0 for none: what users had under it goes on with what they are served now.
    """

    key: str
    run: int = 0

    def assign(self, user_id: str) -> Assignment:
        """The fallback, for everybody; version 0 is that of no experiment."""
        return Assignment(
            experiment=self.key,
            version=0,
            run=self.run,
            arm=Arm.FALLBACK,
            reason=AssignmentReason.UNKNOWN,
            stage="off",
        )
