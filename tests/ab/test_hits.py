"""A decision was right when its target earned more than reaching it cost, and its confidence is judged by that."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.account import Costs
from ab.hits import Hits, Marked, Subject, brier, calibration_error, earned, hits_of, reliability
from rl_models.training import calibrate
from rl_models.training.costs import TradingCosts
from rl_models.training.rollout import Rollout
from trading.vocabulary import Arm

COSTS = Costs(fee_bps=10.0, spread_bps=4.0)
pairs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.3, 0.45, 0.5, 1.0]) | st.floats(0.0, 1.0), st.booleans()), min_size=1
)


def marked(confidence: float | None, won: bool | None, *, model: str = "ppo", arm: Arm = Arm.RL) -> Marked:
    return Marked(decision_id="d", model=model, version="1", arm=arm, confidence=confidence, target=1.0, earned=won)


def hits(told: list[tuple[float, bool]]) -> Hits:
    (only,) = hits_of(marked(confidence, won) for confidence, won in told).values()
    return only


@pytest.mark.parametrize(
    ("target", "position", "later", "won"),
    [
        (1.0, 0.0, 100.13, True),
        (1.0, 0.0, 100.11, False),
        (1.0, 1.0, 100.01, True),
        (0.5, 1.0, 100.13, True),
        (0.5, 1.0, 100.11, False),
        (-1.0, 0.0, 99.0, True),
        (1.0, 1.0, 100.0, False),
    ],
)
def test_a_target_has_to_earn_more_than_reaching_it_cost(
    target: float, position: float, later: float, won: bool
) -> None:
    assert earned(target=target, position=position, price=100.0, later=later, costs=COSTS) is won


@pytest.mark.parametrize(("target", "price", "later"), [(0.0, 100.0, 90.0), (1.0, None, 90.0), (1.0, 100.0, None)])
def test_nobody_can_say_whether_a_flat_target_or_one_without_prices_earned(
    target: float, price: float | None, later: float | None
) -> None:
    assert earned(target=target, position=1.0, price=price, later=later, costs=COSTS) is None


@given(st.lists(st.tuples(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.floats(50.0, 200.0)), min_size=2, max_size=20))
def test_the_event_is_the_one_that_confidences_were_fitted_on(steps: list[tuple[float, float, float]]) -> None:
    target, position, close = (np.array(column, dtype=np.float64) for column in zip(*steps, strict=True))
    m = len(steps)
    rollout = Rollout(
        symbol="BTC",
        close_times_s=np.arange(m, dtype=np.int64),
        closes=close,
        targets=target,
        positions=position,
        scores=np.zeros(m),
        advised=np.ones(m, dtype=bool),
    )
    costs = TradingCosts(fee_bps=COSTS.fee_bps, half_spread_bps=COSTS.spread_bps / 2.0)
    judged = calibrate.Outcome(horizon_bars=1, costs=costs).judge(rollout, 1)

    ours = [
        earned(target=to, position=held, price=price, later=later, costs=COSTS)
        for (to, held, price), (_, _, later) in pairwise(steps)
        if to != 0.0
    ]

    told = [(mine, bool(theirs)) for mine, theirs in zip(ours, judged.events, strict=True) if mine is not None]
    assert all(mine == theirs for mine, theirs in told)


def test_decisions_are_counted_by_model_version_and_arm() -> None:
    decisions = [
        marked(0.6, True),
        marked(None, False),
        marked(0.4, None),
        marked(None, True, model="rule", arm=Arm.FALLBACK),
    ]

    told = hits_of(decisions)

    policy = told[Subject(model="ppo", version="1", arm=Arm.RL)]
    assert (policy.judged, policy.earned, list(policy.confidences), list(policy.events)) == (2, 1, [0.6], [1])
    rule = told[Subject(model="rule", version="1", arm=Arm.FALLBACK)]
    assert (rule.judged, rule.earned, list(rule.confidences)) == (1, 1, [])


@given(pairs)
def test_brier_is_the_mean_squared_difference(told: list[tuple[float, bool]]) -> None:
    said, events = np.array(told, dtype=np.float64).T

    assert brier(hits(told)) == pytest.approx(np.mean((said - events) ** 2))


@given(st.lists(st.tuples(st.sampled_from([0.3, 0.45, 0.5]) | st.floats(0.0, 1.0), st.booleans()), min_size=10))
def test_the_calibration_error_is_that_of_a_bundle(told: list[tuple[float, bool]]) -> None:
    said, events = np.array(told, dtype=np.float64).T
    curve = calibrate.reliability(said, events)

    assert calibration_error(hits(told)) == pytest.approx(calibrate.expected_calibration_error(curve))
    assert [(each.confidence, each.earned, each.decisions) for each in reliability(hits(told))] == [
        (pytest.approx(point.score), pytest.approx(point.observed), point.n) for point in curve
    ]


@given(pairs)
def test_bins_part_the_decisions_by_confidence(told: list[tuple[float, bool]]) -> None:
    bins = reliability(hits(told))

    assert sum(each.decisions for each in bins) == len(told)
    borders = [bound for each in bins for bound in (each.low, each.high)]
    assert borders == sorted(borders)
    assert all(one.high < other.low for one, other in pairwise(bins))


def test_without_confidences_nothing_is_said_of_calibration() -> None:
    (only,) = hits_of([marked(None, True)]).values()

    assert (brier(only), calibration_error(only), reliability(only)) == (None, None, ())
