"""The report is written from bundles alone, the same bytes each time, and needs nothing but itself."""

import argparse
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rl_models.bundle import write_bundle
from rl_models.training.page import write_page
from rl_models.training.report_command import add_report_arguments, run_report
from tests.fakes.bundles import CALIBRATION, constant_onnx, policy_manifest
from tests.fakes.results import PROVENANCE
from trading.errors import BundleRefused


@pytest.fixture
def root(tmp_path: Path) -> Path:
    manifest = replace(policy_manifest("ppo-btc-1h"), provenance=PROVENANCE.to_json())
    write_bundle(tmp_path / "bundles", manifest, constant_onnx([0.0, 0.0, 1.0]))
    return tmp_path / "bundles"


def report(root: Path, out: Path) -> list[Path]:
    parser = argparse.ArgumentParser()
    add_report_arguments(parser)
    words = ["--bundles", str(root), "--page", str(out / "page.html"), "--document", str(out / "results.md")]
    return run_report(parser.parse_args(words))


def test_it_writes_the_page_the_document_and_its_figure(root: Path, tmp_path: Path) -> None:
    assert [path.name for path in report(root, tmp_path / "out")] == ["page.html", "results.svg", "results.md"]
    assert "](results.svg)" in (tmp_path / "out" / "results.md").read_text()


def test_the_same_bundles_give_the_same_bytes(root: Path, tmp_path: Path) -> None:
    first, second = report(root, tmp_path / "one"), report(root, tmp_path / "two")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_page_fetches_nothing(root: Path, tmp_path: Path) -> None:
    page = report(root, tmp_path / "out")[0].read_text()
    assert not re.search(r'(?:src|href)="(?!#)|url\((?!#)|@import|<script', page.replace('xlink:href="#', ""))
    assert page.count("<svg") == 2


def test_a_folder_without_trained_bundles_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="rl_models train"):
        report(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(("informative", "said"), [(True, "Served."), (False, "Not served: it is no better than")])
def test_the_page_says_whether_confidence_is_served(informative: bool, said: str) -> None:
    calibration = replace(CALIBRATION, informative=informative)
    manifest = replace(policy_manifest("ppo-btc-1h"), provenance=PROVENANCE.to_json(), calibration=calibration)
    assert said in write_page([manifest])
