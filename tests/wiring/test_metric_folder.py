"""The folder of a deployment's metrics: whose it is, and when it goes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.fakes.python import run_python
from tests.fakes.served import ROOT
from trading.errors import OperatorNeeded
from wiring.metric_folder import PREFIX, hold, remove_abandoned

HOLD = """
import sys
from pathlib import Path
from wiring.metric_folder import hold
hold(Path(sys.argv[1]))
print("held", flush=True)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_with_its_process(tmp_path: Path) -> None:
    run_python(HOLD + "assert Path(sys.argv[1]).is_dir()", str(tmp_path / "metrics"))
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_process_that_lives_stays_and_that_of_a_killed_one_goes_with_the_next_start(temporary: Path) -> None:
    folder = temporary / f"{PREFIX}1"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD + "input()", str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        (folder / "counter_1.db").touch()
        remove_abandoned()
        assert (folder / "counter_1.db").exists()
    finally:
        holder.kill()
        holder.communicate()
    (temporary / "another").mkdir()
    remove_abandoned()
    assert [path.name for path in temporary.iterdir()] == ["another"]


def test_a_link_to_somewhere_else_is_not_followed(temporary: Path) -> None:
    kept = temporary / "kept"
    kept.mkdir()
    os.symlink(kept, temporary / f"{PREFIX}1")
    remove_abandoned()
    assert kept.exists()


def test_where_it_cannot_be_made_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorNeeded, match="file"):
        hold(tmp_path / "file" / "metrics")
