"""One served process for the tests of the wire."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.served import Served, served


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service as `make serve` starts it: two workers, the simulated market."""
    folder: Path = tmp_path_factory.mktemp("service")
    with served(folder) as running:
        yield running
