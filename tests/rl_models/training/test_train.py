"""One command from bars to bundles: judged on what came later, packed as they are served."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from rl_models.bundle import Bundle, load_bundle
from rl_models.training.bar_file import BarFile
from rl_models.training.history import Series
from rl_models.training.provenance import Provenance, provenance_from_json
from rl_models.training.train_command import add_train_arguments, run_train
from tests.fakes.bars import random_bars
from tests.fakes.market import HOUR_S
from trading.errors import BundleRefused, DatasetRefused, OperatorNeeded

BARS = random_bars(3_600)
FILE = BarFile(
    name="bars.csv",
    sha256="ab" * 32,
    findings=("a finding",),
    series=Series(symbol="BTC", timeframe_s=HOUR_S, bars=BARS),
)


def trained(root: Path, *words: str, file: BarFile = FILE) -> list[Bundle]:
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    options = ["--data", "BTC=bars.csv", "--out", str(root), "--timesteps", "64", "--folds", "2", *words]
    return run_train(parser.parse_args(options), [file], "the command")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    return trained(tmp_path_factory.mktemp("bundles"), "--algorithms", "A2C", "DQN", "--seeds", "1", "2")


@pytest.fixture
def provenance(bundles: list[Bundle]) -> Provenance:
    return provenance_from_json(bundles[0].manifest.provenance)


def test_it_gives_a_bundle_per_algorithm_and_the_ensemble_of_them(bundles: list[Bundle]) -> None:
    assert [bundle.manifest.name for bundle in bundles] == ["a2c-btc-1h", "dqn-btc-1h", "ensemble-btc-1h"]
    assert {bundle.manifest.version for bundle in bundles} == {"1"}
    assert [member.name for member in bundles[-1].manifest.members] == ["a2c-btc-1h", "dqn-btc-1h"]


def test_every_fold_and_seed_is_judged_on_bars_after_those_it_was_trained_on(provenance: Provenance) -> None:
    assert [(fold.fold, fold.seed) for fold in provenance.folds] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert all(fold.train_end < fold.test_start for fold in provenance.folds)
    assert provenance.folds[0].test_end <= provenance.folds[2].test_start


def test_the_baselines_of_a_fold_are_the_same_for_every_policy(bundles: list[Bundle]) -> None:
    a2c, dqn, ensemble = (provenance_from_json(bundle.manifest.provenance) for bundle in bundles)
    for one, two, three in zip(a2c.folds, dqn.folds, ensemble.folds, strict=True):
        assert one.hold == two.hold == three.hold
        assert one.flat.total_return == 0.0


def test_the_record_names_the_data_the_command_and_the_versions(provenance: Provenance) -> None:
    assert provenance.run.command == "the command"
    assert (provenance.data[0].sha256, provenance.data[0].bars) == (FILE.sha256, 3_600)
    assert provenance.data[0].findings == ("a finding",)
    assert "torch" in provenance.run.versions


def test_the_export_is_proved_against_sb3(bundles: list[Bundle]) -> None:
    [check] = bundles[0].manifest.parity["checks"]  # type: ignore[union-attr, misc]
    assert check["action_agreement"] == 1.0  # type: ignore[index, call-overload]


def test_the_warm_up_is_measured_and_served(bundles: list[Bundle]) -> None:
    assert all(300 < bundle.manifest.warmup_bars < 600 for bundle in bundles)


def test_a_policy_that_is_never_flat_is_calibrated_on_the_first_seed(bundles: list[Bundle]) -> None:
    for bundle in bundles:
        calibration, folds = bundle.manifest.calibration, provenance_from_json(bundle.manifest.provenance).folds
        invested = min(fold.policy.mean_exposure for fold in folds if fold.seed == 1)
        assert calibration is not None or invested < 0.9


def test_training_again_takes_the_next_version_and_leaves_the_first(tmp_path: Path) -> None:
    words = ("--algorithms", "A2C", "--seeds", "1")
    [first], [second] = trained(tmp_path, *words), trained(tmp_path, *words)
    assert (first.manifest.version, second.manifest.version) == ("1", "2")
    assert load_bundle(tmp_path / "a2c-btc-1h" / "1").digest == first.digest


def test_a_version_that_exists_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "a2c-btc-1h" / "7").mkdir(parents=True)
    with pytest.raises(BundleRefused, match="--version"):
        trained(tmp_path, "--algorithms", "A2C", "--version", "7", "--timesteps", "1000000000")


def test_too_few_bars_are_refused_with_the_reason(tmp_path: Path) -> None:
    short = replace(FILE, series=replace(FILE.series, bars=BARS[:900]))
    with pytest.raises(DatasetRefused, match="too few"):
        trained(tmp_path, file=short)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--levels", "0,2"), "-1..1"),
        (("--seeds", "1", "1"), "each once"),
        (("--folds", "1000"), "too few"),
        (("--horizon", "100000"), "too few"),
        (("--version", "A B"), "--version"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    with pytest.raises(OperatorNeeded, match=said):
        trained(tmp_path, *words, "--timesteps", "1000000000")


def test_a_symbol_that_no_test_sees_is_refused(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    early = replace(FILE, series=Series(symbol="ETH", timeframe_s=HOUR_S, bars=BARS[:1_800]))
    late = replace(FILE, series=Series(symbol="BTC", timeframe_s=HOUR_S, bars=random_bars(9_000)))
    with pytest.raises(DatasetRefused, match="ETH has no bars in any test"):
        run_train(parser.parse_args(["--data", "BTC=bars.csv", "--out", str(tmp_path)]), [late, early], "the command")


def test_files_of_different_timeframes_are_refused(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    other = replace(FILE, series=replace(FILE.series, symbol="ETH", timeframe_s=60))
    with pytest.raises(DatasetRefused, match="same timeframe"):
        run_train(parser.parse_args(["--data", "BTC=bars.csv", "--out", str(tmp_path)]), [FILE, other], "the command")


def test_two_symbols_are_trained_together_and_judged_apart(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    other = replace(FILE, series=Series(symbol="ETH", timeframe_s=HOUR_S, bars=random_bars(3_600, seed=9)))
    words = ["--data", "BTC=bars.csv", "--out", str(tmp_path), "--timesteps", "64", "--folds", "1", "--seeds", "1"]
    [bundle] = run_train(parser.parse_args([*words, "--algorithms", "A2C"]), [FILE, other], "the command")
    folds = provenance_from_json(bundle.manifest.provenance).folds
    assert bundle.manifest.name == "a2c-btc-eth-1h"
    assert bundle.manifest.symbols == ("BTC", "ETH")
    assert [fold.symbol for fold in folds] == ["BTC", "ETH"]
    assert folds[0].hold != folds[1].hold
