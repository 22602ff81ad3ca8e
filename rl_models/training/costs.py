"""What a change of exposure costs, and what an account that follows targets is worth after it."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BPS = 1e-4

_Number = TypeVar("_Number", float, FloatArray)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingCosts:
    """Exchange fee and half of the bid-ask spread, both in basis points of the traded notional."""

    fee_bps: float = 10.0
    half_spread_bps: float = 2.0

    @property
    def bps(self) -> float:
        """Cost of one unit of turnover, in basis points."""
        return self.fee_bps + self.half_spread_bps

    @property
    def rate(self) -> float:
        """Cost of one unit of turnover, as a fraction."""
        return self.bps * BPS


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPath:
    """An account over m decisions. `equity` is float64[m + 1] and starts at 1; the others are float64[m].

    `positions` is the exposure before each decision, `turnover` the share of equity traded, `costs` what that took from
    an account that started with 1.
    """

    equity: FloatArray
    positions: FloatArray
    targets: FloatArray
    turnover: FloatArray
    costs: FloatArray


def drifted(target: _Number, bar_return: _Number) -> _Number:
    """The exposure a bar after `target` was held: 0.5 of a rising market is more than 0.5 a bar later."""
    return target * (1.0 + bar_return) / (1.0 + target * bar_return)


def hold_for_a_bar(position: float, target: float, bar_return: float, cost_rate: float) -> tuple[float, float]:
    """Trade from `position` to `target` at one close and hold to the next: (growth of equity, exposure then)."""
    growth = (1.0 - abs(target - position) * cost_rate) * (1.0 + target * bar_return)
    return growth, drifted(target, bar_return)


def follow(targets: FloatArray, bar_returns: FloatArray, costs: TradingCosts) -> AccountPath:
    """The account that holds `targets[i]` while `bar_returns[i]` is earned, starting flat; both float64[m]."""
    held = 1.0 + targets * bar_returns
    positions = np.concatenate(([0.0], drifted(targets, bar_returns)[:-1]))[: len(targets)]
    turnover = np.abs(targets - positions)
    equity = np.concatenate(([1.0], np.cumprod((1.0 - turnover * costs.rate) * held)))
    return AccountPath(
        equity=equity,
        positions=positions,
        targets=targets,
        turnover=turnover,
        costs=equity[:-1] * turnover * costs.rate,
    )
