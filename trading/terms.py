"""The terms that many decisions share: what else, beside a decision itself, is needed to recompute it."""

from dataclasses import dataclass

from trading.exposure import ExposureRange
from trading.gate import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a desk decided by: its limits, the venue's exposures, and the rule's BUY as a share of the capital, 0..1."""

    limits: Limits
    exposures: ExposureRange
    fallback_exposure: float
    service_version: str
