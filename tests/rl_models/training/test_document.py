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


def test_it_says_that_a_calibration_no_better_than_the_base_rate_is_not_served(manifest: Manifest) -> None:
    useless = replace(manifest, calibration=replace(CALIBRATION, brier=0.26, informative=False))
    text = write_document([useless], "figure.svg")
    assert "| 0.260 | 0.250 | 0.020 | 0.500 | no better than the base rate |" in text
    assert "- ppo-btc-1h: gives no confidence (`uncalibrated`): it is no better than the base rate." in text


def test_it_names_the_symbols_that_a_better_one_gives_confidence_for(manifest: Manifest) -> None:
    text = write_document([manifest], "figure.svg")
    assert "| better than the base rate |" in text
    assert "- ppo-btc-1h: gives confidence for BTC." in text


def test_it_says_from_which_position_decisions_were_judged(manifest: Manifest) -> None:
    assert "from the position that the policy's own account had at that time, not from flat" in write_document(
        [manifest], "figure.svg"
    )


def test_a_bundle_without_calibration_is_said_to_have_none(manifest: Manifest) -> None:
    assert "ppo-btc-1h: gives no confidence (`uncalibrated`): there were too few" in write_document(
        [replace(manifest, calibration=None)], "figure.svg"
    )
