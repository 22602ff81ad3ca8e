"""One training command from bars to bundles: walk-forward, calibration, then the networks that ship."""

import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rl_models.bundle import Bundle
from rl_models.calibration import Calibration
from rl_models.manifest_json import check_word
from rl_models.training.algorithms import Lesson
from rl_models.training.calibrate import calibrate
from rl_models.training.packing import ENSEMBLE_ALGORITHM, Label, Trained, pack, pack_ensemble, train_between
from rl_models.training.provenance import DataSource, Provenance, TrainingRun
from rl_models.training.study import Study
from rl_models.training.walk_forward import Trial, curve, judge, walk_forward
from trading.errors import BundleRefused

LIBRARIES = ("stable-baselines3", "torch", "gymnasium", "numpy", "TA-Lib", "onnx", "onnxruntime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Where the bundles go, what their names end in (`btc-1h`), their version; the command and data they come from."""

    root: Path
    suffix: str
    version: str
    command: str
    data: tuple[DataSource, ...]

    def name(self, algorithm: str) -> str:
        """The bundle's name: `ppo-btc-1h`."""
        return f"{algorithm.lower()}-{self.suffix}"

    def require_free(self, algorithms: Sequence[str]) -> None:
        """Raises BundleRefused, before any training, when a bundle is there already or cannot have its name."""
        check_word(self.version, "--version")
        for algorithm in algorithms:
            check_word(self.name(algorithm), "the bundle's name")
            path = self.root / self.name(algorithm) / self.version
            if path.exists():
                raise BundleRefused(f"{path} is there already; give another --version")


def train(study: Study, shipment: Shipment, advance: Callable[[int], object]) -> list[Bundle]:
    """Trains, judges and calibrates everything, then writes the bundles trained on all bars; an ensemble comes last.

    Raises BundleRefused when a bundle of that name and version exists or a trained one would not be served.
    """
    started_s = time.monotonic()
    ensemble = (ENSEMBLE_ALGORITHM,) if len(study.timesteps) > 1 else ()
    shipment.require_free([*study.timesteps, *ensemble])
    shipment.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as workspace:
        trials = walk_forward(study, Path(workspace), advance)
    trained = [_train_on_all(study, algorithm, advance) for algorithm in study.timesteps]
    labels = _Labels(study, shipment, trials, seconds=round(time.monotonic() - started_s, 1))
    bundles = [pack(shipment.root, study, each, labels.of(each)) for each in trained]
    if ensemble:
        bundles.append(pack_ensemble(shipment.root, bundles, study.rules.levels, labels.of_ensemble()))
    return bundles


class _Labels:
    def __init__(self, study: Study, shipment: Shipment, trials: Sequence[Trial], seconds: float) -> None:
        self._study, self._shipment, self._trials, self._seconds = study, shipment, trials, seconds
        self._created_at = datetime.now(UTC).isoformat(timespec="seconds")

    def of(self, trained: Trained) -> Label:
        return self._label(trained.algorithm, self._study.timesteps[trained.algorithm])

    def of_ensemble(self) -> Label:
        return self._label(ENSEMBLE_ALGORITHM, sum(self._study.timesteps.values()))

    def _label(self, algorithm: str, timesteps: int) -> Label:
        study = self._study
        trials = [trial for trial in self._trials if trial.algorithm == algorithm]
        shipped_seed = [trial for trial in trials if trial.seed == study.seeds[0]]
        provenance = Provenance(
            data=self._shipment.data,
            run=_run(study, self._shipment.command, timesteps, self._seconds),
            folds=tuple(judge(study, trial) for trial in trials),
            curves=tuple(curve(study, symbol, shipped_seed) for symbol in study.symbols),
        )
        return Label(
            name=self._shipment.name(algorithm),
            version=self._shipment.version,
            created_at=self._created_at,
            calibration=_calibration(study, shipped_seed),
            provenance=provenance.to_json(),
        )


def _train_on_all(study: Study, algorithm: str, advance: Callable[[int], object]) -> Trained:
    lesson = Lesson(algorithm=algorithm, timesteps=study.timesteps[algorithm], seed=study.seeds[0])
    return train_between(study, lesson, study.start_s, study.end_s, advance)


def _calibration(study: Study, trials: Sequence[Trial]) -> Calibration | None:
    return calibrate([trial.rollout for trial in trials], study.outcome, study.timeframe_s)


def _run(study: Study, command: str, timesteps: int, seconds: float) -> TrainingRun:
    return TrainingRun(
        command=command,
        timesteps=timesteps,
        seeds=study.seeds,
        fee_bps=study.rules.costs.fee_bps,
        half_spread_bps=study.rules.costs.half_spread_bps,
        horizon_bars=study.outcome.horizon_bars,
        purge_bars=study.plan.purge_s // study.timeframe_s,
        episode_bars=study.rules.episode_bars,
        seconds=seconds,
        versions={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    )
