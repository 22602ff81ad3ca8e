"""The document says what the manifests hold, also when it is bad news."""

from dataclasses import replace

import pytest

from rl_models.manifest import Manifest
from rl_models.training.document import write_document
from tests.fakes.bundles import CALIBRATION, policy_manifest
from tests.fakes.results import PROVENANCE


@pytest.fixture
def manifest() -> Manifest:
    return replace(policy_manifest("ppo-btc-1h"), provenance=PROVENANCE.to_json())


def test_it_counts_the_tests_that_beat_each_baseline(manifest: Manifest) -> None:
    text = write_document([manifest], "figure.svg")
    assert (
        "**ppo-btc-1h** ended above hold in 1 of 2 tests, above flat in 1, above 95 % of random accounts in 1." in text
    )


def test_it_compounds_the_tests_of_a_seed(manifest: Manifest) -> None:
    assert "| ppo-btc-1h | BTC | 1 | -40% | +21% | 0% | 0% |" in write_document([manifest], "figure.svg")


def test_it_names_the_command_and_the_data(manifest: Manifest) -> None:
    text = write_document([manifest], "figure.svg")
    source = PROVENANCE.data[0]
    for word in (PROVENANCE.run.command, source.sha256, source.origin, source.findings[0]):
        assert word in text


@pytest.mark.parametrize(("brier", "verdict"), [(0.20, "better than"), (0.26, "no better than")])
def test_it_compares_the_brier_score_with_that_of_the_base_rate(manifest: Manifest, brier: float, verdict: str) -> None:
    calibrated = replace(manifest, calibration=replace(CALIBRATION, brier=brier))
    assert f"| {verdict} the base rate |" in write_document([calibrated], "figure.svg")


def test_a_bundle_without_calibration_is_said_to_have_none(manifest: Manifest) -> None:
    assert "ppo-btc-1h: uncalibrated" in write_document([replace(manifest, calibration=None)], "figure.svg")
