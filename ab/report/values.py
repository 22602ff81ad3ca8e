"""What the report of an experiment is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ab.hits import ReliabilityBin
from ab.results import Findings
from ab.state import Event, ExperimentState
from ab.waiting import Wait
from trading.vocabulary import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Where prices and fills came from. `source` says it in words, with the period if there is one.

    `simulated`: the prices are made up. `paper`: no order of this experiment reached a venue.
    """

    source: str
    simulated: bool
    paper: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyDay:
    """Where the arms stood at the end of one market day, since the start of the run and as assigned.

    `net_bps` is the mean cumulative net profit of the arm's users in basis points of allotted capital, `net_usd` their
    sum in dollars. An arm that is absent, or None: not known for that day.
    """

    day: date
    net_bps: Mapping[Arm, float | None]
    net_usd: Mapping[Arm, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """What came of the confidences of one version of a model; no bins while none of its decisions is marked."""

    model: str
    version: str
    bins: Sequence[ReliabilityBin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How one arm was served: `fallback_rate` is the share (0..1) of failures. None: not known.

    Latencies (milliseconds) are of all that the arm answered since the deployment began, of whichever experiment.
    Failures are decisions that the rule had to answer because the assigned policy did not.
    """

    decisions: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    fallback_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One experiment at one moment, all that its page says.

    `events` and `money_days` come oldest first. `version` is that of the service; `generated_at_s` a wall time (Unix
    seconds).
    """

    state: ExperimentState
    findings: Findings
    waiting_for: Sequence[Wait]
    events: Sequence[Event]
    money_days: Sequence[MoneyDay]
    calibration: Sequence[Reliability]
    serving: Mapping[Arm, Serving]
    market: Market
    generated_at_s: float
    version: str
