"""Arrays of an .npz file are numbers whose bytes are all there."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rl_models.training.npz import read_arrays
from trading.errors import BundleRefused


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numbers_of_any_kind_are_read_in_their_shape(save: object, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.asfortranarray(np.ones((2, 3), np.float32)), "c": np.array(True)}
    save(path, **arrays)  # type: ignore[operator]
    found = read_arrays(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(found[name], array)


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([1j]), np.array([None]), np.array(["2020"], "M8[s]")])
def test_what_is_no_number_is_refused(array: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=array)
    with pytest.raises(BundleRefused, match="not a number"):
        read_arrays(path)


@pytest.mark.parametrize("shape", [(1_000_000, 1_000_000), (-1, -1), (2,)])
def test_a_shape_that_does_not_fit_the_bytes_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    target = io.BytesIO()
    np.lib.format.write_array_header_1_0(target, {"descr": "<f8", "fortran_order": False, "shape": shape})
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", target.getvalue() + bytes(8))
    with pytest.raises(BundleRefused, match="does not fit"):
        read_arrays(path)


@pytest.mark.parametrize("content", [b"text", b"\x93NUMPY\x01\x00\x04\x00(((\n", b"\x93NUMPY\x01\x00\x02\x00'\n"])
def test_a_file_that_is_no_array_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", content)
    with pytest.raises(BundleRefused, match="not an array"):
        read_arrays(path)
