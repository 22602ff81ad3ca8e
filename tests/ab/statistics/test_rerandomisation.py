"""The statistic is Welch's under every draw, and the draws are fair coins that never change."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from ab.statistics.rerandomisation import coins, randomise

USERS = tuple(f"user{number}" for number in range(40))


def tossed(draws: int, users: tuple[str, ...] = USERS) -> np.ndarray:
    return np.array([coins("seed", user, draws) for user in users], dtype=np.bool_).T


def test_later_draws_extend_the_same_coins_and_another_seed_or_user_has_others() -> None:
    assert coins("seed", "user1", 100).tolist() == coins("seed", "user1", 999)[:100].tolist()
    assert coins("seed", "user1", 100).tolist() != coins("seed", "user2", 100).tolist()
    assert coins("seed", "user1", 100).tolist() != coins("other", "user1", 100).tolist()


def test_the_coins_are_fair_and_independent_of_each_other() -> None:
    flips = np.array([coins("seed", f"user{number}", 1_000) for number in range(1_000)], dtype=float)
    assert flips.mean() == pytest.approx(0.5, abs=4 * 0.5 / 1_000)
    between = np.corrcoef(flips)[np.triu_indices(1_000, 1)]
    assert np.abs(between).max() < 6 / np.sqrt(1_000)


def test_each_draw_has_the_statistic_of_welch() -> None:
    chance = np.random.default_rng(2)
    outcomes = 1_000.0 + chance.standard_t(3, (40, 2)) * 30.0
    compared = np.ones((40, 2), dtype=np.bool_)
    compared[:15, 0] = False
    treated = chance.random(40) < 0.5
    found = randomise(outcomes, compared, USERS, treated, seed="seed", draws=50)
    for look in range(2):
        there = compared[:, look]
        for draw, arms in enumerate([treated, *tossed(50)]):
            one, other = outcomes[there & arms, look], outcomes[there & ~arms, look]
            expected = stats.ttest_ind(one, other, equal_var=False).statistic
            assert found.squared()[draw, look] == pytest.approx(expected**2, rel=1e-9)
            assert found.difference[draw, look] == pytest.approx(one.mean() - other.mean())
        assert found.users_rl[look] == (there & treated).sum()
        assert found.users_control[look] == (there & ~treated).sum()


def test_a_constant_effect_is_taken_off_and_added_to_the_treated_of_each_draw() -> None:
    chance = np.random.default_rng(3)
    outcomes = chance.standard_normal((40, 1)) * 20.0
    compared = np.ones((40, 1), dtype=np.bool_)
    treated = chance.random(40) < 0.5
    found = randomise(outcomes, compared, USERS, treated, seed="seed", draws=30)
    effect = 7.5
    for draw, arms in enumerate([treated, *tossed(30)]):
        would_be = outcomes[:, 0] - effect * treated + effect * arms
        one, other = would_be[arms], would_be[~arms]
        distance = found.difference[draw, 0] - effect * found.difference_slope[draw, 0]
        error = found.error[draw, 0] - 2 * effect * found.error_slope[draw, 0] + effect**2 * found.error_curve[draw, 0]
        assert distance == pytest.approx(one.mean() - other.mean() - effect)
        assert error == pytest.approx(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))


def test_the_fixed_p_value_agrees_with_all_coins_and_with_permutations() -> None:
    chance = np.random.default_rng(4)
    users = tuple(f"user{number}" for number in range(10))
    outcomes = chance.standard_t(3, (10, 1)) * 10.0
    treated = np.array([True, False] * 5)
    outcomes[treated] += 14.0
    found = randomise(outcomes, np.ones((10, 1), dtype=np.bool_), users, treated, seed="s", draws=20_000).squared()[
        :, 0
    ]
    p_value = (found >= found[0] * (1 - 1e-9)).mean()

    def welch(one: np.ndarray, other: np.ndarray, axis: int = 0) -> np.ndarray:
        return stats.ttest_ind(one, other, axis=axis, equal_var=False).statistic ** 2

    extreme = 0
    for arms in (np.array(each, dtype=np.bool_) for each in product([False, True], repeat=10)):
        if 2 <= arms.sum() <= 8:
            extreme += welch(outcomes[arms, 0], outcomes[~arms, 0]) >= found[0] * (1 - 1e-9)
    assert p_value == pytest.approx(extreme / 2**10, abs=4 * np.sqrt(p_value / 20_000))

    groups = (outcomes[treated, 0], outcomes[~treated, 0])
    oracle = stats.permutation_test(groups, welch, alternative="greater", vectorized=True)
    # Permutations keep the sizes of the arms, coins do not: near, not equal.
    assert p_value == pytest.approx(oracle.pvalue, abs=0.02)


def test_draws_without_two_users_an_arm_are_never_extreme() -> None:
    users = USERS[:4]
    treated = np.array([True, True, False, False])
    outcomes = np.array([[1.0], [2.0], [30.0], [40.0]])
    found = randomise(outcomes, np.ones((4, 1), dtype=np.bool_), users, treated, seed="seed", draws=200)
    sizes = tossed(200, users).sum(axis=1)
    assert (found.squared()[1:, 0][(sizes < 2) | (sizes > 2)] == 0.0).all()
    assert (found.squared()[1:, 0][sizes == 2] > 0.0).all()


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 / 3.0])
def test_outcomes_that_are_all_equal_do_not_vary_and_have_no_extreme(constant: float) -> None:
    compared = np.ones((40, 1), dtype=np.bool_)
    found = randomise(np.full((40, 1), constant), compared, USERS, np.arange(40) % 2 == 0, seed="s", draws=50)
    assert not found.varies.any()
    assert (found.squared() == 0.0).all()


def test_arms_that_differ_while_nobody_within_them_does_are_as_extreme_as_can_be() -> None:
    treated = np.arange(40) % 2 == 0
    outcomes = np.where(treated, 0.1, 0.3)[:, None]
    found = randomise(outcomes, np.ones((40, 1), dtype=np.bool_), USERS, treated, seed="s", draws=50).squared()
    assert np.isinf(found[0, 0])
    assert np.isfinite(found[1:, 0]).all()
