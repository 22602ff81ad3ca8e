"""The terms that many decisions share: what else, beside a decision itself, is needed to recompute it."""

from dataclasses import dataclass

from trading.exposure import ExposureRange
from trading.gate import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a desk decided by: its limits, the venue's exposures, the rule's BUY, and the experiment that gave the arm.

    `fallback_exposure` and `experiment_rl_share` are shares, 0..1.
    """

    limits: Limits
    exposures: ExposureRange
    fallback_exposure: float
    experiment_key: str
    experiment_salt: str
    experiment_enabled: bool
    experiment_rl_share: float
    service_version: str
