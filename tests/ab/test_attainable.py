"""No p-value is below what so few coins can give, and a level takes so many coins and not one fewer."""

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ab.attainable import fewest_coins, least_p


@pytest.mark.parametrize("coins", [1, 2, 3, 7])
def test_the_least_p_is_that_of_the_most_extreme_of_all_falls(coins: int) -> None:
    falls = [abs(sum(signs)) for signs in product([1, -1], repeat=coins)]
    assert least_p(coins) == falls.count(max(falls)) / len(falls)


def test_without_a_coin_everything_is_an_accident() -> None:
    assert least_p(0) == 1.0


@example(alpha=0.03125)
@example(alpha=0.05)
@given(alpha=st.floats(1e-6, 0.5, exclude_max=True))
def test_a_level_takes_so_many_coins_and_not_one_fewer(alpha: float) -> None:
    coins = fewest_coins(alpha)
    assert least_p(coins) <= alpha < least_p(coins - 1)
