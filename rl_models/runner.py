"""A bundle behind a wire: what the process of a policy answers, and how the other side reads it."""

from collections.abc import Mapping, Sequence

import numpy as np

from rl_models.bundle import Bundle
from rl_models.network import Float64s
from rl_models.strict_json import Fields, Json, finite
from trading.errors import BundleRefused, FeaturesMissing, PolicyAnsweredNaN, PolicyFailed, Unavailable
from trading.vocabulary import Advice, ConfidenceReason

# The most special first: the code that is sent is that of the first kind an error belongs to.
_FAILURES: dict[str, type[Unavailable]] = {
    "policy_nan": PolicyAnsweredNaN,
    "policy_error": PolicyFailed,
    "features_missing": FeaturesMissing,
}


class PolicyRunner:
    """Answers for one bundle in terms of plain JSON."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def answer(self, observations: Mapping[str, Sequence[float]], exposure: float) -> dict[str, Json]:
        """The advice for one row of raw features by schema digest, or the failure; `advice_from_dict` reads both.

        Failures are translated here, because an exception does not survive the way to another process.
        """
        try:
            rows = {digest: _row(values) for digest, values in observations.items()}
            return advice_to_dict(self._bundle.answer(rows, exposure))
        except (PolicyFailed, FeaturesMissing) as error:
            code = next(code for code, kind in _FAILURES.items() if isinstance(error, kind))
            return {"failure": code, "message": str(error)}


def advice_to_dict(advice: Advice) -> dict[str, Json]:
    """An advice as JSON values."""
    return {
        "model": advice.model,
        "version": advice.version,
        "target_exposure": advice.target_exposure,
        "scores": list(advice.scores),
        "confidence": advice.confidence,
        "confidence_reason": advice.confidence_reason.value,
        "reasoning": advice.reasoning,
        "agreement": advice.agreement,
        "entropy": advice.entropy,
        "keeps": advice.keeps,
    }


def advice_from_dict(value: object) -> Advice:
    """The advice another process gave. Raises the failure it reported, PolicyFailed for what it cannot have sent."""
    if isinstance(value, dict) and "failure" in value:
        raise _FAILURES.get(str(value["failure"]), PolicyFailed)(str(value.get("message", "")))
    try:
        return _read(Fields(value, "advice"))
    except (BundleRefused, ValueError) as error:
        raise PolicyFailed(f"the policy's process answered something else: {error}") from error


def _read(fields: Fields) -> Advice:
    advice = Advice(
        model=fields.text("model"),
        version=fields.text("version"),
        target_exposure=fields.number("target_exposure"),
        scores=fields.numbers("scores"),
        confidence=_optional(fields, "confidence"),
        confidence_reason=ConfidenceReason(fields.text("confidence_reason")),
        reasoning=fields.text("reasoning"),
        agreement=_optional(fields, "agreement"),
        entropy=_optional(fields, "entropy"),
        keeps=fields.boolean("keeps"),
    )
    fields.end()
    return advice


def _optional(fields: Fields, key: str) -> float | None:
    value = fields.take(key)
    return None if value is None else finite(value, key)


def _row(values: Sequence[float]) -> Float64s:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PolicyFailed(f"an observation is not a list of numbers: {error}") from error
