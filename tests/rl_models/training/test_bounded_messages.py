"""A refusal is a sentence that a person can read, however large or nested what it refuses is."""

import io
import pickle
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces

from rl_models.training.npz import read_arrays
from rl_models.training.onnx_file import read_onnx
from rl_models.training.sb3_policy import Weights, rebuild
from rl_models.training.sb3_zip import read_tensors
from rl_models.training.vecnormalize import read_statistics
from tests.fakes.bundles import linear_model
from tests.fakes.poison import replaced
from tests.fakes.sb3 import saved_statistics
from trading.errors import BundleRefused

LONGEST_MESSAGE = 600
LONG = "x" * 100_000
DEEP = 60
Hostile = Callable[[Path], object]


def nested_shape(folder: Path) -> object:
    """Statistics whose array has a tuple for a size that holds itself twice, 60 times over: 2^60 zeros as text."""
    path, statistics = saved_statistics(folder, 6)
    honest, shape = pickle.dumps(statistics, 3), b"K\x01K\x06\x85"
    assert shape in honest
    twice = b"r\xff\xff\xff\x7fj\xff\xff\xff\x7f\x86"
    path.write_bytes(honest.replace(shape, b"K\x01K\x00" + DEEP * twice + b"\x85"))
    return read_statistics(path)


def huge_size(folder: Path) -> object:
    """Statistics whose array has a size of 80,000 digits."""
    path, _ = saved_statistics(folder, 6)
    number = (1 << 270_000).to_bytes(33_751, "little")
    long = b"\x8b" + len(number).to_bytes(4, "little") + number
    path.write_bytes(path.read_bytes().replace(b"K\x01K\x06\x85", b"K\x01" + long + b"\x85"))
    return read_statistics(path)


def huge_epsilon(folder: Path) -> object:
    """An epsilon too large for a float."""
    path, statistics = saved_statistics(folder, 6)
    statistics.epsilon = 10**5_000
    statistics.save(str(path))
    return read_statistics(path)


def many_dimensions(folder: Path) -> object:
    """Statistics in an array of 30 dimensions."""
    path, statistics = saved_statistics(folder, 6)
    statistics.obs_rms.mean = np.zeros((1,) * 30)
    statistics.save(str(path))
    return read_statistics(path)


def long_name(folder: Path) -> object:
    """A pickle that asks for a very long name."""
    path = folder / "x.pkl"
    path.write_bytes(b"\x80\x02cos\n" + LONG.encode() + b"\n.")
    return read_statistics(path)


def long_literal(folder: Path) -> object:
    """A pickle with a number in text that is none."""
    path = folder / "x.pkl"
    path.write_bytes(b"F" + LONG.encode() + b"\n.")
    return read_statistics(path)


def long_tensor_name(folder: Path) -> object:
    """A state dict whose tensor has a very long name and no numbers."""
    written = io.BytesIO()
    torch.save(torch.nn.ParameterDict({LONG: torch.zeros(3).int().float()}).state_dict(), written)
    with zipfile.ZipFile(written) as archive:
        described = archive.read("archive/data.pkl").replace(b"FloatStorage", b"HalfStorage")
    return read_tensors(replaced(written.getvalue(), {"archive/data.pkl": described, "archive/data/0": b""}), "x")


def foreign_tensors(folder: Path) -> object:
    """Weights with thousands of tensors that no policy has."""
    honest = {"action_net.weight": np.zeros((3, 4), np.float32)}
    many = {f"{LONG[:100]}{place}": np.zeros(1, np.float32) for place in range(2_000)}
    return rebuild(Weights(tensors=honest | many), "PPO", spaces.Discrete(3), "Tanh")


def npz_of(folder: Path, header: bytes) -> object:
    path = folder / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        length = (len(header) + 1).to_bytes(2, "little")
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + length + header + b"\n" + bytes(8))
    return read_arrays(path)


def npz_of_huge_shape(folder: Path) -> object:
    """An array with a size of 9,000 hexadecimal digits: longer than Python turns into text."""
    return npz_of(folder, b"{'descr': '<f8', 'fortran_order': False, 'shape': (0x" + b"f" * 9_000 + b",)}")


def npz_of_many_fields(folder: Path) -> object:
    """An array of records with a hundred fields."""
    fields = ", ".join(f"('{'f' * 20}{place}', '<f8')" for place in range(200))
    return npz_of(folder, f"{{'descr': [{fields}], 'fortran_order': False, 'shape': (1,)}}".encode())


def npz_of_many_dimensions(folder: Path) -> object:
    """An array of a hundred dimensions of size 1."""
    return npz_of(folder, b"{'descr': '<f8', 'fortran_order': False, 'shape': (" + b"1," * 100 + b")}")


def npz_with_a_long_member_name(folder: Path) -> object:
    """A member that climbs out of the archive, at length."""
    path = folder / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"../{LONG[:60_000]}.npy", b"")
    return read_arrays(path)


def onnx_with_a_long_operator(folder: Path) -> object:
    """A network with an operator that nobody knows, and a long name."""
    model = linear_model([[1.0, 0.0]], [0.0, 0.0])
    model.graph.node[0].op_type = LONG
    return read_onnx(model.SerializeToString())


def onnx_with_a_long_input(folder: Path) -> object:
    """A network that reads a tensor nobody makes."""
    model = linear_model([[1.0, 0.0]], [0.0, 0.0])
    model.graph.node[0].input[0] = LONG
    return read_onnx(model.SerializeToString())


HOSTILE: dict[Hostile, str] = {
    nested_shape: r"shape \(\?\) does not fit",
    huge_size: r"shape \(\?\) does not fit",
    huge_epsilon: "not a finite number",
    many_dimensions: r"1, \.\.\.\) does not fit",
    long_name: "it asks for os.xxx",
    long_literal: "could not convert",
    long_tensor_name: "xxx",
    foreign_tensors: "not the tensors of a PPO",
    npz_of_huge_shape: r"shape \(\?\) does not fit",
    npz_of_many_fields: "is not a number",
    npz_of_many_dimensions: r"1, \.\.\.\) does not fit",
    npz_with_a_long_member_name: "points outside",
    onnx_with_a_long_operator: "xxx",
    onnx_with_a_long_input: "xxx",
}


@pytest.mark.parametrize(("read", "reason"), HOSTILE.items(), ids=[read.__name__ for read in HOSTILE])
def test_the_refusal_of_a_hostile_file_is_short_and_quick(read: Hostile, reason: str, tmp_path: Path) -> None:
    started_s = time.monotonic()
    with pytest.raises(BundleRefused, match=reason) as refused:
        read(tmp_path)
    assert len(str(refused.value)) < LONGEST_MESSAGE
    assert time.monotonic() - started_s < 5.0
