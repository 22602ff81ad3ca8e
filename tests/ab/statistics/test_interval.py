"""The interval holds exactly the effects that the test does not contradict."""

import numpy as np
import pytest
from scipy import stats

from ab.statistics.interval import curves, interval
from ab.statistics.rerandomisation import randomise

DRAWS = 1_999


def one_look(outcomes: np.ndarray, treated: np.ndarray, seed: str = "seed") -> object:
    users = tuple(f"user{number}" for number in range(len(outcomes)))
    compared = np.ones((len(outcomes), 1), dtype=np.bool_)
    return curves(randomise(outcomes[:, None], compared, users, treated, seed=seed, draws=DRAWS), 0)


def heavy(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    return chance.standard_t(3, number) * 20.0, chance.random(number) < 0.5


@pytest.mark.parametrize("effect", [-30.0, -4.0, 0.0, 3.0, 55.0])
def test_how_extreme_an_effect_is_equals_the_test_of_the_outcomes_without_it(effect: float) -> None:
    outcomes, treated = heavy(50, 1)
    shifted = one_look(outcomes - effect * treated, treated)
    assert one_look(outcomes, treated).extreme(effect) == shifted.extreme(0.0)


def test_an_end_is_where_the_test_begins_to_contradict() -> None:
    outcomes, treated = heavy(60, 2)
    look = one_look(outcomes, treated)
    low, high = interval(look, 100)
    error = np.sqrt(look.error[0])
    assert look.extreme(low) <= 100 < look.extreme(low + 0.01 * error)
    assert look.extreme(high) <= 100 < look.extreme(high - 0.01 * error)


def test_an_effect_added_to_the_treated_moves_the_interval_by_as_much() -> None:
    outcomes, treated = heavy(60, 3)
    low, high = interval(one_look(outcomes, treated), 100)
    assert interval(one_look(outcomes + 12.0 * treated, treated), 100) == pytest.approx((low + 12.0, high + 12.0))


def test_of_many_users_the_interval_is_the_one_of_welch() -> None:
    chance = np.random.default_rng(4)
    outcomes, treated = chance.standard_normal(400) * 20.0, chance.random(400) < 0.5
    outcomes[treated] *= 2.0
    oracle = stats.ttest_ind(outcomes[treated], outcomes[~treated], equal_var=False).confidence_interval(0.95)
    low, high = interval(one_look(outcomes, treated), 100)
    assert (low, high) == pytest.approx((oracle.low, oracle.high), abs=0.08 * (oracle.high - oracle.low))


def test_the_interval_holds_the_effect_as_often_as_it_says() -> None:
    held = 0
    for world in range(300):
        outcomes, treated = heavy(40, 1_000 + world)
        low, high = interval(one_look(outcomes + 9.0 * treated, treated, f"seed{world}"), 200)
        held += low <= 9.0 <= high
    assert 0.9 - 3.5 * np.sqrt(0.09 / 300) <= held / 300 <= 0.9 + 3.5 * np.sqrt(0.09 / 300)


def test_where_nobody_within_the_arms_differs_only_the_observed_effect_is_left() -> None:
    treated = np.arange(40) % 2 == 0
    look = one_look(np.where(treated, 3.0, -1.0), treated)
    assert interval(look, 100) == (4.0, 4.0)
    assert interval(look, 0) == (None, None)


def test_there_is_no_end_where_no_effect_can_be_contradicted() -> None:
    outcomes, treated = heavy(60, 5)
    assert interval(one_look(outcomes, treated), 0) == (None, None)
    few = np.array([1.0, 2.0, 3.0, 9.0, 11.0, 14.0])
    # Two of 64 draws, the arms and their mirror image, are as extreme under every effect: 62 of 2,000.
    assert interval(one_look(few, np.array([True, True, True, False, False, False])), 40) == (None, None)
