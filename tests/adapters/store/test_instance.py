"""One service a folder: whoever comes second is refused with what to do, and the first one's death sets it free."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.store.instance import Instance
from tests.fakes.served import ROOT
from trading.errors import StoreRefused

HOLD = """
import sys, time
from pathlib import Path
from adapters.store.instance import Instance
Instance(Path(sys.argv[1])).claim()
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_instance_is_refused_with_the_first_one_s_process(tmp_path: Path) -> None:
    held = Instance(tmp_path)
    held.claim()
    with pytest.raises(StoreRefused, match=rf"in use by process {os.getpid()}; .*another DATA_DIR"):
        Instance(tmp_path).claim()
    held.release()


def test_another_folder_is_another_instance(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    held, other = Instance(tmp_path), Instance(tmp_path / "b")
    held.claim()
    other.claim()
    held.release()
    other.release()


def test_a_folder_that_was_let_go_can_be_claimed_again(tmp_path: Path) -> None:
    for _ in range(2):
        held = Instance(tmp_path)
        held.claim()
        held.release()


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreRefused, match=f"process {holder.pid}"):
        Instance(tmp_path).claim()
    holder.kill()
    holder.wait(10)
    holder.stdout.close()
    held = Instance(tmp_path)
    held.claim()
    held.release()


def test_a_child_of_the_holder_does_not_hold_it(tmp_path: Path) -> None:
    held = Instance(tmp_path)
    held.claim()
    code = "import time; print(flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, close_fds=False)
    assert child.stdout is not None
    child.stdout.readline()
    held.release()
    other = Instance(tmp_path)
    other.claim()
    other.release()
    child.kill()
    child.wait(10)
    child.stdout.close()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="No such file"):
        Instance(tmp_path / "none").claim()
