"""Statistics of a VecNormalize are read without loading it, and normalise as it does."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from rl_models.normaliser import Normaliser
from rl_models.training.vecnormalize import read_statistics
from tests.fakes.sb3 import saved_statistics
from trading.errors import BundleRefused

N_FEATURES = 6


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_pickle_of_any_protocol_gives_the_statistics(protocol: int, tmp_path: Path) -> None:
    path, statistics = saved_statistics(tmp_path, N_FEATURES)
    path.write_bytes(pickle.dumps(statistics, protocol))
    found = read_statistics(path)
    assert np.array_equal(found.mean, statistics.obs_rms.mean)
    assert np.array_equal(found.std, np.sqrt(statistics.obs_rms.var))
    assert (found.epsilon, found.clip) == (1e-6, 5.0)


def test_rows_are_normalised_as_vecnormalize_does(tmp_path: Path) -> None:
    path, statistics = saved_statistics(tmp_path, N_FEATURES)
    rows = np.random.default_rng(1).normal(3.0, 9.0, (500, N_FEATURES))
    expected = statistics.normalize_obs(rows)
    assert np.abs(expected).max() == 5.0
    np.testing.assert_allclose(Normaliser(read_statistics(path)).apply(rows), expected, atol=1e-6)


def test_the_names_that_numpy_had_before_version_2_are_read(tmp_path: Path) -> None:
    path, statistics = saved_statistics(tmp_path, N_FEATURES)
    expected = read_statistics(path)
    old = pickle.dumps(statistics, 3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(old)
    assert read_statistics(path) == expected


def test_safe_forms_give_the_same_statistics(tmp_path: Path) -> None:
    path, statistics = saved_statistics(tmp_path, N_FEATURES)
    rms = statistics.obs_rms
    arrays = tmp_path / "vecnormalize.npz"
    np.savez(arrays, mean=rms.mean, var=rms.var, epsilon=statistics.epsilon, clip=statistics.clip_obs)
    text = tmp_path / "vecnormalize.json"
    text.write_text(json.dumps({"mean": rms.mean.tolist(), "var": rms.var.tolist(), "epsilon": 1e-6, "clip": 5.0}))
    assert read_statistics(arrays) == read_statistics(text) == read_statistics(path)


def test_statistics_that_do_not_normalise_observations_are_refused(tmp_path: Path) -> None:
    path, statistics = saved_statistics(tmp_path, N_FEATURES)
    statistics.norm_obs = False
    statistics.save(str(path))
    with pytest.raises(BundleRefused, match="norm_obs"):
        read_statistics(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"mean": [0], "var": [1], "epsilon": 0}',
        '{"mean": [0], "var": [1, 1], "epsilon": 0, "clip": 1}',
        '{"mean": [0], "var": [-1], "epsilon": 0, "clip": 1}',
        '{"mean": [1e999], "var": [1], "epsilon": 0, "clip": 1}',
        '{"mean": ["0"], "var": [1], "epsilon": 0, "clip": 1}',
        '{"mean": [0], "var": [1], "epsilon": 0, "clip": 1, "more": 1}',
        "[]",
    ],
)
def test_incomplete_or_impossible_statistics_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "vecnormalize.json"
    path.write_text(text)
    with pytest.raises(BundleRefused):
        read_statistics(path)


def test_arrays_that_are_missing_are_named(tmp_path: Path) -> None:
    path = tmp_path / "vecnormalize.npz"
    np.savez(path, mean=np.zeros(2), var=np.ones(2))
    with pytest.raises(BundleRefused, match="epsilon, clip missing"):
        read_statistics(path)


def test_a_shape_that_does_not_fit_its_bytes_is_refused(tmp_path: Path) -> None:
    path, _ = saved_statistics(tmp_path, N_FEATURES)
    honest = path.read_bytes()
    shape = b"K\x01K\x06\x85"
    assert shape in honest
    path.write_bytes(honest.replace(shape, b"K\x01K\x07\x85"))
    with pytest.raises(BundleRefused, match="does not fit"):
        read_statistics(path)


def test_another_object_is_no_statistics(tmp_path: Path) -> None:
    path = tmp_path / "vecnormalize.pkl"
    path.write_bytes(pickle.dumps({"obs_rms": None}))
    with pytest.raises(BundleRefused, match="not a VecNormalize"):
        read_statistics(path)
