"""From a target exposure to an action, within what the venue allows."""

from dataclasses import dataclass

from trading.vocabulary import Action

# A change smaller than this share of the capital is no trade: it is below what float32 scores can mean.
EXPOSURE_STEP = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureRange:
    """The exposures a venue can hold, as shares of the symbol's capital; spot is 0..1."""

    lowest: float
    highest: float

    def clip(self, target: float) -> float:
        """The nearest exposure the venue can hold."""
        return min(max(target, self.lowest), self.highest)


SPOT = ExposureRange(lowest=0.0, highest=1.0)


def derive_action(target: float, position: float) -> Action:
    """BUY when the target is above the position, SELL below it, HOLD when they are equal."""
    change = target - position
    if abs(change) <= EXPOSURE_STEP:
        return Action.HOLD
    return Action.BUY if change > 0 else Action.SELL


def increases_risk(target: float, position: float) -> bool:
    """True when the target is further from flat than the position. What is no trade increases nothing."""
    return abs(target) > abs(position) + EXPOSURE_STEP
