"""Whether decisions were right: the event that a confidence is the probability of, and how well it was foretold."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ab.account import Costs
from trading.exposure import EXPOSURE_STEP
from trading.vocabulary import Arm

# As in the calibration of a bundle, so that both errors mean the same.
BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A decision and whether it earned: `target` is its target exposure, `arm` the one that answered.

    `confidence` (0..1) is None where none was served; `earned` None for a flat target, and while nobody can tell.
    """

    decision_id: str
    model: str
    version: str
    arm: Arm
    confidence: float | None
    target: float
    earned: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What is kept of many marked decisions: how many were `judged`, how many of these `earned`.

    `confidences` (float64) and `events` (0 or 1) are those of the judged ones that had a confidence, in order.
    """

    judged: int
    earned: int
    confidences: Sequence[float]
    events: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Decisions with a confidence in `low`..`high`: the mean confidence, the share that earned, how many there are."""

    low: float
    high: float
    confidence: float
    earned: float
    decisions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose decisions are judged together."""

    model: str
    version: str
    arm: Arm


def earned(*, target: float, position: float, price: float | None, later: float | None, costs: Costs) -> bool | None:
    """Whether `target`, held from `price` to the price one horizon `later`, nets more than 0 after reaching it.

    Exposures are shares of the symbol's capital, `position` the one before; prices in quote currency. None for a flat
    target, which has no such event, and where a price is not known.
    """
    if abs(target) <= EXPOSURE_STEP or price is None or later is None:
        return None
    return target * (later / price - 1.0) - abs(target - position) * costs.rate > 0.0


def hits_of(decisions: Iterable[Marked]) -> Mapping[Subject, Hits]:
    """The decisions of a stream by model, version and arm; nine bytes are kept of each that had a confidence."""
    counts: dict[Subject, list[int]] = {}
    pairs: dict[Subject, tuple[array[float], bytearray]] = {}
    for decision in decisions:
        subject = Subject(model=decision.model, version=decision.version, arm=decision.arm)
        count = counts.setdefault(subject, [0, 0])
        confidences, events = pairs.setdefault(subject, (array("d"), bytearray()))
        if decision.earned is None:
            continue
        count[0] += 1
        count[1] += decision.earned
        if decision.confidence is not None:
            confidences.append(decision.confidence)
            events.append(decision.earned)
    return {
        subject: Hits(judged=judged, earned=won, confidences=pairs[subject][0], events=pairs[subject][1])
        for subject, (judged, won) in counts.items()
    }


def brier(hits: Hits) -> float | None:
    """Mean squared difference of confidence and event, 0 (best)..1: Brier 1950, Monthly Weather Review 78(1)."""
    if not hits.events:
        return None
    errors = ((said - event) ** 2 for said, event in zip(hits.confidences, hits.events, strict=True))
    return sum(errors) / len(hits.events)


def reliability(hits: Hits) -> tuple[ReliabilityBin, ...]:
    """At most ten bins of about equal number, lowest confidence first; equal confidences stay together."""
    pairs = sorted(zip(hits.confidences, hits.events, strict=True))
    size, rest = divmod(len(pairs), BINS)
    starts = (part * size + min(part, rest) for part in range(BINS))
    borders = {bisect_left(pairs, (pairs[start][0], 0)) for start in starts if start < len(pairs)}
    return tuple(_bin(pairs[start:end]) for start, end in pairwise([*sorted(borders), len(pairs)]))


def calibration_error(hits: Hits) -> float | None:
    """The expected calibration error, 0 (best)..1: the bins' mean distance of confidence and share, by number.

    Equal-count bins: Nguyen & O'Connor 2015, arXiv:1508.05154; the measure: Naeini et al. 2015, AAAI.
    """
    bins = reliability(hits)
    if not bins:
        return None
    return sum(each.decisions * abs(each.confidence - each.earned) for each in bins) / len(hits.events)


def _bin(pairs: Sequence[tuple[float, int]]) -> ReliabilityBin:
    return ReliabilityBin(
        low=pairs[0][0],
        high=pairs[-1][0],
        confidence=sum(said for said, _ in pairs) / len(pairs),
        earned=sum(event for _, event in pairs) / len(pairs),
        decisions=len(pairs),
    )
