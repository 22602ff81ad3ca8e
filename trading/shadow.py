"""What the arm that did not answer would have done with the same signal, position and bar."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from trading.desk import Advisers, clip_advice, model_asked
from trading.errors import Unavailable
from trading.exposure import ExposureRange, derive_action
from trading.ports import Features, Policy
from trading.vocabulary import Action, Advice, Arm, Decision, Reading

# What one adviser may take: nobody waits for it.
BUDGET_S = 1.0


class Unanswered(StrEnum):
    """Why it is not known. late: a bar has closed since, on which the policy would decide now; failed: it could not."""

    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherDecision:
    """What `arm` would have done: the target exposure within the venue's range, and the action that leads there.

    The target is None where it would have kept what is held.
    """

    arm: Arm
    target_exposure: float | None
    action: Action


class OtherArm:
    """Asks the arm that did not answer: the rule where the policy did, the policy where the rule did.

    `model_of` gives the bundle that the policy's arm of an experiment names, None where it leaves that to agents.
    """

    def __init__(
        self,
        *,
        features: Features,
        advisers: Advisers,
        exposures: ExposureRange,
        model_of: Callable[[str], str | None],
    ) -> None:
        self._features = features
        self._advisers = advisers
        self._exposures = exposures
        self._model_of = model_of

    async def decide(self, decision: Decision) -> OtherDecision | Unanswered:
        """What it would have done; a decision that HOLD answered had no signal, no market or no adviser: FAILED."""
        reading = decision.signal.reading
        if reading is None or decision.served_arm is Arm.HOLD:
            return Unanswered.FAILED
        if decision.served_arm is Arm.RL:
            arm, answered = Arm.FALLBACK, await self._ask_rule(decision, reading)
        else:
            arm, answered = Arm.RL, await self._ask_policy(decision, reading)
        if isinstance(answered, Unanswered):
            return answered
        _, target = clip_advice(answered, self._exposures)
        action = derive_action(target, decision.position_exposure)
        return OtherDecision(arm=arm, target_exposure=None if answered.keeps else target, action=action)

    async def _ask_rule(self, decision: Decision, reading: Reading) -> Advice | Unanswered:
        for policy in self._advisers.fallback.of(decision.signal.user_id, decision.signal.symbol):
            answered = await _advise(policy, decision, reading)
            if isinstance(answered, Advice):
                return answered
        return Unanswered.FAILED

    async def _ask_policy(self, decision: Decision, reading: Reading) -> Advice | Unanswered:
        policy = self._advisers.rl.of(model_asked(self._model_of(decision.assignment.experiment), decision.agent))
        if policy is None:
            return Unanswered.FAILED
        if not self._still_last(decision):
            return Unanswered.LATE
        answered = await _advise(policy, decision, reading)
        # It observes the last closed bar: another one may have closed while it was asked.
        return answered if self._still_last(decision) else Unanswered.LATE

    def _still_last(self, decision: Decision) -> bool:
        market = decision.market
        try:
            now = self._features.view(decision.signal.symbol)
        except Unavailable:
            return False
        return market is not None and now.as_of_s == market.as_of_s


async def _advise(policy: Policy, decision: Decision, reading: Reading) -> Advice | Unanswered:
    symbol, position = decision.signal.symbol, decision.position_exposure
    try:
        advice = await policy.advise(symbol, reading, position, budget_s=BUDGET_S)
    except Unavailable:
        return Unanswered.FAILED
    return advice if isfinite(advice.target_exposure) else Unanswered.FAILED
