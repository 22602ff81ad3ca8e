"""The AdaptiveThreshold rule, run here: the fallback that always answers."""

from dataclasses import dataclass, fields

from trading.vocabulary import Action, Advice, ConfidenceReason, Reading

MODEL = "adaptive_threshold"
VERSION = "local-1"

# The ranges the AdaptiveThreshold service keeps its thresholds in.
BOUNDS: dict[str, tuple[float, float]] = {
    "rsi": (50.0, 90.0),
    "confidence": (0.2, 1.0),
    "macd": (-0.1, 0.1),
    "volume": (1e8, 1e10),
    "momentum": (1.0, 5.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a signal must reach: rsi 0..100, confidence 0..1, volume in USD over 24 h, momentum in percent over 24 h.

    `macd` is kept because the service has it; its rule never reads it. Raises ValueError outside BOUNDS.
    """

    rsi: float = 70.0
    confidence: float = 0.65
    macd: float = 0.0
    volume: float = 1e9
    momentum: float = 2.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, (lowest, highest) = getattr(self, field.name), BOUNDS[field.name]
            if not lowest <= value <= highest:
                raise ValueError(f"threshold {field.name} {value!r} is outside {lowest:g}..{highest:g}")


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
        self, thresholds: Thresholds | None = None, *, fallback_exposure: float = 1.0, lowest_exposure: float = 0.0
    ) -> None:
        self._thresholds = thresholds or Thresholds()
        self._targets = {Action.BUY: fallback_exposure, Action.SELL: lowest_exposure}

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """Advice from the reading alone; never fails and never waits."""
        verdict = evaluate(reading, self._thresholds)
        wanted = self._targets.get(reading.action) if verdict.should_trade else None
        return Advice(
            model=MODEL,
            version=VERSION,
            target_exposure=exposure if wanted is None else wanted,
            scores=(),
            confidence=None,
            confidence_reason=ConfidenceReason.RULE,
            reasoning=_reasoning(reading.action, verdict, wanted),
        )


def _refused(reason: str) -> Verdict:
    return Verdict(should_trade=False, reason=reason)


def _reasoning(action: Action, verdict: Verdict, wanted: float | None) -> str:
    if not verdict.should_trade:
        return f"rule: {action} not approved, position kept: {verdict.reason}"
    if wanted is None:
        return f"rule: signal says {action}, position kept: {verdict.reason}"
    return f"rule: {action} approved, target exposure {wanted:g}: {verdict.reason}"
