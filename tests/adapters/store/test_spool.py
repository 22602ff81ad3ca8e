"""What is on the disk survives its process, whole or not at all, and is taken over by one other."""

import os
from pathlib import Path

import pytest

from adapters.store.spool import Spool
from tests.fakes.python import run_python
from trading.errors import StoreUnavailable


def spool(folder: Path) -> Spool:
    return Spool(folder)


def emptied(from_spool: Spool) -> list[bytes]:
    """Every batch, in order."""
    batches = []
    while (batch := from_spool.first()) is not None:
        batches.append(batch)
        from_spool.take()
    return batches


def file_of(folder: Path) -> Path:
    (path,) = folder.glob("*.journal")
    return path


def test_batches_come_back_in_their_order(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    kept.append(b"one")
    kept.append(b"two")
    assert kept.first() == b"one"
    kept.take()
    kept.append(b"three")
    assert emptied(kept) == [b"two", b"three"]
    assert kept.waiting_bytes == 0
    assert file_of(tmp_path).stat().st_size == 0


def test_nothing_is_on_the_disk_until_something_has_to_be(tmp_path: Path) -> None:
    kept = spool(tmp_path / "spool")
    kept.adopt()
    assert kept.first() is None
    kept.close()
    assert not (tmp_path / "spool").exists()


def test_what_is_left_is_for_the_next_process(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    kept.append(b"one")
    kept.append(b"two")
    kept.first()
    kept.take()
    kept.close()
    heir = spool(tmp_path)
    heir.adopt()
    assert emptied(heir) == [b"one", b"two"]
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_a_living_owner_is_nobody_elses(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    kept.append(b"one")
    other = spool(tmp_path)
    other.adopt()
    assert other.first() is None
    assert kept.first() == b"one"


def test_a_process_that_was_killed_leaves_its_file_to_one_heir(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from adapters.store.spool import Spool
Spool(Path(sys.argv[1])).append(b"one")
os.kill(os.getpid(), signal.SIGKILL)
"""
    with pytest.raises(Exception):  # noqa: B017, PT011 - however the runner tells of a killed process
        run_python(code, str(tmp_path))
    heirs = [spool(tmp_path), spool(tmp_path)]
    for heir in heirs:
        heir.adopt()
    assert sorted(emptied(heirs[0]) + emptied(heirs[1])) == [b"one"]


def test_a_file_cut_at_any_of_its_last_4096_bytes_opens_with_its_whole_batches(tmp_path: Path) -> None:
    batches = [os.urandom(900) for _ in range(6)]
    kept = spool(tmp_path)
    for batch in batches:
        kept.append(batch)
    kept.close()
    path = file_of(tmp_path)
    content = path.read_bytes()
    frame = len(content) // len(batches)
    for cut in range(1, 4097):
        path.write_bytes(content[:-cut])
        heir = spool(tmp_path)
        heir.adopt()
        whole, rest = divmod(len(content) - cut, frame)
        assert heir.torn == (1 if rest else 0), cut
        assert emptied(heir) == batches[:whole], cut


@pytest.mark.parametrize("tail", [b"\x00" * 4096, b"\xff" * 100, b"RLJ1\x00\x00\x00\x03\x00\x00\x00\x00abc"])
def test_what_is_no_batch_is_cut_off_and_reported(
    tail: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = spool(tmp_path)
    kept.append(b"one")
    kept.close()
    path = file_of(tmp_path)
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(tail)
    heir = spool(tmp_path)
    heir.adopt()
    assert path.stat().st_size == whole
    assert heir.torn == 1
    assert path.name in caplog.text
    assert emptied(heir) == [b"one"]


def test_a_spool_takes_no_more_than_its_bound_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    kept = Spool(tmp_path, most_bytes=100)
    kept.append(b"a" * 60)
    with pytest.raises(StoreUnavailable, match="100 bytes"):
        kept.append(b"b" * 60)
    assert emptied(kept) == [b"a" * 60]
    kept.append(b"c" * 60)
    assert emptied(kept) == [b"c" * 60]


def test_a_full_disk_takes_nothing_by_halves(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
from pathlib import Path
from adapters.store.spool import Spool
from trading.errors import StoreUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
kept = Spool(Path(sys.argv[1]))
kept.append(b"a" * 1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
try:
    kept.append(b"b" * 1000)
except StoreUnavailable:
    (path,) = Path(sys.argv[1]).iterdir()
    print("refused", path.stat().st_size)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
kept.append(b"c" * 1000)
while (batch := kept.first()) is not None:
    print(batch[:1].decode())
    kept.take()
"""
    assert run_python(code, str(tmp_path)).split() == ["refused", "1012", "a", "c"]


def damage(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xee\xee")


# Offsets in the second of three frames of 100 bytes: its batch, its length, its first bytes.
@pytest.mark.parametrize("offset", [112 + 50, 112 + 4, 112])
def test_a_damaged_batch_costs_no_other_one_and_its_file_is_kept(
    offset: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batches = [letter * 100 for letter in (b"a", b"b", b"c")]
    for in_use in (True, False):
        folder = tmp_path / str(in_use)
        kept = spool(folder)
        for batch in batches:
            kept.append(batch)
        whole = file_of(folder).stat().st_size
        damage(file_of(folder), offset)
        if not in_use:
            kept.close()
            kept = spool(folder)
            kept.adopt()
        assert emptied(kept) == [batches[0], batches[2]]
        assert kept.torn == 1
        kept.append(b"more")
        assert emptied(kept) == [b"more"]
        kept.close()
        (left,) = folder.iterdir()
        assert (left.suffix, left.stat().st_size) == (".damaged", whole)
        assert left.name in caplog.text


def test_what_another_version_wrote_is_kept_as_it_is(tmp_path: Path) -> None:
    content = b"RLJ2" + b"\0" * 100
    (tmp_path / "1-a.journal").write_bytes(content)
    heir = spool(tmp_path)
    heir.adopt()
    assert heir.first() is None
    assert heir.torn == 1
    heir.close()
    assert (tmp_path / "1-a.damaged").read_bytes() == content


def test_a_file_that_somebody_else_cut_is_told_of_and_let_go(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    kept.append(b"one")
    os.truncate(file_of(tmp_path), 5)
    assert kept.first() is None
    assert kept.torn == 1
    kept.append(b"two")
    assert emptied(kept) == [b"two"]


def test_what_is_refused_is_kept_for_a_human(tmp_path: Path) -> None:
    path = spool(tmp_path / "spool").set_aside(b"one")
    assert (path.suffix, path.read_bytes()) == (".refused", b"one")


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(StoreUnavailable):
        spool(tmp_path / "spool").append(b"one")
