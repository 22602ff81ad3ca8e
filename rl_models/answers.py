"""What every kind of bundle answers with, and how one answer becomes an advice."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from rl_models.manifest import Manifest
from rl_models.network import Float64s
from trading.errors import PolicyAnsweredNaN
from trading.exposure import EXPOSURE_STEP
from trading.vocabulary import SIMULATED, Advice, ConfidenceReason


class Answer(NamedTuple):
    """What one row is answered with.

    `target` is an exposure, `score` the confidence score before calibration, `raw` the network's k scores or the votes
    per level. `agreement` (0..1) and `entropy` (nats) are those of an ensemble, None for a single policy. `keeps`: it
    means to keep whatever is held.
    """

    target: float
    score: float
    raw: tuple[float, ...]
    agreement: float | None = None
    entropy: float | None = None
    keeps: bool = False


class Answering(Protocol):
    """A kind of bundle, opened."""

    @property
    def manifest(self) -> Manifest:
        """What it was opened with."""

    def answers(self, observations: Mapping[str, Float64s], exposures: Sequence[float]) -> list[Answer]:
        """Answers to float64[m, n] raw observations by schema digest, given m present exposures.

        Raises FeaturesMissing for an observation that is not finite, PolicyAnsweredNaN for such an answer, PolicyFailed
        for wrong shapes.
        """

    def describe(self, answer: Answer, exposure: float) -> str:
        """An answer in words, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a kind of bundle is opened from. `inline_p99_s` None means a slow network is no reason to refuse it."""

    manifest: Manifest
    model: bytes | None
    members: Sequence[Answering]
    inline_p99_s: float | None


def advice(
    answering: Answering,
    answer: Answer,
    exposure: float,
    *,
    calibrated: bool = True,
    digest: str | None = None,
    observations: Mapping[str, bytes] | None = None,
) -> Advice:
    """An answer as the desk takes it, its confidence calibrated as the manifest says.

    `calibrated` False where that calibration says nothing (see `calibrated_symbols`). The last two are as in Advice.
    """
    manifest = answering.manifest
    if not (math.isfinite(answer.target) and math.isfinite(answer.score)):
        raise PolicyAnsweredNaN(f"{manifest.name}: its answer means no finite exposure")
    confidence, reason = None, ConfidenceReason.UNCALIBRATED
    if abs(answer.target) <= EXPOSURE_STEP:
        reason = ConfidenceReason.FLAT
    elif calibrated and manifest.calibration is not None and manifest.calibration.informative:
        confidence = manifest.calibration.probability(answer.score)
        reason = ConfidenceReason.CALIBRATED
    return Advice(
        model=manifest.name,
        version=manifest.version,
        target_exposure=answer.target,
        scores=answer.raw,
        confidence=confidence,
        confidence_reason=reason,
        reasoning=answering.describe(answer, exposure),
        agreement=answer.agreement,
        entropy=answer.entropy,
        digest=digest,
        observations=observations,
        keeps=answer.keeps,
    )


def calibrated_symbols(manifest: Manifest, *, source: str) -> frozenset[str]:
    """The symbols for which this bundle can give a confidence on a market of this source; none on a made-up one."""
    calibration = manifest.calibration
    if calibration is None or not calibration.informative or source == SIMULATED:
        return frozenset()
    return frozenset(calibration.symbols)


def where_calibrated(advised: Advice, manifest: Manifest, *, symbol: str, source: str) -> Advice:
    """The same advice, without the confidence where its calibration says nothing: other symbols, a made-up market.

    `source` is that of the market. A flat target has no confidence anywhere and keeps its own reason.
    """
    if advised.confidence is None or symbol in calibrated_symbols(manifest, source=source):
        return advised
    return replace(advised, confidence=None, confidence_reason=ConfidenceReason.UNCALIBRATED)
