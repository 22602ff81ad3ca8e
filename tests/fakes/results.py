"""Walk-forward results with round figures, for tests of what is written about them."""

from rl_models.training.baselines import RandomBaseline
from rl_models.training.metrics import Metrics
from rl_models.training.provenance import DataSource, EquityCurve, FoldResult, Provenance, TrainingRun

FLAT = Metrics(total_return=0.0, sharpe=None, max_drawdown=0.0, turnover_per_day=0.0, cost_paid=0.0, mean_exposure=0.0)


def metrics(total_return: float) -> Metrics:
    """An account that ended there; its other figures are all 0.5."""
    return Metrics(
        total_return=total_return,
        sharpe=0.5,
        max_drawdown=0.5,
        turnover_per_day=0.5,
        cost_paid=0.5,
        mean_exposure=0.5,
    )


def fold_result(fold: int, policy: float, hold: float, beaten: float = 0.5) -> FoldResult:
    """One test of seed 1 in which the policy and holding ended there."""
    return FoldResult(
        fold=fold,
        seed=1,
        symbol="BTC",
        train_end="2020-01-01T00:00Z",
        test_start="2020-02-01T01:00Z",
        test_end="2020-03-01T00:00Z",
        policy=metrics(policy),
        hold=metrics(hold),
        flat=FLAT,
        random=RandomBaseline(draws=500, mean_return=0.0, low_return=-0.1, high_return=0.1, beaten=beaten),
        actions={"BUY": 0.25, "SELL": 0.25, "HOLD": 0.5},
    )


PROVENANCE = Provenance(
    data=(
        DataSource(
            symbol="BTC",
            file="bars.csv",
            origin="owner/repository: path",
            sha256="ab" * 32,
            bars=1000,
            first="2019-07-01T00:00Z",
            last="2022-03-01T00:00Z",
            findings=("bars.csv: rows are newest first; read oldest first",),
        ),
    ),
    run=TrainingRun(
        command="python -m rl_models train --data BTC=bars.csv",
        timesteps=2048,
        seeds=(1,),
        fee_bps=10.0,
        half_spread_bps=2.0,
        horizon_bars=24,
        purge_bars=366,
        episode_bars=720,
        seconds=90.0,
        versions={"python": "3.11"},
    ),
    folds=(fold_result(1, policy=0.2, hold=0.1, beaten=0.96), fold_result(2, policy=-0.5, hold=0.1)),
    curves=(
        EquityCurve(
            symbol="BTC", start="2020-02-01T01:00Z", step_s=86_400, policy=(1.0, 1.2, 0.6), hold=(1.0, 1.1, 1.21)
        ),
    ),
)
