"""Which thresholds the rule compares with: those the AdaptiveThreshold service gave a user, else its defaults."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Protocol

# The ranges the AdaptiveThreshold service keeps its thresholds in.
BOUNDS: dict[str, tuple[float, float]] = {
    "rsi": (50.0, 90.0),
    "confidence": (0.2, 1.0),
    "macd": (-0.1, 0.1),
    "volume": (1e8, 1e10),
    "momentum": (1.0, 5.0),
}

# What the service said longer ago than this is called last known: it has not answered since.
FRESH_S = 600.0


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
class KnownThresholds:
    """What the service said of one user and symbol, and when (wall time, Unix seconds)."""

    values: Thresholds
    as_of_s: float


class ThresholdOrigin(StrEnum):
    """How thresholds came to be in force. A closed list: it is part of the wire."""

    SERVICE = "service"
    LAST_KNOWN = "last_known"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdsInForce:
    """What the rule compares with; `as_of_s` (wall time, Unix seconds) is None for the defaults."""

    values: Thresholds
    origin: ThresholdOrigin
    as_of_s: float | None


class ThresholdSource(Protocol):
    """What the AdaptiveThreshold service said last, as this process knows it."""

    def of(self, user_id: str, symbol: str) -> KnownThresholds | None:
        """Of a user and symbol; None when nothing is known. Never waits."""


class _NoThresholds:
    def of(self, user_id: str, symbol: str) -> KnownThresholds | None:
        return None


# Where there is no such service.
NO_THRESHOLDS: ThresholdSource = _NoThresholds()
# Those of the service for a user it does not know.
DEFAULT_THRESHOLDS = ThresholdsInForce(values=Thresholds(), origin=ThresholdOrigin.DEFAULT, as_of_s=None)


def thresholds_in_force(known: KnownThresholds | None, *, wall_s: float) -> ThresholdsInForce:
    """What is known, marked as last known once it is older than FRESH_S; the defaults when nothing is."""
    if known is None:
        return DEFAULT_THRESHOLDS
    fresh = abs(wall_s - known.as_of_s) <= FRESH_S
    origin = ThresholdOrigin.SERVICE if fresh else ThresholdOrigin.LAST_KNOWN
    return ThresholdsInForce(values=known.values, origin=origin, as_of_s=known.as_of_s)
