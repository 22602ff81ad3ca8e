"""A simulated trading world: users who enter along a ramp, a market that all share, days with heavy tails.

What follows the market is a user's own and the same in both arms: here no arm holds more of the market than the other.
One that did would differ from it by the market's course, which the test over users takes for an effect and the one over
days does not.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ab.statistics.units import Units

# How much of the market a user's day follows: between these, evenly.
LEAST_LOADING, MOST_LOADING = 0.5, 1.5


class Tails(StrEnum):
    """How heavy the tails of a day's profit are: normal, or Student's t with 3 degrees of freedom."""

    NORMAL = "normal"
    T3 = "t3"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What happens to `users` (>= 1) over `days` (>= 1); all in basis points a day.

    `deviation_bps` is the standard deviation of a user's own profit, `market_bps` that of the market; treated users
    have `risk` times (> 0) the deviation and `effect_bps` more. `ramp` gives the shares (0..1, growing) of the users
    who are compared, each from a day on.
    """

    users: int
    days: int
    effect_bps: float
    deviation_bps: float
    market_bps: float
    risk: float
    tails: Tails
    ramp: tuple[tuple[int, float], ...]


def noise(shape: tuple[int, ...], tails: Tails, chance: np.random.Generator) -> NDArray[np.float64]:
    """Independent values of mean 0 and variance 1, float64[shape]."""
    normal = chance.standard_normal(shape)
    if tails is Tails.NORMAL:
        return normal
    # Student's t with 3 degrees of freedom has variance 3; chi-squared with 3 is twice a gamma of 3/2.
    return normal / np.sqrt(2.0 * chance.standard_gamma(1.5, shape))


def trade(world: World, chance: np.random.Generator) -> Units:
    """One history of the world: everybody whom the ramp reached, in an arm by a fair coin."""
    place = chance.random(world.users)
    entered = np.full(world.users, world.days, dtype=np.int64)
    for day, share in reversed(world.ramp):
        entered[place < share] = day
    treated = chance.random(world.users) < 0.5
    own = world.deviation_bps * noise((world.users, world.days), world.tails, chance)
    market = world.market_bps * noise((world.days,), world.tails, chance)
    loading = LEAST_LOADING + (MOST_LOADING - LEAST_LOADING) * chance.random(world.users)
    profit = own * np.where(treated, world.risk, 1.0)[:, None] + loading[:, None] * market
    profit += world.effect_bps * treated[:, None]
    present = np.arange(world.days) >= entered[:, None]
    reached = entered < world.days
    return Units(
        users=tuple(f"user{number}" for number in np.flatnonzero(reached)),
        treated=treated[reached],
        entered=entered[reached],
        profit=np.where(present, profit, np.nan)[reached],
        present=present[reached],
    )
