"""Bundles that are there become members; their ensemble may be calibrated on bars none of them has seen."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl_models.bundle import Bundle
from rl_models.shelf import find_bundles
from rl_models.training.bar_file import BarFile
from rl_models.training.ensemble_command import add_ensemble_arguments, run_ensemble
from rl_models.training.history import Series
from tests.fakes.bars import random_bars
from tests.fakes.bundles import write_policy
from tests.fakes.market import HOUR_S
from trading.errors import BundleRefused

UNSEEN = BarFile(
    name="unseen.csv",
    sha256="ab" * 32,
    findings=(),
    series=Series(symbol="BTC", timeframe_s=HOUR_S, bars=random_bars(1_500)),
)


def ensemble(root: Path, unseen: BarFile | None, *words: str) -> Bundle:
    parser = argparse.ArgumentParser()
    add_ensemble_arguments(parser)
    return run_ensemble(
        parser.parse_args([*words, "--name", "crowd", "--bundles", str(root), "--out", str(root)]), unseen
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_policy(tmp_path, "bull", [0.0, 0.0, 3.0])
    write_policy(tmp_path, "bear", [1.0, 0.0, 0.0])
    return tmp_path


def test_the_members_vote_in_the_ensemble(root: Path) -> None:
    made = ensemble(root, None, "bull", "bear:1")
    assert [member.name for member in made.manifest.members] == ["bull", "bear"]
    assert made.manifest.calibration is None


def test_unseen_bars_calibrate_it(root: Path) -> None:
    manifest = ensemble(root, UNSEEN, "bull", "bear").manifest
    assert manifest.calibration is not None
    assert manifest.calibration.n > 200
    calibrated_on = manifest.provenance["calibrated_on"]
    assert isinstance(calibrated_on, dict)
    assert (calibrated_on["file"], calibrated_on["sha256"]) == ("unseen.csv", "ab" * 32)
    assert (calibrated_on["first"], calibrated_on["last"]) == ("2020-09-13T12:00Z", "2020-11-14T23:00Z")


def test_too_few_unseen_bars_are_not_recorded(root: Path) -> None:
    few = replace(UNSEEN, series=replace(UNSEEN.series, bars=UNSEEN.series.bars[:200]))
    manifest = ensemble(root, few, "bull", "bear").manifest
    assert manifest.calibration is None
    assert manifest.provenance == {}


def test_bars_of_a_symbol_the_members_do_not_share_are_refused(root: Path) -> None:
    with pytest.raises(BundleRefused, match="ETH is not among the members' symbols BTC"):
        ensemble(root, replace(UNSEEN, series=replace(UNSEEN.series, symbol="ETH")), "bull", "bear")
    assert not (root / "crowd").exists()


def test_bars_of_another_timeframe_are_refused(root: Path) -> None:
    with pytest.raises(BundleRefused, match="bars of 60 s, the members decide on 3600 s"):
        ensemble(root, replace(UNSEEN, series=replace(UNSEEN.series, timeframe_s=60)), "bull", "bear")


def test_a_member_named_twice_is_refused(root: Path) -> None:
    with pytest.raises(BundleRefused, match="named twice"):
        ensemble(root, None, "bull", "bull:1")


def test_members_are_found_in_several_places_and_the_ensemble_goes_to_another(root: Path, tmp_path: Path) -> None:
    write_policy(tmp_path / "elsewhere", "owl", [0.0, 1.0, 0.0])
    made = ensemble(root, None, "bull", "owl", "--bundles", str(tmp_path / "elsewhere"))
    assert [member.name for member in made.manifest.members] == ["bull", "owl"]
    shelf = find_bundles([root, tmp_path / "elsewhere"])
    assert shelf.open(shelf.select("crowd")).digest == made.digest


def test_levels_may_be_in_any_order(root: Path) -> None:
    made = ensemble(root, UNSEEN, "bull", "bear", "--levels", "1,0,0.5")
    assert made.manifest.calibration is not None
    raw = {made.schema_digests[0]: np.zeros((1, 2))}
    _, _, votes = made.targets(raw, np.array([0.0]))
    assert votes[0] == pytest.approx([(0.9094 + 0.2119) / 2, (0.0453 + 0.5761) / 2, (0.0453 + 0.2119) / 2], abs=1e-3)


def test_a_member_that_is_not_there_is_refused(root: Path) -> None:
    with pytest.raises(BundleRefused, match="nobody"):
        ensemble(root, None, "bull", "nobody")
