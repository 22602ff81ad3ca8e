"""Fits the curve from a policy's score to the probability that its target pays, on decisions it was not trained on.

The event of a decision: its target exposure, held unchanged for `horizon_bars`, nets more than 0 after the cost of
reaching it from the position of the policy's own account at that time, which is not flat as that of somebody who joins
later may be. A flat target has no event; an outcome whose close is not in the bars is missing. Neighbouring decisions
share most of their horizon, so their number overstates what they know: the fit keeps at least `HORIZONS_PER_BIN` whole
horizons of decisions in each bin, and a curve is used only if it beat the plain base rate by two standard errors in a
trial inside the decisions it is fitted on, one horizon counting as one observation there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rl_models.calibration import Calibration, CurvePoint, brier_of_rate
from rl_models.training.costs import FloatArray, TradingCosts
from rl_models.training.rollout import Rollout

FEWEST_DECISIONS = 200
FIT_SHARE = 0.6
MOST_BINS = 10
HORIZONS_PER_BIN = 20
STANDARD_ERRORS = 2.0
METHODS = {
    True: "isotonic on equal-count bins",
    False: "base rate, the score having said nothing more in a trial",
}
SPLIT = f"fitted on the first {FIT_SHARE:.0%} of out-of-sample decisions in time, judged on the rest, one horizon apart"
OWN_POSITION = "reach it from the position of the policy's own account at that time"

Knots: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Decisions whose outcome is known: close time (Unix seconds), confidence score and event (0 or 1), each [m]."""

    times_s: NDArray[np.int64]
    scores: FloatArray
    events: FloatArray

    def where(self, chosen: NDArray[np.bool_]) -> "Judged":
        """Only the chosen decisions."""
        return Judged(times_s=self.times_s[chosen], scores=self.scores[chosen], events=self.events[chosen])

    def split(self, gap_s: int) -> "tuple[Judged, Judged]":
        """Those up to the time that FIT_SHARE of them precede, and those more than `gap_s` seconds after it."""
        border_s = float(np.quantile(self.times_s, FIT_SHARE))
        return self.where(self.times_s <= border_s), self.where(self.times_s > border_s + gap_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is asked of a decision: the horizon it is held for and what reaching it costs."""

    horizon_bars: int
    costs: TradingCosts

    @property
    def event(self) -> str:
        """The event in words, as a manifest states it."""
        return (
            f"the target exposure, held for {self.horizon_bars} bars, nets more than 0 after {self.costs.bps:g} bps "
            f"per unit of turnover to {OWN_POSITION}"
        )

    def judge(self, rollout: Rollout, timeframe_s: int) -> Judged:
        """The decisions of a rollout with a target other than flat and a known close one horizon of time later."""
        future = rollout.closes[self.horizon_bars :]
        m = len(future)
        targets, positions = rollout.targets[:m], rollout.positions[:m]
        gain = targets * (future / rollout.closes[:m] - 1.0) - np.abs(targets - positions) * self.costs.rate
        times_s = rollout.close_times_s
        in_time = times_s[self.horizon_bars :] - times_s[:m] == self.horizon_bars * timeframe_s
        judged = Judged(times_s=times_s[:m], scores=rollout.scores[:m], events=(gain > 0.0).astype(np.float64))
        return judged.where(rollout.advised[:m] & (targets != 0.0) & in_time)


def calibrate(rollouts: Sequence[Rollout], outcome: Outcome, timeframe_s: int) -> Calibration | None:
    """The calibration of the decisions in these rollouts; None when fewer than 200 are left to fit or to judge by.

    Everything after the split in time, less one horizon, is only used to say how good the fit is. It is `informative`
    when the curve beat the base rate in the trial and, on what came after the split, the base rate found there.
    """
    parts = [outcome.judge(rollout, timeframe_s) for rollout in rollouts]
    judged = Judged(
        times_s=np.concatenate([part.times_s for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        events=np.concatenate([part.events for part in parts]),
    )
    if len(judged.times_s) < 2 * FEWEST_DECISIONS:
        return None
    horizon_s = outcome.horizon_bars * timeframe_s
    fitted, held_out = judged.split(horizon_s)
    if min(len(fitted.times_s), len(held_out.times_s)) < FEWEST_DECISIONS:
        return None
    passed = _beats_base_rate(*fitted.split(horizon_s), outcome.horizon_bars)
    knots = isotonic_knots(fitted, outcome.horizon_bars) if passed else base_rate_knot(fitted)
    brier, base_rate = float(np.mean(_squared_errors(knots, held_out))), float(np.mean(held_out.events))
    probabilities = _probabilities(knots, held_out.scores)
    curve = reliability(probabilities, held_out.events)
    return Calibration(
        event=outcome.event,
        horizon_bars=outcome.horizon_bars,
        cost_bps=outcome.costs.bps,
        symbols=_judged_symbols(rollouts, parts),
        method=f"{METHODS[passed]}; {SPLIT}",
        informative=passed and len(knots) > 1 and brier < brier_of_rate(base_rate),
        n=len(held_out.times_s),
        brier=brier,
        ece=expected_calibration_error(curve),
        base_rate=base_rate,
        knots=knots,
        curve=curve,
    )


def isotonic_knots(judged: Judged, horizon_bars: int) -> Knots:
    """(score, probability) pairs, scores strictly increasing and probabilities never decreasing; at least one.

    Pool-adjacent-violators over equal-count bins: Ayer et al. 1955, doi:10.1214/aoms/1177728423.
    """
    bins = int(np.clip(len(judged.scores) // (HORIZONS_PER_BIN * horizon_bars), 1, MOST_BINS))
    order = np.argsort(judged.scores, kind="stable")
    pools: list[tuple[float, float, int]] = []
    for part in np.array_split(order, bins):
        pool = (float(np.mean(judged.scores[part])), float(np.mean(judged.events[part])), len(part))
        while pools and (pools[-1][1] >= pool[1] or pools[-1][0] >= pool[0]):
            pool = _merged(pools.pop(), pool)
        pools.append(pool)
    return tuple((score, probability) for score, probability, _ in pools)


def base_rate_knot(judged: Judged) -> Knots:
    """The single knot that gives every score the share of events."""
    return ((float(np.mean(judged.scores)), float(np.mean(judged.events))),)


def reliability(probabilities: FloatArray, events: FloatArray) -> tuple[CurvePoint, ...]:
    """At most ten bins of equal count: mean probability, share of events, number. Equal probabilities stay together."""
    order = np.argsort(probabilities, kind="stable")
    borders = np.unique(
        np.searchsorted(probabilities[order], [probabilities[part[0]] for part in np.array_split(order, MOST_BINS)])
    )
    return tuple(
        CurvePoint(score=float(np.mean(probabilities[part])), observed=float(np.mean(events[part])), n=len(part))
        for part in np.split(order, borders[1:])
    )


def expected_calibration_error(curve: Sequence[CurvePoint]) -> float:
    """Mean distance of probability and share of events over the curve's bins, weighted by their number."""
    total = sum(point.n for point in curve)
    return sum(point.n * abs(point.score - point.observed) for point in curve) / total


def _judged_symbols(rollouts: Sequence[Rollout], parts: Sequence[Judged]) -> tuple[str, ...]:
    judged = [each.symbol for each, part in zip(rollouts, parts, strict=True) if len(part.times_s) > 0]
    return tuple(dict.fromkeys(judged))


def _beats_base_rate(early: Judged, late: Judged, horizon_bars: int) -> bool:
    curve, constant = (
        _squared_errors(knots, late) for knots in (isotonic_knots(early, horizon_bars), base_rate_knot(early))
    )
    gain = constant - curve
    if len(gain) == 0:
        return False
    independent = max(len(gain) / horizon_bars, 1.0)
    return bool(np.mean(gain) > STANDARD_ERRORS * np.std(gain) / np.sqrt(independent))


def _squared_errors(knots: Knots, judged: Judged) -> FloatArray:
    errors: FloatArray = (_probabilities(knots, judged.scores) - judged.events) ** 2
    return errors


def _probabilities(knots: Knots, scores: FloatArray) -> FloatArray:
    known, fitted = zip(*knots, strict=True)
    probabilities: FloatArray = np.interp(scores, known, fitted)
    return probabilities


def _merged(left: tuple[float, float, int], right: tuple[float, float, int]) -> tuple[float, float, int]:
    n = left[2] + right[2]
    return (
        (left[0] * left[2] + right[0] * right[2]) / n,
        (left[1] * left[2] + right[1] * right[2]) / n,
        n,
    )
