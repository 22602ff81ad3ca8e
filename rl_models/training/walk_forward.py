"""Every fold, seed and algorithm: train on the past, pack as it would ship, follow it through the bars after."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from rl_models.bundle import Bundle
from rl_models.training.algorithms import Lesson
from rl_models.training.baselines import equal_turnover, flat, hold
from rl_models.training.costs import FloatArray
from rl_models.training.folds import Fold
from rl_models.training.metrics import DAY_S, action_mix, measure
from rl_models.training.packing import ENSEMBLE_ALGORITHM, Label, pack, pack_ensemble, train_between
from rl_models.training.provenance import EquityCurve, FoldResult, iso
from rl_models.training.rollout import Rollout, roll_out
from rl_models.training.study import Study

RANDOM_DRAWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One network, or the ensemble, followed through one symbol's test bars of one fold."""

    algorithm: str
    fold: Fold
    seed: int
    symbol: str
    rollout: Rollout


def walk_forward(study: Study, workspace: Path, advance: Callable[[int], object]) -> list[Trial]:
    """All trials of a study, fold by fold; bundles are written under `workspace`, which may be deleted afterwards."""
    trials: list[Trial] = []
    for fold in study.folds():
        for seed in study.seeds:
            for bundle in _fold_bundles(study, fold, seed, workspace, advance):
                trials.extend(_follow(study, bundle, fold, seed))
    return trials


def judge(study: Study, trial: Trial) -> FoldResult:
    """The figures of a trial and of its baselines, all on the same bars and with the same costs."""
    rollout, costs = trial.rollout, study.rules.costs
    account = rollout.account(costs)
    rng = np.random.default_rng([trial.seed, trial.fold.number])
    return FoldResult(
        fold=trial.fold.number,
        seed=trial.seed,
        symbol=trial.symbol,
        train_end=iso(trial.fold.train_end_s),
        test_start=iso(int(rollout.close_times_s[0])),
        test_end=iso(int(rollout.close_times_s[-1])),
        policy=measure(account, study.timeframe_s),
        hold=measure(hold(rollout.bar_returns, costs), study.timeframe_s),
        flat=measure(flat(rollout.bar_returns, costs), study.timeframe_s),
        random=equal_turnover(account, rollout.bar_returns, costs, draws=RANDOM_DRAWS, rng=rng),
        actions=action_mix(account),
    )


def curve(study: Study, symbol: str, trials: Sequence[Trial]) -> EquityCurve:
    """The accounts of one symbol's trials, one fold after the other, against holding; one point a day."""
    costs = study.rules.costs
    rollouts = [trial.rollout for trial in trials if trial.symbol == symbol]
    step = max(round(DAY_S / study.timeframe_s), 1)
    return EquityCurve(
        symbol=symbol,
        start=iso(int(rollouts[0].close_times_s[0])),
        step_s=step * study.timeframe_s,
        policy=_chained([rollout.account(costs).equity for rollout in rollouts], step),
        hold=_chained([hold(rollout.bar_returns, costs).equity for rollout in rollouts], step),
    )


def _fold_bundles(
    study: Study, fold: Fold, seed: int, workspace: Path, advance: Callable[[int], object]
) -> list[Bundle]:
    root = workspace / f"fold-{fold.number}-seed-{seed}"
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    bundles = []
    for algorithm, timesteps in study.timesteps.items():
        lesson = Lesson(algorithm=algorithm, timesteps=timesteps, seed=seed)
        trained = train_between(study, lesson, fold.train_start_s, fold.train_end_s, advance)
        label = Label(name=algorithm.lower(), version="1", created_at=created_at)
        bundles.append(pack(root, study, trained, label))
    if len(bundles) > 1:
        label = Label(name=ENSEMBLE_ALGORITHM.lower(), version="1", created_at=created_at)
        bundles.append(pack_ensemble(root, bundles, study.rules.levels, label))
    return bundles


def _follow(study: Study, bundle: Bundle, fold: Fold, seed: int) -> list[Trial]:
    return [
        Trial(
            algorithm=bundle.manifest.algorithm,
            fold=fold,
            seed=seed,
            symbol=history.series.symbol,
            rollout=roll_out(bundle, history.series, first_s=fold.test_start_s, end_s=fold.test_end_s),
        )
        for history in study.histories
        if history.tested_in(fold)
    ]


def _chained(equities: Sequence[FloatArray], step: int) -> tuple[float, ...]:
    chain = [np.ones(1)]
    for equity in equities:
        chain.append(chain[-1][-1] * equity[1:])
    return tuple(np.round(np.concatenate(chain)[::step], 5).tolist())
