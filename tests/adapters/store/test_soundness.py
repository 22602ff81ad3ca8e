"""A damaged file is refused with what to do; checking a large one ends in time."""

import sqlite3
from pathlib import Path

import pytest

from adapters.store.soundness import require_sound
from tests.fakes.stores import sqlite
from trading.errors import StoreRefused


def filled(folder: Path) -> Path:
    """A file of some hundred pages."""
    file = sqlite(folder).file
    assert file is not None
    connection = sqlite3.connect(file)
    with connection:
        connection.executemany("INSERT INTO secrets VALUES (?, ?)", ((str(n), "x" * 1_000) for n in range(2_000)))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return file


def test_a_sound_file_is_checked_whole(tmp_path: Path) -> None:
    assert require_sound(filled(tmp_path)) is True


def test_a_file_with_a_damaged_page_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = filled(tmp_path)
    content = bytearray(file.read_bytes())
    content[100 * 4096 : 120 * 4096] = b"\xff" * (20 * 4096)
    file.write_bytes(content)
    with pytest.raises(StoreRefused, match=r"store\.sqlite: .*move it and its -wal file away, or repair it"):
        require_sound(file)


@pytest.mark.parametrize("content", [b"no database at all, by far" * 400, b"SQLite format 3\0" + b"\xff" * 8176])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.sqlite").write_bytes(content)
    with pytest.raises(StoreRefused, match=r"store\.sqlite"):
        require_sound(tmp_path / "store.sqlite")


def test_a_file_that_takes_too_long_is_let_through_unchecked(tmp_path: Path) -> None:
    moments = iter(range(0, 1_000, 10))
    assert require_sound(filled(tmp_path), monotonic_s=lambda: float(next(moments))) is False


def test_a_file_in_use_is_checked_beside_its_user(tmp_path: Path) -> None:
    file = filled(tmp_path)
    user = sqlite3.connect(file, isolation_level=None)
    user.execute("BEGIN IMMEDIATE")
    assert require_sound(file) is True
    user.close()
