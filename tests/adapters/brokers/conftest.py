"""The paper venue keeps its promises on SQLite and on PostgreSQL alike."""

from pathlib import Path

import pytest

from adapters.store.engine import Location
from tests.fakes.stores import STORES


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """A fresh store with its tables, on each database in turn."""
    return STORES[request.param](tmp_path)
