"""The statistics of a VecNormalize: mean, variance, epsilon and clip, from a pickle that is read and never loaded."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rl_models.manifest import Normalisation
from rl_models.quoting import MOST_DIMENSIONS, brief_shape
from rl_models.strict_json import Fields, finite, parse_json
from rl_models.training.archive import read_file
from rl_models.training.inert_pickle import Call, Name, Node, entry, read_inert
from rl_models.training.npz import read_arrays
from trading.errors import BundleRefused

LARGEST_BYTES = 4 * 2**20
_FIELDS = ("mean", "var", "epsilon", "clip")

# What VecNormalize.save writes for its spaces, seeds and statistics, from gym and numpy 1 to gymnasium and numpy 2.
_LIBRARIES = ("numpy", "gymnasium.spaces", "gym.spaces", "stable_baselines3.common")
_VECNORMALIZE = Name(module="stable_baselines3.common.vec_env.vec_normalize", name="VecNormalize")
_BASICS = {Name(module="collections", name="OrderedDict")}


def read_statistics(path: Path) -> Normalisation:
    """The normalisation of the observation in a file of VecNormalize statistics. Raises BundleRefused.

    `.npz` and `.json` hold mean, var, epsilon and clip; any other file is read as what VecNormalize.save writes.
    """
    content = read_file(path, most_bytes=LARGEST_BYTES)
    match path.suffix:
        case ".npz":
            arrays = read_arrays(path)
            missing = [name for name in _FIELDS if name not in arrays]
            if missing:
                raise BundleRefused(f"{path.name}: {', '.join(missing)} missing")
            return _normalisation(*(arrays[name] for name in _FIELDS), where=path.name)
        case ".json":
            fields = Fields(parse_json(content, path.name), path.name)
            mean, var = np.array(fields.numbers("mean")), np.array(fields.numbers("var"))
            epsilon, clip = np.array(fields.number("epsilon")), np.array(fields.number("clip"))
            fields.end()
            return _normalisation(mean, var, epsilon, clip, where=path.name)
        case _:
            return _from_pickle(content, path.name)


def _from_pickle(content: bytes, where: str) -> Normalisation:
    root = read_inert(content, allowed=_is_expected, where=where)
    if not isinstance(root, Call) or root.function != _VECNORMALIZE:
        raise BundleRefused(f"{where}: not a VecNormalize")
    if entry(root, "norm_obs") is not True:
        raise BundleRefused(f"{where}: it does not normalise observations (norm_obs); import without it")
    statistics = entry(root, "obs_rms")
    return _normalisation(
        _array(entry(statistics, "mean"), f"{where}: mean"),
        _array(entry(statistics, "var"), f"{where}: var"),
        _array(entry(root, "epsilon"), f"{where}: epsilon"),
        _array(entry(root, "clip_obs"), f"{where}: clip_obs"),
        where=where,
    )


def _is_expected(name: Name) -> bool:
    inside = any(name.module == library or name.module.startswith(f"{library}.") for library in _LIBRARIES)
    return name in _BASICS or inside


def _array(node: Node, where: str) -> NDArray[np.float64]:
    """The numbers of a float, or of a pickled numpy array or scalar."""
    match node:
        case float() | int():
            return np.array(finite(node, where))
        case Call(function=Name(name="_reconstruct"), state=(_, tuple(shape), dtype, bool(by_columns), bytes(raw))):
            pass
        case Call(function=Name(name="_frombuffer"), arguments=(bytes(raw), dtype, tuple(shape), str(order))):
            by_columns = order == "F"
        case Call(function=Name(name="scalar"), arguments=(dtype, bytes(raw))):
            shape, by_columns = (), False
        case _:
            raise BundleRefused(f"{where}: no numbers there")
    sizes = tuple(size for size in shape if isinstance(size, int) and 0 < size <= len(raw))
    values = np.frombuffer(raw[: len(raw) - len(raw) % 8], _dtype(dtype, where))
    if not len(sizes) == len(shape) <= MOST_DIMENSIONS or math.prod(sizes) * values.itemsize != len(raw):
        raise BundleRefused(f"{where}: shape {brief_shape(shape)} does not fit {len(raw)} bytes")
    return values.reshape(sizes, order="F" if by_columns else "C").astype(np.float64)


def _dtype(node: Node, where: str) -> type[np.float32 | np.float64]:
    match node:
        case Call(function=Name(module="numpy", name="dtype"), arguments=("f8", *_), state=(_, "<", *_)):
            return np.float64
        case Call(function=Name(module="numpy", name="dtype"), arguments=("f4", *_), state=(_, "<", *_)):
            return np.float32
    raise BundleRefused(f"{where}: not little-endian floats")


def _normalisation(
    mean: NDArray[np.float64],
    var: NDArray[np.float64],
    epsilon: NDArray[np.float64],
    clip: NDArray[np.float64],
    *,
    where: str,
) -> Normalisation:
    if epsilon.size != 1 or clip.size != 1 or mean.shape != var.shape:
        raise BundleRefused(f"{where}: mean {mean.shape}, var {var.shape}, epsilon {epsilon.shape}, clip {clip.shape}")
    if not all(np.isfinite(part).all() for part in (mean, var, epsilon, clip)) or (var < 0).any():
        raise BundleRefused(f"{where}: a number is not finite, or a variance is negative")
    return Normalisation(
        mean=tuple(mean.ravel().tolist()),
        std=tuple(np.sqrt(var).ravel().tolist()),
        epsilon=float(epsilon.item()),
        clip=float(clip.item()),
    )
