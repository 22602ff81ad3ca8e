"""A broken split is found, a sound one is not accused however often it is looked at."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ab.statistics.sample_ratio import CONCENTRATION, LEVEL, sample_ratio

PROPENSITIES = st.sampled_from([0.1, 0.5, 0.8])


def arrivals(number: int, propensity: float, truth: float, seed: int) -> list[tuple[float, bool]]:
    chance = random.Random(seed)
    return [(propensity, chance.random() < truth) for _ in range(number)]


@given(st.lists(st.tuples(PROPENSITIES, st.booleans()), min_size=1, max_size=60))
def test_the_evidence_is_the_mixture_over_the_multinomial_at_its_largest(seen: list[tuple[float, bool]]) -> None:
    largest = 0.0
    for number in range(1, len(seen) + 1):
        evidence = 0.0
        for propensity in {each for each, _ in seen[:number]}:
            arms = [treated for each, treated in seen[:number] if each == propensity]
            weights = (CONCENTRATION * propensity, CONCENTRATION * (1.0 - propensity))
            evidence += stats.betabinom.logpmf(sum(arms), len(arms), *weights)
            evidence -= stats.binom.logpmf(sum(arms), len(arms), propensity)
        largest = max(largest, evidence)
    found = sample_ratio(seen)
    assert found.p_value == pytest.approx(np.exp(-largest), rel=1e-6)
    assert found.users_rl + found.users_control == len(seen)
    assert found.expected_rl == pytest.approx(sum(propensity for propensity, _ in seen))


def test_a_sound_split_is_seldom_accused_though_looked_at_after_every_user() -> None:
    p_values = [sample_ratio(arrivals(300, 0.5, 0.5, seed)).p_value for seed in range(1_000)]
    for level in (0.1, 0.02):
        assert np.mean([p <= level for p in p_values]) <= level + 3 * np.sqrt(level * (1 - level) / 1_000)


def test_three_of_five_where_half_was_said_is_found_within_a_thousand_users() -> None:
    found = sample_ratio(arrivals(1_000, 0.5, 0.6, 1))
    assert found.mismatch
    assert found.p_value < LEVEL


def test_once_found_a_mismatch_does_not_go_away() -> None:
    broken = [(0.5, True)] * 40
    mended = [(0.5, False)] * 40
    assert sample_ratio(broken).mismatch
    assert sample_ratio(broken + mended).mismatch
    assert not sample_ratio([each for pair in zip(broken, mended, strict=True) for each in pair]).mismatch


def test_other_propensities_are_judged_each_against_its_own() -> None:
    mixed = arrivals(500, 0.2, 0.2, 2) + arrivals(500, 0.9, 0.9, 3)
    assert not sample_ratio(mixed).mismatch
    swapped = arrivals(50, 0.2, 0.9, 2) + arrivals(50, 0.9, 0.2, 3)
    assert sample_ratio(swapped).mismatch


def test_without_users_there_is_no_p_value() -> None:
    found = sample_ratio([])
    assert found.p_value is None
    assert not found.mismatch


@pytest.mark.parametrize("propensity", [0.0, 1.0, float("nan"), -0.5])
def test_a_propensity_that_leaves_no_choice_is_refused(propensity: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        sample_ratio([(propensity, True)])
