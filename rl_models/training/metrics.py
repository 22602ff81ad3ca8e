"""The figures by which an account is judged."""

from dataclasses import dataclass

import numpy as np

from rl_models.training.costs import AccountPath, FloatArray
from trading.exposure import EXPOSURE_STEP

YEAR_S = 365.25 * 86400.0
DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """An account after costs. Returns, drawdown and cost are fractions of the equity at the start.

    `sharpe` is annualised from simple bar returns with a risk-free rate of 0, None when the account never moved.
    `turnover_per_day` is the multiple of equity traded a day; `mean_exposure` the average target.
    """

    total_return: float
    sharpe: float | None
    max_drawdown: float
    turnover_per_day: float
    cost_paid: float
    mean_exposure: float


def measure(path: AccountPath, timeframe_s: int) -> Metrics:
    """The figures of one account whose bars last `timeframe_s` seconds."""
    days = len(path.targets) * timeframe_s / DAY_S
    return Metrics(
        total_return=float(path.equity[-1] - 1.0),
        sharpe=annualised_sharpe(path.equity, timeframe_s),
        max_drawdown=float(np.max(drawdown(path.equity))),
        turnover_per_day=float(np.sum(path.turnover) / days),
        cost_paid=float(np.sum(path.costs)),
        mean_exposure=float(np.mean(path.targets)),
    )


def drawdown(equity: FloatArray) -> FloatArray:
    """How far equity is below its highest value so far, as a fraction in 0..1."""
    return 1.0 - equity / np.maximum.accumulate(equity)


def annualised_sharpe(equity: FloatArray, timeframe_s: int) -> float | None:
    """Mean over standard deviation of simple bar returns, times the root of bars a year; None without variance."""
    returns = equity[1:] / equity[:-1] - 1.0
    spread = float(np.std(returns))
    if spread == 0.0:
        return None
    return float(np.mean(returns) / spread * np.sqrt(YEAR_S / timeframe_s))


def action_mix(path: AccountPath) -> dict[str, float]:
    """Shares of BUY, SELL and HOLD among the decisions: above, below or at the target last traded to, flat at first.

    So a target that stays is HOLD although the exposure drifted from it, and so is one that keeps the position.
    """
    traded = np.abs(path.targets - path.positions) > EXPOSURE_STEP
    last_traded = np.maximum.accumulate(np.where(traded, np.arange(1, len(traded) + 1), 0))
    before = np.concatenate(([0.0], path.targets))[np.concatenate(([0], last_traded[:-1]))]
    change = np.where(traded, path.targets - before, 0.0)
    buys, sells = float(np.mean(change > EXPOSURE_STEP)), float(np.mean(change < -EXPOSURE_STEP))
    return {"BUY": buys, "SELL": sells, "HOLD": 1.0 - buys - sells}
