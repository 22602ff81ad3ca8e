"""Bundles that are there become members; their ensemble may be calibrated on bars none of them has seen."""

import argparse
from pathlib import Path

import pytest

from rl_models.bundle import Bundle
from rl_models.training.ensemble_command import add_ensemble_arguments, run_ensemble
from rl_models.training.history import Series
from tests.fakes.bars import random_bars
from tests.fakes.bundles import write_policy
from tests.fakes.market import HOUR_S
from trading.errors import BundleRefused

UNSEEN = Series(symbol="BTC", timeframe_s=HOUR_S, bars=random_bars(1_500))


def ensemble(root: Path, unseen: Series | None, *members: str) -> Bundle:
    parser = argparse.ArgumentParser()
    add_ensemble_arguments(parser)
    return run_ensemble(parser.parse_args([*members, "--name", "crowd", "--bundles", str(root)]), unseen)


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
    calibration = ensemble(root, UNSEEN, "bull", "bear").manifest.calibration
    assert calibration is not None
    assert calibration.n > 200


def test_a_member_that_is_not_there_is_refused(root: Path) -> None:
    with pytest.raises(BundleRefused, match="nobody"):
        ensemble(root, None, "bull", "nobody")
