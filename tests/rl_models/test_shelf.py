import shutil
from pathlib import Path

import pytest

from rl_models.bundle import load_bundle, write_bundle
from rl_models.shelf import SHIPPED_BUNDLES, find_bundles
from tests.fakes.bundles import constant_onnx, ensemble_manifest, policy_manifest, write_policy
from trading.errors import BundleRefused


def write(root: Path, name: str, version: str, score: float = 1.0) -> Path:
    return write_bundle(root, policy_manifest(name, version), constant_onnx([0.0, 0.0, score]))


def test_the_newest_version_of_a_name_is_meant_unless_one_is_given(tmp_path: Path) -> None:
    for version in ("1", "9", "10", "10.1-rc1"):
        write(tmp_path, "ppo", version)
    write(tmp_path, "a2c", "99")
    shelf = find_bundles([tmp_path])
    assert shelf.select("ppo").tag == "ppo:10.1-rc1"
    assert shelf.select("ppo:9").tag == "ppo:9"
    assert shelf.tags() == ("a2c:99", "ppo:1", "ppo:10", "ppo:10.1-rc1", "ppo:9")


@pytest.mark.parametrize("wanted", ["dqn", "ppo:2", "", ":1"])
def test_a_name_that_is_not_there_is_refused_with_what_is(tmp_path: Path, wanted: str) -> None:
    write(tmp_path, "ppo", "1")
    with pytest.raises(BundleRefused, match="there are: ppo:1"):
        find_bundles([tmp_path]).select(wanted)


def test_a_damaged_bundle_is_reported_and_hides_no_other(tmp_path: Path) -> None:
    write(tmp_path, "ppo", "1")
    (write(tmp_path, "ppo", "2") / "policy.onnx").write_bytes(b"flipped")
    shelf = find_bundles([tmp_path])
    assert shelf.select("ppo").tag == "ppo:1"
    assert [refusal.path for refusal in shelf.refusals] == [tmp_path / "ppo" / "2"]
    assert "policy.onnx is damaged" in shelf.refusals[0].reason


def test_the_same_bundle_in_two_places_is_one_and_another_under_its_name_is_refused(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    first = write(here, "ppo", "1")
    shutil.copytree(here, there)
    assert find_bundles([here, there]).select("ppo").path == first
    shutil.rmtree(there)
    write(there, "ppo", "1", score=2.0)
    with pytest.raises(BundleRefused, match="twice with different content"):
        find_bundles([here, there]).select("ppo")


def test_a_directory_of_a_model_store_is_read_as_it_is(tmp_path: Path) -> None:
    stored = tmp_path / "store" / "tag" / "abc" / "bundle"
    shutil.copytree(write(tmp_path / "made", "ppo", "1"), stored)
    shelf = find_bundles([tmp_path / "nothing"], directories=[stored, tmp_path / "gone"])
    assert shelf.select("ppo").path == stored


def test_members_of_an_ensemble_are_found_wherever_they_lie(tmp_path: Path) -> None:
    members = [write_policy(tmp_path / name, name, (0.0, 0.0, 1.0)) for name in ("a", "b")]
    places = {name: tmp_path / name / name / "1" for name in ("a", "b")}
    write_bundle(tmp_path / "crowd", ensemble_manifest(members), None, find_member=lambda name, _: places[name])
    shelf = find_bundles([tmp_path / "a", tmp_path / "b", tmp_path / "crowd"])
    candidate = shelf.select("crowd")
    assert [network.name for network in shelf.networks(candidate)] == ["a", "b"]
    assert shelf.open(candidate).digest == candidate.digest
    with pytest.raises(BundleRefused, match="member b:1 is missing"):
        find_bundles([tmp_path / "a", tmp_path / "crowd"]).open(candidate)


def test_drafts_of_an_interrupted_write_are_not_looked_at(tmp_path: Path) -> None:
    shutil.copytree(write(tmp_path, "ppo", "1"), tmp_path / "ppo" / ".draft-x")
    shelf = find_bundles([tmp_path])
    assert (shelf.tags(), shelf.refusals) == (("ppo:1",), ())


def test_every_bundle_that_ships_opens() -> None:
    shelf = find_bundles([SHIPPED_BUNDLES])
    assert shelf.refusals == ()
    for candidate in shelf.candidates:
        assert shelf.open(candidate).digest == load_bundle(candidate.path).digest
