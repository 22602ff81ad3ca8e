"""The end of SQLite's log, cut at any byte: detected, reported, and repaired to what was confirmed."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from adapters.store.wal import FRAME_HEADER_BYTES, HEADER_BYTES, torn_bytes

LAST_BYTES = 4_096
PAGE_BYTES = 4_096


@pytest.fixture
def live(tmp_path: Path) -> tuple[bytes, bytes, int]:
    """The file and the log of a store under way, as kill -9 leaves them, and how many rows were confirmed."""
    file = tmp_path / "live.sqlite"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE kept (n INTEGER PRIMARY KEY, text TEXT)")
    rows = 30
    for n in range(1, rows + 1):
        connection.execute("INSERT INTO kept VALUES (?, ?)", (n, f"row {n}"))
    copies = file.read_bytes(), wal_of(file).read_bytes()
    connection.close()
    return *copies, rows


def wal_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def kept(file: Path) -> list[int]:
    """The rows that SQLite finds after its repair."""
    connection = sqlite3.connect(file)
    try:
        return [n for (n,) in connection.execute("SELECT n FROM kept ORDER BY n")]
    finally:
        connection.close()


def write(folder: Path, file: bytes, wal: bytes) -> Path:
    path = folder / "cut.sqlite"
    for old in folder.glob("cut.sqlite*"):
        old.unlink()
    path.write_bytes(file)
    wal_of(path).write_bytes(wal)
    return path


def test_every_cut_of_the_last_4096_bytes_opens_with_a_prefix_of_what_was_confirmed(
    live: tuple[bytes, bytes, int], tmp_path: Path
) -> None:
    file, wal, rows = live
    frame_bytes = FRAME_HEADER_BYTES + PAGE_BYTES
    memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else tmp_path  # noqa: S108 - 4,096 copies
    folder = memory / f"rl-cuts-{os.getpid()}"
    folder.mkdir()
    try:
        for cut in range(LAST_BYTES + 1):
            path = write(folder, file, wal[: len(wal) - cut])
            whole = (len(wal) - cut - HEADER_BYTES) // frame_bytes * frame_bytes + HEADER_BYTES
            assert torn_bytes(wal_of(path)) == len(wal) - cut - whole
            assert kept(path) == list(range(1, rows if cut else rows + 1))
    finally:
        shutil.rmtree(folder)


def test_a_log_that_is_whole_is_not_torn(live: tuple[bytes, bytes, int], tmp_path: Path) -> None:
    file, wal, _ = live
    assert torn_bytes(wal_of(write(tmp_path, file, wal))) == 0


def test_no_log_and_an_empty_one_are_not_torn(tmp_path: Path) -> None:
    assert torn_bytes(tmp_path / "none-wal") == 0
    (tmp_path / "empty-wal").touch()
    assert torn_bytes(tmp_path / "empty-wal") == 0


@pytest.mark.parametrize("kept_bytes", [1, HEADER_BYTES - 1])
def test_half_a_header_is_torn(live: tuple[bytes, bytes, int], tmp_path: Path, kept_bytes: int) -> None:
    file, wal, _ = live
    assert torn_bytes(wal_of(write(tmp_path, file, wal[:kept_bytes]))) == kept_bytes


def test_a_flipped_byte_near_the_end_tears_what_follows(live: tuple[bytes, bytes, int], tmp_path: Path) -> None:
    file, wal, rows = live
    frame_bytes = FRAME_HEADER_BYTES + PAGE_BYTES
    flipped = bytearray(wal)
    flipped[-2 * frame_bytes + 1_000] ^= 0x01
    path = write(tmp_path, file, bytes(flipped))
    assert torn_bytes(wal_of(path)) == 2 * frame_bytes
    assert kept(path) == list(range(1, rows - 1))


def test_pages_of_a_transaction_that_never_ended_are_torn(tmp_path: Path) -> None:
    file = tmp_path / "live.sqlite"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE kept (n INTEGER PRIMARY KEY, text TEXT)")
    size = wal_of(file).stat().st_size
    connection.execute("PRAGMA cache_size=5")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO kept VALUES (?, ?)", ((n, "x" * 2_000) for n in range(100)))
    content = file.read_bytes(), wal_of(file).read_bytes()
    connection.execute("ROLLBACK")
    connection.close()
    path = write(tmp_path, *content)
    assert len(content[1]) > size
    assert torn_bytes(wal_of(path)) == len(content[1]) - size
    assert kept(path) == []


def test_what_an_earlier_round_left_behind_is_not_torn(tmp_path: Path) -> None:
    file = tmp_path / "live.sqlite"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE kept (n INTEGER PRIMARY KEY, text TEXT)")
    for n in range(20):
        connection.execute("INSERT INTO kept VALUES (?, ?)", (n, "x"))
    long = wal_of(file).stat().st_size
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    connection.execute("INSERT INTO kept VALUES (20, 'x')")
    assert wal_of(file).stat().st_size == long
    assert torn_bytes(wal_of(file)) == 0
    connection.close()


def test_something_else_under_that_name_is_torn(tmp_path: Path) -> None:
    (tmp_path / "other-wal").write_bytes(b"x" * 10_000)
    assert torn_bytes(tmp_path / "other-wal") == 10_000
