"""Tensors are read from an SB3 zip as torch would, within bounds."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rl_models.training.sb3_zip import read_sb3_zip, read_tensors
from tests.fakes.poison import replaced
from tests.fakes.sb3 import MODELS, saved, untrained
from trading.errors import BundleRefused


def written(state: object) -> bytes:
    target = io.BytesIO()
    torch.save(state, target)
    return target.getvalue()


@pytest.mark.parametrize("title", MODELS)
def test_the_tensors_are_those_that_torch_loads(title: str, tmp_path: Path) -> None:
    path = saved(untrained(title, 5), tmp_path)
    with zipfile.ZipFile(path) as archive:
        expected = torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    found = read_sb3_zip(path.read_bytes(), "x.zip").tensors
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert np.array_equal(found[name], tensor.numpy())


def test_the_activation_is_taken_from_the_text_beside_the_blob(tmp_path: Path) -> None:
    model = untrained("PPO", 5, activation_fn=torch.nn.ELU)
    assert read_sb3_zip(saved(model, tmp_path).read_bytes(), "x.zip").activation == "ELU"


def test_without_such_a_text_the_activation_is_unknown(tmp_path: Path) -> None:
    found = read_sb3_zip(saved(untrained("PPO", 5), tmp_path).read_bytes(), "x.zip")
    assert found.activation is None
    assert not found.use_sde


@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
def test_floats_of_any_width_become_float32(kind: torch.dtype) -> None:
    state = torch.nn.Linear(3, 2).to(kind).state_dict()
    assert np.array_equal(read_tensors(written(state), "x")["weight"], state["weight"].float().numpy())


def test_views_of_one_storage_are_read_from_their_offset() -> None:
    whole = torch.arange(6.0)
    found = read_tensors(written(torch.nn.ParameterDict({"a": whole[:2], "b": whole[2:].view(2, 2)}).state_dict()), "x")
    assert found["b"].tolist() == [[2.0, 3.0], [4.0, 5.0]]


HOSTILE: dict[str, Callable[[], torch.Tensor]] = {
    "a few bytes repeated to terabytes": lambda: torch.zeros(1).expand(1_000_000, 1_000_000),
    "transposed": lambda: torch.zeros(2, 3).t(),
    "every other value": lambda: torch.zeros(8)[::2],
    "integers": lambda: torch.zeros(3, dtype=torch.int64),
    "brain floats": lambda: torch.zeros(3, dtype=torch.bfloat16),
    "empty": lambda: torch.zeros(0, 10),
    "not a number": lambda: torch.tensor([float("nan")]),
    "infinite": lambda: torch.tensor([float("inf")]),
    "sparse": lambda: torch.zeros(2, 2).to_sparse(),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_tensors_that_are_not_plain_weights_are_refused(make: Callable[[], torch.Tensor]) -> None:
    state = torch.nn.Linear(1, 1).state_dict()
    state["weight"] = make()
    with pytest.raises(BundleRefused):
        read_tensors(written(state), "x")


def test_a_shape_larger_than_its_bytes_is_refused() -> None:
    content = written(torch.nn.Linear(3, 2).state_dict())
    with pytest.raises(BundleRefused, match="larger than what is stored"):
        read_tensors(replaced(content, {"archive/data/0": b"1234"}), "x")


def test_a_missing_storage_is_refused() -> None:
    content = io.BytesIO(written(torch.nn.Linear(3, 2).state_dict()))
    target = io.BytesIO()
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            if name != "archive/data/0":
                copy.writestr(name, source.read(name))
    with pytest.raises(BundleRefused, match="storage is missing"):
        read_tensors(target.getvalue(), "x")


def test_one_storage_named_many_times_is_bounded() -> None:
    shared = torch.zeros(1_000_000)
    state = torch.nn.ParameterDict({str(place): shared for place in range(17)}).state_dict()
    content = written(state)
    assert len(content) < 5_000_000
    with pytest.raises(BundleRefused, match="more than 16000000 weights"):
        read_tensors(content, "x")


def test_what_is_no_state_dict_is_refused() -> None:
    with pytest.raises(BundleRefused, match="not a state dict"):
        read_tensors(written([1, 2]), "x")


def test_a_big_endian_archive_is_refused() -> None:
    content = replaced(written(torch.nn.Linear(1, 1).state_dict()), {"archive/byteorder": b"big"})
    with pytest.raises(BundleRefused, match="big-endian"):
        read_tensors(content, "x")


def test_a_zip_without_a_policy_is_refused() -> None:
    with pytest.raises(BundleRefused, match=r"no policy\.pth"):
        read_sb3_zip(replaced(written([]), {}), "x.zip")


@pytest.mark.parametrize("data", [b"{", b"\xff", b"[" * 100_000])
def test_a_broken_description_is_refused(data: bytes, tmp_path: Path) -> None:
    honest = saved(untrained("PPO", 5), tmp_path).read_bytes()
    with pytest.raises(BundleRefused, match="not JSON"):
        read_sb3_zip(replaced(honest, {"data": data}), "x.zip")


def test_a_description_cannot_choose_what_is_not_an_activation(tmp_path: Path) -> None:
    honest = saved(untrained("PPO", 5), tmp_path).read_bytes()
    data = b'{"policy_kwargs": {"activation_fn": "<class \'os.system\'>"}}'
    assert read_sb3_zip(replaced(honest, {"data": data}), "x.zip").activation is None
