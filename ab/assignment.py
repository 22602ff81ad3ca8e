"""Which arm of an experiment a user is in: a pure function of the experiment's salt and the user's id."""

import math
from dataclasses import dataclass
from functools import lru_cache

from trading.vocabulary import Arm, Assignment, AssignmentReason

BUCKETS = 10_000

# Up to this share both arms are mirrored and compared; above it there are too few users left for an equal control.
LARGEST_COMPARED_SHARE = 0.5
MIRROR = BUCKETS // 2


def fnv1a_32(text: str) -> int:
    """The 32-bit FNV-1a hash of the UTF-8 bytes of `text` (http://www.isthe.com/chongo/tech/comp/fnv/)."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def bucket(salt: str, user_id: str) -> float:
    """Where a user falls in [0, 1), in steps of 1/10,000: version 2 of GrowthBook's hash, so other SDKs agree."""
    return fnv1a_32(str(fnv1a_32(salt + user_id))) % BUCKETS / BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A split of users between the policy and the rule. `rl_share` is 0..1; implements trading.ports.Assigner.

    Mirrored shares up to 1/2: treated is [0, p), compared control [1/2, 1/2 + p), the rest is outside: the rule.
    Raising p only ever adds users to either arm. Above 1/2 it is a rollout: [0, p) treated, nothing compared.
    """

    key: str
    salt: str
    enabled: bool
    rl_share: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.rl_share <= 1.0:
            raise ValueError(f"rl_share must be in 0..1, not {self.rl_share}")

    @property
    def stage(self) -> str:
        """off, ramp (compared), rollout (p > 1/2, not compared) or promoted (p = 1)."""
        if not self.enabled or self.rl_share == 0.0:
            return "off"
        if self.rl_share <= LARGEST_COMPARED_SHARE:
            return "ramp"
        return "promoted" if self.rl_share == 1.0 else "rollout"

    def assign(self, user_id: str) -> Assignment:
        """The arm of this user. Disabled means the fallback for everybody."""
        if not self.enabled:
            return self._assignment(Arm.FALLBACK, AssignmentReason.DISABLED)
        return _assign(self, user_id)

    def _assignment(self, arm: Arm, reason: AssignmentReason) -> Assignment:
        return Assignment(experiment=self.key, arm=arm, reason=reason, stage=self.stage)


@lru_cache(maxsize=65_536)
def _assign(experiment: Experiment, user_id: str) -> Assignment:
    place = round(bucket(experiment.salt, user_id) * BUCKETS)
    # Whole buckets: as fractions, 0.5 + 0.07 > 0.57 and the control would have one more.
    treated = math.ceil(round(experiment.rl_share * BUCKETS, 6))
    if place < treated:
        return experiment._assignment(Arm.RL, AssignmentReason.HASH)
    mirrored = MIRROR <= place < MIRROR + treated
    compared = experiment.rl_share <= LARGEST_COMPARED_SHARE and mirrored
    return experiment._assignment(Arm.FALLBACK, AssignmentReason.HASH if compared else AssignmentReason.OUTSIDE)
