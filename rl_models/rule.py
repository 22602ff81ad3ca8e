"""The AdaptiveThreshold rule, run here: the fallback that always answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from trading.thresholds import (
    DEFAULT_THRESHOLDS,
    ThresholdOrigin,
    Thresholds,
    ThresholdsInForce,
    ThresholdSource,
    thresholds_in_force,
)
from trading.vocabulary import Action, Advice, ConfidenceReason, Reading

MODEL = "adaptive_threshold"
VERSION = "local-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the rule lets a signal be traded, and the first comparison that decided, in words."""

    should_trade: bool
    reason: str


def evaluate(reading: Reading, thresholds: Thresholds) -> Verdict:
    """The service's `should_trade`: its comparisons, in its order. A figure that is NaN fails its comparison."""
    if not reading.confidence >= thresholds.confidence:
        return _refused(f"confidence {reading.confidence:g} is below {thresholds.confidence:g}")
    if reading.action is Action.BUY and not reading.rsi <= thresholds.rsi:
        return _refused(f"RSI {reading.rsi:g} is above {thresholds.rsi:g}, too high to buy")
    if not abs(reading.change_percent) >= thresholds.momentum:
        return _refused(f"a 24 h change of {reading.change_percent:g} % is smaller than {thresholds.momentum:g} %")
    if not reading.volume_usd >= thresholds.volume:
        return _refused(f"24 h volume of {reading.volume_usd:,.0f} USD is below {thresholds.volume:,.0f} USD")
    return Verdict(
        should_trade=True,
        reason=(
            f"confidence {reading.confidence:g}, RSI {reading.rsi:g}, 24 h change {reading.change_percent:g} % and "
            f"24 h volume {reading.volume_usd:,.0f} USD pass the thresholds"
        ),
    )


class FallbackRule:
    """Keeps trading.ports.Policy with the rule: an approved BUY goes to `fallback_exposure`, an approved SELL to
    `lowest_exposure`, everything else keeps the position. Both are shares of the symbol's capital."""

    def __init__(
        self,
        thresholds: ThresholdsInForce = DEFAULT_THRESHOLDS,
        *,
        fallback_exposure: float = 1.0,
        lowest_exposure: float = 0.0,
    ) -> None:
        self.thresholds = thresholds
        self._fallback_exposure = fallback_exposure
        self._lowest_exposure = lowest_exposure

    def under(self, thresholds: ThresholdsInForce) -> "FallbackRule":
        """The same rule with other thresholds."""
        return FallbackRule(
            thresholds, fallback_exposure=self._fallback_exposure, lowest_exposure=self._lowest_exposure
        )

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """Advice from the reading alone; never fails and never waits."""
        verdict = evaluate(reading, self.thresholds.values)
        wanted = self._target(reading.action) if verdict.should_trade else None
        return Advice(
            model=MODEL,
            version=VERSION,
            target_exposure=exposure if wanted is None else wanted,
            scores=(),
            confidence=None,
            confidence_reason=ConfidenceReason.RULE,
            reasoning=f"rule ({_told(self.thresholds)}): {_reasoning(reading.action, verdict, wanted)}",
            thresholds=self.thresholds,
            keeps=wanted is None,
        )

    def _target(self, action: Action) -> float | None:
        if action is Action.HOLD:
            return None
        return self._fallback_exposure if action is Action.BUY else self._lowest_exposure


class Rules:
    """The rule of each user: with the thresholds that are known of that user and symbol now, else the defaults."""

    def __init__(self, rule: FallbackRule, source: ThresholdSource, *, wall_s: Callable[[], float] = time.time) -> None:
        self._rule = rule
        self._source = source
        self._wall_s = wall_s

    def of(self, user_id: str, symbol: str) -> FallbackRule:
        """The rule for one decision. Never waits."""
        return self._rule.under(thresholds_in_force(self._source.of(user_id, symbol), wall_s=self._wall_s()))


def _refused(reason: str) -> Verdict:
    return Verdict(should_trade=False, reason=reason)


def _reasoning(action: Action, verdict: Verdict, wanted: float | None) -> str:
    if not verdict.should_trade:
        return f"{action} not approved, position kept: {verdict.reason}"
    if wanted is None:
        return f"signal says {action}, position kept: {verdict.reason}"
    return f"{action} approved, target exposure {wanted:g}: {verdict.reason}"


def _told(thresholds: ThresholdsInForce) -> str:
    if thresholds.as_of_s is None:
        return "default thresholds"
    at = datetime.fromtimestamp(thresholds.as_of_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{'last known ' if thresholds.origin is ThresholdOrigin.LAST_KNOWN else ''}thresholds of {at}"
