"""From raw features to network inputs."""

import math

import numpy as np

from rl_models.manifest import Normalisation
from rl_models.network import Float32s, Float64s
from trading.errors import BundleRefused


class Normaliser:
    """Applies a Normalisation, or none: float64[m, n] raw features to float32[m, n] network inputs."""

    def __init__(self, normalisation: Normalisation | None) -> None:
        self._scale: Float64s | None = None
        if normalisation is not None:
            self._mean = np.asarray(normalisation.mean)
            self._scale = np.sqrt(np.asarray(normalisation.std) ** 2 + normalisation.epsilon)
            clip = math.inf if normalisation.clip is None else normalisation.clip
            self._highest = np.full(len(normalisation.mean), clip)
            self._lowest = -self._highest

    def apply(self, rows: Float64s) -> Float32s:
        """The network inputs of raw rows."""
        if self._scale is None:
            return rows.astype(np.float32)
        scaled: Float64s = rows - self._mean
        scaled /= self._scale
        np.minimum(scaled, self._highest, out=scaled)
        np.maximum(scaled, self._lowest, out=scaled)
        return scaled.astype(np.float32)


def check_normalisation(normalisation: Normalisation, size: int) -> None:
    """Raises BundleRefused unless it fits `size` features and divides by nothing that is 0."""
    where = "manifest.normalisation"
    means, stds = len(normalisation.mean), len(normalisation.std)
    if means != size or stds != size:
        raise BundleRefused(f"{where}: {means} means and {stds} stds for {size} features")
    if normalisation.epsilon < 0 or any(std * std + normalisation.epsilon <= 0 for std in normalisation.std):
        raise BundleRefused(f"{where}: std^2 + epsilon must be above 0")
    if normalisation.clip is not None and normalisation.clip <= 0:
        raise BundleRefused(f"{where}.clip: must be above 0")
