"""How small a p-value can be at all, with so few coins and draws, and how many coins a level takes."""

from itertools import count

# With the observed one 10,000 equally likely statistics: p-values in steps of 1/10,000.
DRAWS = 9_999


def least_p(coins: int) -> float:
    """The chance that so many fair coins (>= 0) fall as they did, or all the other way: no p-value is below it."""
    return min(1.0, 2.0 * 0.5**coins)


def fewest_coins(alpha: float) -> int:
    """The fewest with which a p-value can be `alpha` (0..1, not 0) or below: days, or users of both arms together."""
    return next(coins for coins in count(1) if least_p(coins) <= alpha)
