"""A rollout decides as the bundle serves: from closed bars, one by one, keeping the position when it cannot."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl_models.bundle import Bundle, load_bundle, write_bundle
from rl_models.features.batch import observations
from rl_models.training.costs import TradingCosts
from rl_models.training.history import Series
from rl_models.training.rollout import roll_out
from tests.fakes.bars import random_bars
from tests.fakes.bundles import SCHEMA, constant_onnx, linear_onnx, policy_manifest
from tests.fakes.market import EPOCH_S, HOUR_S

BARS = random_bars(120)
SERIES = Series(symbol="BTC", timeframe_s=HOUR_S, bars=BARS)
FIRST_S, END_S = EPOCH_S + 50 * HOUR_S, EPOCH_S + 120 * HOUR_S


def bundle_of(root: Path, network: bytes) -> Bundle:
    return load_bundle(write_bundle(root, replace(policy_manifest(), normalisation=None), network))


@pytest.fixture
def always_half(tmp_path: Path) -> Bundle:
    return bundle_of(tmp_path, constant_onnx([0.0, 1.0, 0.0]))


@pytest.fixture
def follows_the_last_bar(tmp_path: Path) -> Bundle:
    return bundle_of(tmp_path, linear_onnx([[-1_000.0, 0.0, 1_000.0], [0.0, 0.0, 0.0]], [0.0, 0.0, 0.0]))


def test_it_decides_once_at_every_close_asked_for(always_half: Bundle) -> None:
    rollout = roll_out(always_half, SERIES, first_s=FIRST_S, end_s=END_S)
    assert rollout.close_times_s.tolist() == [FIRST_S + (place + 1) * HOUR_S for place in range(70)]
    assert rollout.closes.tolist() == [bar.close for bar in BARS[50:]]
    assert rollout.advised.all()


def test_the_position_before_a_decision_is_the_last_target_after_the_price_moved(always_half: Bundle) -> None:
    rollout = roll_out(always_half, SERIES, first_s=FIRST_S, end_s=END_S)
    account = rollout.account(TradingCosts())
    assert rollout.positions[0] == 0.0
    np.testing.assert_allclose(rollout.positions[:-1], account.positions, rtol=1e-12)


def test_its_decisions_are_those_of_the_batch_of_observations(follows_the_last_bar: Bundle) -> None:
    rollout = roll_out(follows_the_last_bar, SERIES, first_s=FIRST_S, end_s=END_S)
    rows = observations(SCHEMA, BARS, [None] * 120, [0.0] * 120, timeframe_s=HOUR_S, warmup_bars=3)[50:]
    rows[:, 1] = rollout.positions
    targets, scores, _ = follows_the_last_bar.targets({SCHEMA.digest: rows}, rollout.positions)
    assert rollout.targets.tolist() == targets.tolist()
    np.testing.assert_allclose(rollout.scores, scores, rtol=1e-6)


def test_bars_that_come_later_change_no_decision_before_them(follows_the_last_bar: Bundle) -> None:
    other_future = [*BARS[:100], *(replace(bar, close=bar.high) for bar in BARS[100:])]
    one = roll_out(follows_the_last_bar, SERIES, first_s=FIRST_S, end_s=END_S)
    other = roll_out(follows_the_last_bar, replace(SERIES, bars=other_future), first_s=FIRST_S, end_s=END_S)
    assert one.targets[:50].tolist() == other.targets[:50].tolist()


def test_while_features_warm_up_again_after_a_hole_the_position_is_kept(always_half: Bundle) -> None:
    holed = replace(SERIES, bars=[*BARS[:80], *BARS[90:]])
    rollout = roll_out(always_half, holed, first_s=FIRST_S, end_s=END_S)
    assert np.flatnonzero(~rollout.advised).tolist() == [30, 31]
    assert rollout.targets[30:32].tolist() == rollout.positions[30:32].tolist()
