"""Experiments: what is asked of them, from and to the words of ab."""

import re
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints
from typing_extensions import TypedDict

from ab.defaults import ANALYSIS, GUARDRAILS
from ab.plan import Analysis, Guard, Guardrail, OutcomeSource, Plan, Response, Stage
from schemas.words import UserId, WireRequest
from trading.vocabulary import Arm


def _iso_day_only(value: object) -> object:
    # pydantic also reads 20484 and the midnight of a time as days; the wire has one spelling.
    if isinstance(value, date) or (isinstance(value, str) and _DAY_PATTERN.match(value)):
        return value
    raise ValueError("must be a day, like 2026-01-31")


_DAY_PATTERN = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_EPOCH = date(1970, 1, 1)
Day = Annotated[date, Field(strict=False), BeforeValidator(_iso_day_only)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
# Blanks around it are no part of it, and without them it says something.
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Version = Annotated[int, Field(ge=0, le=2**31 - 1)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class StageRequest(WireRequest):
    """One step of the ramp."""

    share: Share
    min_days: Finite = 0.0
    min_units: Count = 0
    approval: bool = False
    max_notional_usd: Finite | None = None


class AnalysisRequest(WireRequest):
    """How the outcome is judged."""

    source: OutcomeSource = Field(ANALYSIS.source, strict=False)
    looks: int = Field(ANALYSIS.looks, ge=1, le=1000)
    look_days: Finite = ANALYSIS.look_days
    alpha: Finite = ANALYSIS.alpha
    margin_bps: Finite = ANALYSIS.margin_bps
    lowest_bps: Finite = ANALYSIS.lowest_bps
    highest_bps: Finite = ANALYSIS.highest_bps


class GuardrailRequest(WireRequest):
    """A bound on one guard."""

    guard: Guard = Field(strict=False)
    limit: Finite
    response: Response = Field(strict=False)
    min_units: Count = 0


class CreateRequest(WireRequest):
    """A new experiment. Without `salt` one is made up; without `guardrails` the usual ones hold."""

    key: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    salt: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,64}$")
    model: str | None = Field(None, min_length=1, max_length=128)
    holdout_share: Share = 0.0
    stages: list[StageRequest] = Field(min_length=1, max_length=20)
    analysis: AnalysisRequest = Field(default_factory=AnalysisRequest)
    guardrails: list[GuardrailRequest] | None = Field(None, max_length=20)
    reason: Reason | None = None


class VersionedRequest(WireRequest):
    """A command to an experiment, based on the version that was looked at."""

    version: Version
    reason: Reason | None = None


class OverrideRequest(VersionedRequest):
    """Give one user an arm, or with null no longer."""

    user_id: UserId
    arm: Literal["rl", "fallback"] | None


class AcceptMissingRequest(WireRequest):
    """Accept the users' days up to one, a market day (UTC), as missing, and say why."""

    version: Version
    through: Day
    reason: Reason


class ConfigureRequest(WireRequest):
    """The default experiment in its short form. `rl_traffic_percentage` is a share, 0..1; what is left out stays."""

    enabled: bool | None = None
    rl_traffic_percentage: Share | None = None
    reason: Reason | None = None


class ConfigureParams(TypedDict):
    """The fields of a ConfigureRequest, validated, as an API method gets them."""

    enabled: bool | None
    rl_traffic_percentage: float | None
    reason: str | None


class EnvironmentView(TypedDict):
    """What AB_TESTING_ENABLED and RL_TRAFFIC_PERCENTAGE say; it counted at the first start only."""

    enabled: bool
    rl_traffic_percentage: float
    differs: bool


class AbTestStatus(TypedDict):
    """The default experiment. `in_force` False: another one assigns the users.

    `changed_at` and `reason` are of the last command, `phase_since` and `phase_reason` of the one that led to this
    phase.
    """

    key: str
    enabled: bool
    rl_traffic_percentage: float
    phase: str
    stage: str
    version: int
    run: int
    in_force: bool
    phase_since: str
    phase_reason: str | None
    changed_at: str
    reason: str | None
    environment: EnvironmentView


def to_plan(said: CreateRequest, *, salt: str) -> Plan:
    """The plan of a request; what it may not say is for ab.plan_checks."""
    given = said.guardrails
    return Plan(
        key=said.key,
        salt=salt,
        model=said.model,
        holdout_share=said.holdout_share,
        stages=tuple(Stage(**stage.model_dump()) for stage in said.stages),
        analysis=Analysis(**said.analysis.model_dump()),
        guardrails=GUARDRAILS if given is None else tuple(Guardrail(**guardrail.model_dump()) for guardrail in given),
    )


def to_arm(given: Literal["rl", "fallback"] | None) -> Arm | None:
    """The arm of an override; None ends it."""
    return None if given is None else Arm(given)


def to_day(given: date) -> int:
    """The UTC day since 1970-01-01 that a date is."""
    return (given - _EPOCH).days


def spell_day(day: int) -> str:
    """A UTC day since 1970-01-01 as the wire writes it."""
    return (_EPOCH + timedelta(days=day)).isoformat()
