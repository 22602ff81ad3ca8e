"""What is committed under rl_models/bundles can be served, and the document about it says what it holds."""

import hashlib
from pathlib import Path

import pytest

from rl_models.shelf import SHIPPED_BUNDLES, Shelf, find_bundles
from rl_models.training.document import write_document
from rl_models.training.provenance import provenance_from_json
from rl_models.training.report_command import trained_manifests

NAMES = ("a2c-btc-1h", "dqn-btc-1h", "ppo-btc-1h", "ensemble-btc-1h")
DOCUMENT = SHIPPED_BUNDLES.parents[1] / "docs" / "walk-forward.md"


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return find_bundles([SHIPPED_BUNDLES])


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_bundle_passes_every_check_of_the_service(shelf: Shelf, name: str) -> None:
    assert shelf.open(shelf.select(name)).manifest.timeframe_s == 3600


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_bundle_gives_no_confidence_because_it_is_no_better_than_the_base_rate(
    shelf: Shelf, name: str
) -> None:
    calibration = shelf.select(name).manifest.calibration
    assert calibration is not None
    assert calibration.brier >= calibration.base_rate_brier
    assert not calibration.informative
    assert f"- {name}: gives no confidence (`uncalibrated`)" in DOCUMENT.read_text()


def test_nothing_else_lies_beside_the_shipped_bundles(shelf: Shelf) -> None:
    assert sorted(shelf.tags()) == sorted(f"{name}:1" for name in NAMES)
    assert shelf.refusals == ()


def test_shipped_policies_need_no_more_bars_than_a_replay_starts_with(shelf: Shelf) -> None:
    assert all(found.manifest.warmup_bars <= 500 for found in shelf.candidates)


def test_the_document_is_what_the_report_command_writes_from_the_shipped_bundles(shelf: Shelf) -> None:
    assert DOCUMENT.read_text() == write_document(trained_manifests(shelf), "walk-forward.svg")
    assert DOCUMENT.with_suffix(".svg").stat().st_size < 150_000


def test_shipped_policies_were_trained_on_the_data_they_name(shelf: Shelf, shared_data: Path) -> None:
    for manifest in trained_manifests(shelf):
        for source in provenance_from_json(manifest.provenance).data:
            content = (shared_data / "crypto" / source.file).read_bytes()
            assert hashlib.sha256(content).hexdigest() == source.sha256
