"""Arrays of numbers from an .npz file: no pickled objects, and no shape is believed before its bytes are there."""

import io
import math
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from rl_models.quoting import MOST_DIMENSIONS, brief, brief_shape
from rl_models.training.archive import read_file, read_members
from trading.errors import BundleRefused


def read_arrays(path: Path) -> dict[str, NDArray[np.float64]]:
    """Every array of the file by name, as float64. Raises BundleRefused for what is not booleans or real numbers."""
    members = read_members(read_file(path), lambda name: name.endswith(".npy"), path.name)
    return {name.removesuffix(".npy"): _array(content, f"{path.name}: {name}") for name, content in members.items()}


def _array(content: bytes, where: str) -> NDArray[np.float64]:
    file = io.BytesIO(content)
    try:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_columns, dtype = header(file)
    except (ValueError, TokenError) as error:
        raise BundleRefused(f"{where}: not an array: {brief(error)}") from error
    if dtype.kind not in "biuf":
        raise BundleRefused(f"{where}: {brief(dtype)} is not a number")
    if 0 in shape:
        raise BundleRefused(f"{where}: an empty array")
    values = content[file.tell() :]
    within = len(shape) <= MOST_DIMENSIONS and all(0 < size <= len(values) for size in shape)
    if not within or math.prod(shape) * dtype.itemsize != len(values):
        raise BundleRefused(f"{where}: shape {brief_shape(shape)} does not fit {len(values)} bytes")
    return np.frombuffer(values, dtype).reshape(shape, order="F" if by_columns else "C").astype(np.float64)
