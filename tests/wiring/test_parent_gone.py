"""A child of a worker does not outlive it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.processes import lives
from tests.fakes.served import ROOT
from tests.fakes.waiting import PATIENCE_S

CHILD = """
import os, sys, time
from wiring.parent_gone import die_with
die_with(int(sys.argv[1]))
open(sys.argv[2] + '.new', 'w').write(str(os.getpid()))
os.rename(sys.argv[2] + '.new', sys.argv[2])
time.sleep(60)
"""
PARENT = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, '-c', {CHILD!r}, str(os.getpid()), sys.argv[1]], start_new_session=True)
time.sleep(60)
"""


def until(true: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it, where it is Linux")
def test_a_child_that_is_stopped_is_gone_with_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(file)], cwd=ROOT)
    until(file.exists)
    child = int(file.read_text())
    os.kill(child, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    until(lambda: not lives(child))
