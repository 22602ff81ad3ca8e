"""What dead processes counted, read as Prometheus reads it."""

import fcntl
import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from adapters.metric_files import LOCK, bury, undisturbed


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


def test_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    with undisturbed(tmp_path), undisturbed(tmp_path), (tmp_path / LOCK).open() as third:
        fcntl.flock(third, fcntl.LOCK_SH | fcntl.LOCK_NB)
