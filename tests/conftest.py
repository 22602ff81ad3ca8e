"""What many tests need: the shared data folder, a model store of their own, and a way to fail instead of skip."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.served import Served, served

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """BentoML reads BENTOML_HOME as it is imported: set before, no test sees the developer's model store."""
    home = tempfile.TemporaryDirectory(prefix="bentoml-")
    config.add_cleanup(home.cleanup)
    os.environ["BENTOML_HOME"] = home.name


def skip_or_fail(reason: str) -> None:
    """Skip by name; with REQUIRE_ALL=1 (CI) a missing piece is a failure."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1 and {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `../shared` beside the project: market data and published vectors."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        skip_or_fail("../shared is not there")
    return folder


@pytest.fixture(scope="session")
def shared_data(shared: Path) -> Path:
    """Real market data with its real defects."""
    folder = shared / "data"
    if not folder.is_dir():
        skip_or_fail("../shared/data is not there")
    return folder


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service as `make serve` starts it: two workers, the simulated market."""
    with served(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service with four workers."""
    with served(tmp_path_factory.mktemp("four"), WORKERS="4") as running:
        yield running
