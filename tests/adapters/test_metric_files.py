"""What dead processes counted, read as Prometheus reads it."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from adapters.metric_files import LOCK, bury, undisturbed
from tests.conftest import skip_or_fail
from tests.fakes.served import ROOT


def count(folder: Path, pid: int, values: dict[str, float], kind: str = "counter") -> None:
    """Count as a process with this pid would."""
    file = MmapedDict(str(folder / f"{kind}_{pid}.db"))
    for name, value in values.items():
        file.write_value(json.dumps([name, name, {}, "help"]), value, 0.0)
    file.close()


def shown(folder: Path) -> dict[str, float]:
    """What a scrape would show."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    lines = generate_latest(registry).decode().splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}


def test_burying_changes_no_total_and_leaves_one_file_a_kind(tmp_path: Path) -> None:
    for pid in range(1, 31):
        count(tmp_path, pid, {"a_total": 1.0, f"of_{pid % 3}_total": 2.0})
        count(tmp_path, pid, {"seconds_sum": 0.5}, kind="summary")
    before = shown(tmp_path)
    for pid in range(1, 30):
        assert bury(tmp_path, pid)
        assert shown(tmp_path) == before
    files = sorted(path.name for path in tmp_path.glob("*.db"))
    assert files == ["counter_30.db", "counter_dead.db", "summary_30.db", "summary_dead.db"]
    assert before["a_total"] == 30.0


def test_a_process_that_counted_nothing_is_buried_too(tmp_path: Path) -> None:
    assert bury(tmp_path, 1)
    assert shown(tmp_path) == {}


@pytest.mark.parametrize("mode", ["liveall", "all", "sum", "mostrecent"])
def test_a_dead_process_has_no_gauges(tmp_path: Path, mode: str) -> None:
    for pid in (1, 11):
        count(tmp_path, pid, {"queue": 3.0}, kind=f"gauge_{mode}")
    assert bury(tmp_path, 1)
    assert [path.name for path in tmp_path.glob("*.db")] == [f"gauge_{mode}_11.db"]


def test_nobody_is_buried_while_somebody_reads(tmp_path: Path) -> None:
    count(tmp_path, 1, {"a_total": 1.0})
    with undisturbed(tmp_path):
        assert not bury(tmp_path, 1)
        assert (tmp_path / "counter_1.db").exists()
    assert bury(tmp_path, 1)


def test_who_reads_all_the_time_does_not_keep_the_dead_from_being_buried(tmp_path: Path) -> None:
    count(tmp_path, 1, {"a_total": 1.0})
    done = threading.Event()

    def read(after_s: float) -> None:
        time.sleep(after_s)
        while not done.is_set():
            with undisturbed(tmp_path):
                time.sleep(0.02)

    # Each begins before the other ends.
    readers = [threading.Thread(target=read, args=(after_s,)) for after_s in (0.0, 0.007, 0.014)]
    for reader in readers:
        reader.start()
    time.sleep(0.05)
    try:
        assert any(bury(tmp_path, 1) for _ in range(10))
    finally:
        done.set()
        for reader in readers:
            reader.join()


FULL = """
import os, subprocess, sys
from pathlib import Path

folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], check=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
from adapters.metric_files import bury
from adapters.metrics import Metrics

def exposed():
    return {line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in metrics.exposition().decode().splitlines()}

def fill():
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass

"""
COUNTED = 'rl_service_rejected_requests_total{code="early"}'


def on_a_full_disk(folder: Path, code: str) -> None:
    """Run code in a process whose metrics are on a small disk of its own, which `fill()` fills."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        skip_or_fail("only root may mount a small disk")
    alone = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
        skip_or_fail("mount namespaces are not allowed here")
    words = [*alone, sys.executable, "-c", FULL + code + "\nprint('well')", str(folder)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, "well\n"), ended.stderr


def test_on_a_full_disk_nobody_is_buried_and_once_there_is_space_nothing_was_lost(tmp_path: Path) -> None:
    on_a_full_disk(
        tmp_path,
        f"""
metrics = Metrics()
metrics.rejected("early")
metrics.flush()
dead = 99999999
for path in folder.glob(f"counter_{{os.getpid()}}.db"):
    (folder / f"counter_{{dead}}.db").write_bytes(path.read_bytes())
fill()
assert not bury(folder, dead)
assert exposed()['{COUNTED}'] == "2.0"
assert not list(folder.glob("*.new"))
(folder / "ballast").unlink()
assert bury(folder, dead)
assert exposed()['{COUNTED}'] == "2.0"
""",
    )


def test_a_worker_whose_disk_is_full_goes_on_counting_and_shows_what_fits(tmp_path: Path) -> None:
    on_a_full_disk(
        tmp_path,
        f"""
metrics = Metrics()
fill()
metrics.rejected("early")
for number in range(2000):
    metrics.rejected(f"code {{number}}")
assert exposed()['{COUNTED}'] == "1.0"
""",
    )


def test_a_worker_that_starts_on_a_full_disk_counts_where_nobody_looks(tmp_path: Path) -> None:
    on_a_full_disk(
        tmp_path,
        """
fill()
metrics = Metrics()
for number in range(2000):
    metrics.rejected(f"code {number}")
assert not [line for line in exposed() if line.startswith("rl_service")]
assert not list(folder.glob("*.db")) + list(folder.glob("*.new"))
""",
    )


def test_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    with undisturbed(tmp_path), undisturbed(tmp_path), (tmp_path / LOCK).open() as third:
        fcntl.flock(third, fcntl.LOCK_SH | fcntl.LOCK_NB)
