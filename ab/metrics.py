"""The figures by which arms and models are compared: one row a metric, from outcomes; None where nobody can say."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ab.hits import Hits, brier, calibration_error
from ab.outcomes import BPS, OutcomeState, UnitDay
from ab.results import ArmMoney
from trading.vocabulary import Arm

# The arms that are compared.
ARMS = (Arm.RL, Arm.FALLBACK)
# The market that is traded never closes.
TRADING_DAYS = 365
TAIL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Of `exposures`, how many the assigned arm answered, and how many another one because the assigned failed."""

    exposures: int
    as_assigned: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyBucket:
    """How many answers took at most `upper_ms` (the last may be infinite) and more than the bucket before allows."""

    upper_ms: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that one arm, or one version of a model in one arm, is judged by. Latencies by ascending bound."""

    days: Sequence[UnitDay]
    hits: Hits
    served: Served
    latencies: Sequence[LatencyBucket]


Metric = Callable[[Record], float | None]


def arm_money(arm: Arm, days: Sequence[UnitDay], served: Served) -> ArmMoney:
    """What the users assigned to an arm did, from their days.

    A LATE day counts in `users`, and as far as it is told in `users_traded`, drawdown and worst day: a loss of today is
    one.
    """
    known, means = _known(days), _daily_means(days)
    return ArmMoney(
        arm=arm,
        users=len({unit.user_id for unit in days}),
        users_traded=_users_traded(days),
        user_days=len(known),
        missing=sum(unit.state is OutcomeState.MISSING for unit in days),
        net_bps=_mean(unit.net_bps for unit in known),
        net_usd=_sum(in_usd(unit.net_bps, unit.capital_usd) for unit in known),
        fees_bps=_mean(unit.fees_bps for unit in known),
        fees_usd=_sum(in_usd(unit.fees_bps, unit.capital_usd) for unit in known),
        drawdown_bps=_drawdown(means),
        worst_day_bps=_loss(min(means)) if means else None,
        tail_loss_bps=_tail_loss(known),
        turnover=_mean(unit.turnover for unit in known),
        as_served=_share(served.as_assigned, served.exposures),
    )


def in_usd(bps: float | None, capital_usd: float | None) -> float | None:
    """So many basis points of a capital, in USD. None where one of them is not known: but 0 of any capital is 0."""
    if bps == 0.0:
        return 0.0
    return None if bps is None or capital_usd is None else bps * BPS * capital_usd


def mean_net_bps(days: Iterable[UnitDay]) -> float | None:
    """Mean net profit of a user-day, basis points of allotted capital."""
    return _mean(unit.net_bps for unit in _known(days))


def sharpe(days: Iterable[UnitDay]) -> float | None:
    """Mean over standard deviation (n - 1) of the arm's mean daily profit, times the root of 365 days a year.

    Sharpe 1994, The Journal of Portfolio Management 21(1), with a risk-free rate of 0. None for fewer than two days or
    without variance.
    """
    means = _daily_means(_known(days))
    if len(means) < 2:
        return None
    deviation = statistics.stdev(means)
    # Equal days leave only what rounding makes of them.
    if deviation <= 1e-12 * max(map(abs, means)):
        return None
    return statistics.fmean(means) / deviation * math.sqrt(TRADING_DAYS)


def drawdown_bps(days: Iterable[UnitDay]) -> float | None:
    """The deepest fall (>= 0) of the summed mean daily profit of the arm from its highest value so far, 0 at first.

    The day in progress counts as far as it is told.
    """
    return _drawdown(_daily_means(days))


def tail_loss_bps(days: Iterable[UnitDay]) -> float | None:
    """The mean loss (>= 0) of the worst twentieth of user-days; a day that is partly in it counts with that part.

    Expected shortfall at 5 % of the observed distribution: Rockafellar & Uryasev 2002, Journal of Banking & Finance
    26(7), proposition 8. With at most twenty days it is the worst one.
    """
    return _tail_loss(_known(days))


def win_rate(days: Iterable[UnitDay]) -> float | None:
    """The share of user-days with a profit among those with a profit or a loss."""
    moved = [net for net in _nets(_known(days)) if net != 0.0]
    return _share(sum(net > 0.0 for net in moved), len(moved))


def latency_ms(latencies: Sequence[LatencyBucket], share: float) -> float | None:
    """The latency that `share` (0..1) of the answers did not exceed, taken as even within a bucket.

    As Prometheus' histogram_quantile: in a bucket without an upper bound it is the lower one, and at least that.
    """
    rank = share * sum(bucket.count for bucket in latencies)
    lower_ms, below = 0.0, 0
    for bucket in latencies:
        if bucket.count > 0 and below + bucket.count >= rank:
            if math.isinf(bucket.upper_ms):
                return lower_ms
            return lower_ms + (bucket.upper_ms - lower_ms) * (rank - below) / bucket.count
        lower_ms, below = bucket.upper_ms, below + bucket.count
    return None


METRICS: Mapping[str, Metric] = {
    "net_bps": lambda record: mean_net_bps(record.days),
    "sharpe": lambda record: sharpe(record.days),
    "drawdown_bps": lambda record: drawdown_bps(record.days),
    "tail_loss_bps": lambda record: tail_loss_bps(record.days),
    "win_rate": lambda record: win_rate(record.days),
    "turnover": lambda record: _mean(unit.turnover for unit in _known(record.days)),
    "fees_bps": lambda record: _mean(unit.fees_bps for unit in _known(record.days)),
    "hit_rate": lambda record: _share(record.hits.earned, record.hits.judged),
    "brier": lambda record: brier(record.hits),
    "calibration_error": lambda record: calibration_error(record.hits),
    "latency_p50_ms": lambda record: latency_ms(record.latencies, 0.5),
    "latency_p99_ms": lambda record: latency_ms(record.latencies, 0.99),
    "fallback_rate": lambda record: _share(record.served.failed, record.served.exposures),
    "as_served": lambda record: _share(record.served.as_assigned, record.served.exposures),
}


def _known(days: Iterable[UnitDay]) -> list[UnitDay]:
    return [unit for unit in days if unit.state is OutcomeState.KNOWN]


def _nets(days: Iterable[UnitDay]) -> list[float]:
    return [unit.net_bps for unit in days if unit.net_bps is not None]


def _drawdown(means: Sequence[float]) -> float | None:
    if not means:
        return None
    path = [0.0, *accumulate(means)]
    return max(high - value for high, value in zip(accumulate(path, max), path, strict=True))


def _tail_loss(known: Iterable[UnitDay]) -> float | None:
    worst = sorted(_nets(known))
    if not worst:
        return None
    size = max(TAIL * len(worst), 1.0)
    whole = int(size)
    part = (size - whole) * worst[whole] if size > whole else 0.0
    return _loss((math.fsum(worst[:whole]) + part) / size)


def _daily_means(days: Iterable[UnitDay]) -> list[float]:
    nets: dict[int, list[float]] = defaultdict(list)
    for unit in days:
        if unit.net_bps is not None:
            nets[unit.day].append(unit.net_bps)
    return [statistics.fmean(nets[day]) for day in sorted(nets)]


def _mean(figures: Iterable[float | None]) -> float | None:
    known = _all_told(figures)
    return statistics.fmean(known) if known else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None


def _loss(net: float) -> float:
    return max(0.0, -net)


def _sum(figures: Iterable[float | None]) -> float | None:
    known = _all_told(figures)
    return math.fsum(known) if known else None


def _all_told(figures: Iterable[float | None]) -> list[float]:
    # One figure that nobody told makes the mean and the sum ones that nobody can tell.
    told = list(figures)
    known = [figure for figure in told if figure is not None]
    return known if len(known) == len(told) else []


def _users_traded(days: Sequence[UnitDay]) -> int | None:
    told = [(unit.user_id, unit.turnover) for unit in days if unit.turnover is not None]
    if not told or any(unit.turnover is None for unit in _known(days)):
        return None
    return len({user_id for user_id, turnover in told if turnover > 0.0})
