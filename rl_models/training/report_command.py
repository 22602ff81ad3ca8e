"""The options of the report command: walk-forward results of trained bundles as a page and as a document."""

import argparse
from pathlib import Path

from rl_models.manifest import Manifest
from rl_models.shelf import SHIPPED_BUNDLES, Shelf, find_bundles
from rl_models.training.document import write_document
from rl_models.training.page import write_page
from rl_models.training.plots import compare_equity
from trading.errors import BundleRefused


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    add = parser.add_argument
    add("--bundles", type=Path, default=SHIPPED_BUNDLES)
    add("--page", type=Path, help="write a self-contained HTML page here")
    add("--document", type=Path, help="write Markdown here and its figure beside it")


def run_report(args: argparse.Namespace) -> list[Path]:
    """The files written. Raises BundleRefused when no bundle there was trained by the train command."""
    manifests = trained_manifests(find_bundles([args.bundles]))
    written: list[Path] = []
    if args.page is not None:
        written.append(_write(args.page, write_page(manifests)))
    if args.document is not None:
        figure = args.document.with_suffix(".svg")
        written.append(_write(figure, compare_equity(manifests)))
        written.append(_write(args.document, write_document(manifests, figure.name)))
    return written


def trained_manifests(shelf: Shelf) -> list[Manifest]:
    """The newest version of every bundle that carries walk-forward results: policies by name, then ensembles."""
    names = sorted({found.manifest.name for found in shelf.candidates if "folds" in found.manifest.provenance})
    manifests = [shelf.select(name).manifest for name in names]
    if not manifests:
        raise BundleRefused("there is no bundle with walk-forward results; `python -m rl_models train` makes them")
    return sorted(manifests, key=lambda manifest: (bool(manifest.members), manifest.name))


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
