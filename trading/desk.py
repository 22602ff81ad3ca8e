"""From a signal to a decision: the one path every prediction walks."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from trading.errors import (
    FeaturesMissing,
    FeaturesWarmingUp,
    NoMarketData,
    PolicyAnsweredNaN,
    PolicyTimedOut,
    Unavailable,
)
from trading.exposure import EXPOSURE_STEP, ExposureRange, derive_action
from trading.gate import Limits, judge
from trading.ports import Assigner, Features, Policy, Recorder
from trading.vocabulary import (
    Advice,
    Arm,
    Assignment,
    ConfidenceReason,
    Decision,
    FailureReason,
    MarketView,
    Signal,
)

HOLD_MODEL = "hold"

# The share of the remaining budget an adviser may use when another one stands behind it.
BUDGET_SHARE = 0.75

_FAILURES: tuple[tuple[type[Unavailable], FailureReason], ...] = (
    (PolicyTimedOut, FailureReason.POLICY_TIMEOUT),
    (PolicyAnsweredNaN, FailureReason.POLICY_NAN),
    (FeaturesWarmingUp, FailureReason.FEATURES_WARMING_UP),
    (FeaturesMissing, FailureReason.FEATURES_MISSING),
    (NoMarketData, FailureReason.NO_DATA),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisers:
    """The chains asked in turn: `rl` first for a user in the RL arm, then `fallback`; HOLD when all have failed."""

    rl: Policy
    fallback: Sequence[Policy]


class Desk:
    """Decides on signals. Keeps no state of its own; everything it knows comes through its ports."""

    def __init__(
        self,
        *,
        features: Features,
        assigner: Assigner,
        advisers: Advisers,
        recorder: Recorder,
        limits: Limits,
        exposures: ExposureRange,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._features = features
        self._assigner = assigner
        self._advisers = advisers
        self._recorder = recorder
        self._limits = limits
        self._exposures = exposures
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s

    async def decide(self, signal: Signal, *, request_id: str, budget_s: float) -> Decision:
        """A decision within about `budget_s` seconds, whatever fails. Raises UnknownSymbol, and nothing else of ours.

        No agent: the position is 0 and no order follows.
        """
        started_s = self._monotonic_s()
        assignment = self._assigner.assign(signal.user_id)
        market = self._view(signal.symbol)
        position = 0.0
        advice, served, failure = await self._advise(signal, assignment, market, position, started_s + budget_s)
        target = self._exposures.clip(advice.target_exposure)
        if target != advice.target_exposure:
            advice = _without_confidence(advice, target)
        decision = Decision(
            request_id=request_id,
            signal=signal,
            action=derive_action(target, position),
            advice=advice,
            assignment=assignment,
            served_arm=served,
            failure=failure,
            position_exposure=position,
            target_exposure=target,
            blocked_by=judge(signal, market, self._limits, wall_s=self._wall_s()),
            market=market,
        )
        self._recorder.record(decision, seconds=self._monotonic_s() - started_s)
        return decision

    def _view(self, symbol: str) -> MarketView | None:
        try:
            return self._features.view(symbol)
        except NoMarketData:
            return None

    async def _advise(
        self, signal: Signal, assignment: Assignment, market: MarketView | None, position: float, deadline_s: float
    ) -> tuple[Advice, Arm, FailureReason | None]:
        if market is None or market.ended or market.stale:
            return _hold(position, "no current market data"), Arm.HOLD, FailureReason.NO_DATA
        chain = [(Arm.FALLBACK, policy) for policy in self._advisers.fallback]
        if assignment.arm is Arm.RL:
            chain.insert(0, (Arm.RL, self._advisers.rl))
        failure: FailureReason | None = None
        for arm, policy in chain:
            left_s = max(deadline_s - self._monotonic_s(), 0.0)
            try:
                advice = await policy.advise(signal.symbol, signal.reading, position, budget_s=left_s * BUDGET_SHARE)
                if not math.isfinite(advice.target_exposure):
                    raise PolicyAnsweredNaN(f"{advice.model} wants no finite exposure")
                return advice, arm, failure
            except Unavailable as error:
                failure = failure or _failure_reason(error, arm)
        return _hold(position, "no adviser could answer"), Arm.HOLD, failure


def _hold(position: float, why: str) -> Advice:
    return Advice(
        model=HOLD_MODEL,
        version="1",
        target_exposure=position,
        scores=(),
        confidence=None,
        confidence_reason=ConfidenceReason.UNAVAILABLE,
        reasoning=why,
    )


def _without_confidence(advice: Advice, target: float) -> Advice:
    # The confidence is that of the advised target, not of the one the venue can hold.
    reason = ConfidenceReason.FLAT if abs(target) <= EXPOSURE_STEP else ConfidenceReason.UNCALIBRATED
    return replace(advice, confidence=None, confidence_reason=reason)


def _failure_reason(error: Unavailable, arm: Arm) -> FailureReason:
    if arm is Arm.FALLBACK:
        return FailureReason.RULE_TIMEOUT if isinstance(error, PolicyTimedOut) else FailureReason.RULE_ERROR
    for kind, reason in _FAILURES:
        if isinstance(error, kind):
            return reason
    return FailureReason.POLICY_ERROR
