"""A calibration says how often a target paid, and is judged on decisions that came after those it was fitted on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rl_models.training.calibrate import (
    Judged,
    Outcome,
    calibrate,
    expected_calibration_error,
    isotonic_knots,
    reliability,
)
from rl_models.training.costs import TradingCosts
from rl_models.training.rollout import Rollout

HOUR_S = 3600
OUTCOME = Outcome(horizon_bars=2, costs=TradingCosts(fee_bps=10.0, half_spread_bps=0.0))


def rollout(closes: list[float], targets: list[float], positions: list[float] | None = None) -> Rollout:
    m = len(closes)
    return Rollout(
        symbol="BTC",
        close_times_s=np.arange(m, dtype=np.int64) * HOUR_S,
        closes=np.array(closes),
        positions=np.array(positions or [0.0] * m),
        targets=np.array(targets),
        scores=np.linspace(0.1, 0.9, m),
        advised=np.ones(m, dtype=np.bool_),
    )


def noisy(m: int = 6_000, skill: float = 0.3) -> Rollout:
    """Scores of which `skill` decides whether the price rises over the next bar; the horizon is one bar."""
    rng = np.random.default_rng(3)
    scores = rng.uniform(size=m)
    rises = rng.uniform(size=m) < 0.5 + skill * (scores - 0.5)
    steps = np.where(rises, 1.02, 1 / 1.02)
    closes = 100.0 * np.concatenate(([1.0], np.cumprod(steps[:-1])))
    return replace(rollout(closes.tolist(), [1.0] * m), scores=scores)


def test_the_event_is_a_gain_over_the_horizon_after_the_cost_of_getting_there() -> None:
    closes, targets = [100.0, 100.0, 100.05, 100.2, 99.0], [1.0] * 5
    assert OUTCOME.judge(rollout(closes, targets), HOUR_S).events.tolist() == [0.0, 1.0, 0.0]
    held = rollout(closes, targets, positions=[1.0] * 5)
    assert OUTCOME.judge(held, HOUR_S).events.tolist() == [1.0, 1.0, 0.0]


def test_a_flat_target_and_a_decision_without_features_have_no_event() -> None:
    decided = rollout([100.0] * 6, [0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    decided = replace(decided, advised=np.array([True, True, False, True, True, True]))
    assert OUTCOME.judge(decided, HOUR_S).times_s.tolist() == [HOUR_S, 3 * HOUR_S]


def test_scores_that_know_something_do_better_than_the_base_rate() -> None:
    fitted = calibrate([noisy(skill=0.8)], Outcome(horizon_bars=1, costs=TradingCosts()), HOUR_S)
    assert fitted is not None
    assert fitted.method.startswith("isotonic")
    assert fitted.informative
    assert fitted.brier < fitted.base_rate * (1.0 - fitted.base_rate) - 0.02
    assert fitted.ece < 0.05
    assert fitted.knots[-1][1] - fitted.knots[0][1] > 0.4


def test_scores_that_know_nothing_all_get_the_base_rate() -> None:
    fitted = calibrate([noisy(skill=0.0)], Outcome(horizon_bars=1, costs=TradingCosts()), HOUR_S)
    assert fitted is not None
    [(_, probability)] = fitted.knots
    assert probability == pytest.approx(fitted.base_rate, abs=0.05)
    assert fitted.method.startswith("base rate")
    assert not fitted.informative


def test_a_score_that_stops_knowing_after_the_fit_is_not_informative() -> None:
    outcome = Outcome(horizon_bars=1, costs=TradingCosts())
    knowing = noisy(skill=0.8)
    scores = knowing.scores.copy()
    scores[3_600:] = 1.0 - scores[3_600:]
    fitted = calibrate([replace(knowing, scores=scores)], outcome, HOUR_S)
    assert fitted is not None
    assert fitted.method.startswith("isotonic")
    assert fitted.brier > fitted.base_rate_brier
    assert not fitted.informative


def test_the_symbols_are_those_that_were_decided_on() -> None:
    outcome = Outcome(horizon_bars=1, costs=TradingCosts())
    flat = replace(noisy(), symbol="ETH", targets=np.zeros(6_000))
    fitted = calibrate([replace(noisy(), symbol="LTC"), flat, noisy()], outcome, HOUR_S)
    assert fitted is not None
    assert fitted.symbols == ("LTC", "BTC")


def test_the_event_says_from_which_position() -> None:
    assert "position of the policy's own account at that time" in OUTCOME.event


def test_an_outcome_across_a_hole_is_missing() -> None:
    decided = rollout([100.0, 101.0, 102.0, 103.0, 104.0, 105.0], [1.0] * 6)
    holed = decided.close_times_s + np.array([0, 0, 0, 48, 48, 48]) * HOUR_S
    judged = OUTCOME.judge(replace(decided, close_times_s=holed), HOUR_S)
    assert judged.times_s.tolist() == [0, 51 * HOUR_S]


def test_decisions_are_held_out_one_horizon_of_time_after_the_fit_across_a_hole() -> None:
    times_s = np.array([0, 1, 2, 3, 50, 51, 52, 53, 54, 55]) * HOUR_S
    fit, held_out = Judged(times_s=times_s, scores=np.zeros(10), events=np.zeros(10)).split(2 * HOUR_S)
    assert held_out.times_s.min() - fit.times_s.max() > 2 * HOUR_S


def test_levels_in_any_order_are_calibrated() -> None:
    outcome = Outcome(horizon_bars=1, costs=TradingCosts())
    mixed = replace(noisy(skill=0.8), targets=np.tile([1.0, 0.5], 3_000))
    assert calibrate([mixed], outcome, HOUR_S) is not None


def test_what_happens_after_the_split_changes_the_judgement_but_not_the_fit() -> None:
    outcome = Outcome(horizon_bars=1, costs=TradingCosts())
    known = noisy()
    crashed = known.closes.copy()
    crashed[4_000:] = crashed[4_000] * 0.9 ** np.arange(2_000)
    before, after = (calibrate([each], outcome, HOUR_S) for each in (known, replace(known, closes=crashed)))
    assert before is not None
    assert after is not None
    assert after.knots == before.knots
    assert after.brier > before.brier


@pytest.mark.parametrize(("m", "calibrated"), [(330, False), (600, True)])
def test_fewer_than_200_decisions_to_judge_by_give_no_calibration(m: int, calibrated: bool) -> None:
    fitted = calibrate([noisy(m)], Outcome(horizon_bars=1, costs=TradingCosts()), HOUR_S)
    assert (fitted is not None) == calibrated


@given(
    scores=arrays(np.float64, 400, elements=st.floats(0.0, 1.0)),
    events=arrays(np.float64, 400, elements=st.sampled_from([0.0, 1.0])),
)
def test_knots_rise_in_score_and_never_fall_in_probability(
    scores: "np.ndarray[tuple[int], np.dtype[np.float64]]", events: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> None:
    judged = Judged(times_s=np.arange(400, dtype=np.int64), scores=scores, events=events)
    known, fitted = (np.array(side) for side in zip(*isotonic_knots(judged, horizon_bars=1), strict=True))
    assert (np.diff(known) > 0.0).all()
    assert (np.diff(fitted) > 0.0).all()
    assert 0.0 <= fitted[0] <= fitted[-1] <= 1.0


def test_the_calibration_error_is_the_mean_distance_of_word_and_outcome() -> None:
    curve = reliability(np.array([0.2] * 30 + [0.8] * 10), np.array([0.0] * 30 + [1.0] * 10))
    assert [(point.score, point.observed, point.n) for point in curve] == [
        (pytest.approx(0.2), 0.0, 30),
        (pytest.approx(0.8), 1.0, 10),
    ]
    assert expected_calibration_error(curve) == pytest.approx(0.2)
