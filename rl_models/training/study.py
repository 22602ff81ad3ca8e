"""What is fixed before the first network is trained: the bars, the schema, the rules, the folds, the seeds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.training.calibrate import Outcome
from rl_models.training.environment import Rules
from rl_models.training.folds import Fold, FoldPlan, cut
from rl_models.training.history import History

# Free of the price's unit, so that a policy is not tied to the price level it was trained at.
SCHEMA = FeatureSchema(
    features=tuple(
        FeatureSpec(name=name, feature=feature, params=params)
        for name, feature, params in (
            ("log_return_1", "log_return", {"n": 1}),
            ("log_return_6", "log_return", {"n": 6}),
            ("log_return_24", "log_return", {"n": 24}),
            ("rsi_14", "rsi", {"n": 14}),
            ("atr_pct_14", "atr_pct", {"n": 14}),
            ("macd_hist_pct", "macd_hist_pct", {"fast": 12, "slow": 26, "signal": 9}),
            ("bb_position_20", "bb_position", {"n": 20, "k": 2.0}),
            ("sma_ratio_24", "sma_ratio", {"n": 24}),
            ("sma_ratio_168", "sma_ratio", {"n": 168}),
            ("volatility_24", "volatility", {"n": 24}),
            ("volume_ratio_24", "volume_ratio", {"n": 24}),
            ("hour_sin", "hour_sin", {}),
            ("hour_cos", "hour_cos", {}),
            ("signal_confidence", "signal_confidence", {}),
            ("signal_action", "signal_action", {}),
            ("position_exposure", "position_exposure", {}),
        )
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One training command. All histories share a timeframe.

    `timesteps` are environment steps per network, by algorithm. The first of `seeds` also makes the networks that
    ship; the others show how much of a result is chance.
    """

    histories: tuple[History, ...]
    schema: FeatureSchema
    warmup_bars: int
    rules: Rules
    outcome: Outcome
    plan: FoldPlan
    timesteps: Mapping[str, int]
    seeds: tuple[int, ...]

    @property
    def timeframe_s(self) -> int:
        """Length of a bar in seconds."""
        return self.histories[0].series.timeframe_s

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol trained on."""
        return tuple(history.series.symbol for history in self.histories)

    @property
    def start_s(self) -> int:
        """The open time of the first bar of any symbol, Unix seconds."""
        return int(min(np.min(history.open_times_s) for history in self.histories))

    @property
    def end_s(self) -> int:
        """The close time of the last bar of any symbol, Unix seconds."""
        return int(max(np.max(history.open_times_s) for history in self.histories)) + self.timeframe_s

    def folds(self) -> tuple[Fold, ...]:
        """The walk-forward folds."""
        return cut(self.plan, self.start_s, self.end_s)

    def require_bars(self) -> None:
        """Raises ValueError unless every test has something to train on before it, and every symbol is in one."""
        folds = self.folds()
        for fold in folds:
            if all(len(each.rows(fold.train_start_s, fold.train_end_s)) < 2 for each in self.histories):
                raise ValueError(f"there are too few bars before test {fold.number} to train on")
        for history in self.histories:
            if not any(history.tested_in(fold) for fold in folds):
                raise ValueError(f"{history.series.symbol} has no bars in any test")

    def networks(self) -> int:
        """How many networks the whole study trains: every fold and seed, and the ones that ship."""
        return len(self.timesteps) * (self.plan.folds * len(self.seeds) + 1)

    def steps(self) -> int:
        """Environment steps over all networks."""
        return sum(self.timesteps.values()) * (self.plan.folds * len(self.seeds) + 1)
