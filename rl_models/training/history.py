"""One symbol's past, with every observation computed once by the builder that also serves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rl_models.features.batch import observations
from rl_models.features.schema import FeatureSchema
from rl_models.manifest import Normalisation
from rl_models.normaliser import Normaliser
from rl_models.signal_generator import SignalGenerator
from rl_models.training.costs import FloatArray
from rl_models.training.environment import INPUT_CLIP, Stretch
from rl_models.training.folds import Fold
from trading.vocabulary import Bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Closed bars of one symbol as they were read, oldest first."""

    symbol: str
    timeframe_s: int
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Bars with the raw observation at the close of each, as it is without a position.

    `observations` is float64[m, n_features], NaN where there is none; `open_times_s` int64[m]; `closes` float64[m].
    """

    series: Series
    schema: FeatureSchema
    open_times_s: NDArray[np.int64]
    closes: FloatArray
    observations: FloatArray

    def rows(self, start_s: int, end_s: int) -> FloatArray:
        """The finite raw observations of bars opened in [start_s, end_s)."""
        rows = self.observations[self._opened_in(start_s, end_s)]
        return rows[np.isfinite(rows).all(axis=1)]

    def stretches(self, start_s: int, end_s: int, normalisation: Normalisation) -> list[Stretch]:
        """The runs of bars opened in [start_s, end_s) that all have an observation, as the environment takes them."""
        known = np.isfinite(self.observations).all(axis=1) & self._opened_in(start_s, end_s)
        starts = np.flatnonzero(known & ~np.concatenate(([False], known[:-1])))
        ends = np.flatnonzero(known & ~np.concatenate((known[1:], [False]))) + 1
        normaliser = Normaliser(normalisation)
        columns = position_columns(self.schema)
        return [
            Stretch(
                observations=normaliser.apply(self.observations[first:end]),
                bar_returns=self.closes[first + 1 : end] / self.closes[first : end - 1] - 1.0,
                position_columns=columns,
            )
            for first, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]

    def tested_in(self, fold: Fold) -> bool:
        """Whether a policy can be followed through this fold's test: two bars or more."""
        return int(np.count_nonzero(self._opened_in(fold.test_start_s, fold.test_end_s))) > 1

    def _opened_in(self, start_s: int, end_s: int) -> NDArray[np.bool_]:
        return (self.open_times_s >= start_s) & (self.open_times_s < end_s)


def build_history(series: Series, schema: FeatureSchema, warmup_bars: int) -> History:
    """Runs the signal generator and the feature stream over all bars once, about 20 us a bar."""
    generator = SignalGenerator(series.timeframe_s)
    readings = [generator.update(bar) for bar in series.bars]
    return History(
        series=series,
        schema=schema,
        open_times_s=np.array([bar.open_time_s for bar in series.bars], dtype=np.int64),
        closes=np.array([bar.close for bar in series.bars]),
        observations=observations(
            schema,
            series.bars,
            readings,
            [0.0] * len(series.bars),
            timeframe_s=series.timeframe_s,
            warmup_bars=warmup_bars,
        ),
    )


def position_columns(schema: FeatureSchema) -> tuple[int, ...]:
    """Where the observation holds the exposure. Raises ValueError for any other position feature: none is trained."""
    first = schema.size - len(schema.features)
    placed = [(first + place, spec) for place, spec in enumerate(schema.features) if spec.kind == "position"]
    foreign = [spec.feature for _, spec in placed if spec.feature != "position_exposure"]
    if foreign:
        raise ValueError(f"the environment knows no {', '.join(foreign)}")
    return tuple(place for place, _ in placed)


def fit_normalisation(rows: FloatArray, schema: FeatureSchema) -> Normalisation:
    """Mean and standard deviation of float64[m, n_features] training rows; the exposure is left as it is."""
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    std[std == 0.0] = 1.0
    columns = list(position_columns(schema))
    mean[columns], std[columns] = 0.0, 1.0
    return Normalisation(mean=tuple(mean.tolist()), std=tuple(std.tolist()), epsilon=0.0, clip=INPUT_CLIP)
