import os
import subprocess
from pathlib import Path

import pytest

from rl_models.bundle_files import checksums, place_files, read_files
from trading.errors import BundleRefused

CONTENT = {"manifest.json": b"{}", "policy.onnx": b"\x00network"}
FILES = CONTENT | {"SHA256SUMS": checksums(CONTENT)}


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    place_files(tmp_path / "name" / "1", FILES)
    return tmp_path / "name" / "1"


def test_what_was_placed_is_read(placed: Path) -> None:
    assert read_files(placed) == FILES
    assert [path.name for path in placed.parent.iterdir()] == ["1"]


def test_sha256sum_of_the_system_agrees(placed: Path) -> None:
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=placed, capture_output=True, text=True, check=True)
    assert checked.stdout.splitlines() == ["manifest.json: OK", "policy.onnx: OK"]


def test_placing_the_same_again_changes_nothing_and_other_content_is_refused(placed: Path) -> None:
    place_files(placed, FILES)
    with pytest.raises(BundleRefused, match="give a new version"):
        place_files(placed, {**FILES, "policy.onnx": b"other"})
    assert read_files(placed) == FILES


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_flipped_bit_in_any_file_is_refused(placed: Path, name: str) -> None:
    file = placed / name
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleRefused):
        read_files(placed)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_refused(placed: Path, name: str) -> None:
    (placed / name).unlink()
    with pytest.raises(BundleRefused):
        read_files(placed)


def test_a_file_too_many_is_refused(placed: Path) -> None:
    (placed / "extra.pkl").write_bytes(b"")
    with pytest.raises(BundleRefused, match=r"extra\.pkl"):
        read_files(placed)


def test_a_directory_inside_is_refused(placed: Path) -> None:
    (placed / "more").mkdir()
    with pytest.raises(BundleRefused, match="plain file"):
        read_files(placed)


def test_a_symbolic_link_is_refused_even_to_the_right_bytes(placed: Path, tmp_path: Path) -> None:
    (placed / "policy.onnx").rename(tmp_path / "elsewhere")
    (placed / "policy.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleRefused, match="plain file"):
        read_files(placed)


def test_a_hard_link_is_refused_even_to_the_right_bytes(placed: Path, tmp_path: Path) -> None:
    os.link(placed / "policy.onnx", tmp_path / "second name")
    with pytest.raises(BundleRefused, match="hard link"):
        read_files(placed)


def test_a_pipe_is_refused_without_waiting_for_it(placed: Path) -> None:
    (placed / "policy.onnx").unlink()
    os.mkfifo(placed / "policy.onnx")
    with pytest.raises(BundleRefused, match="plain file"):
        read_files(placed)


def test_a_file_above_the_size_limit_is_refused(placed: Path) -> None:
    with (placed / "policy.onnx").open("r+b") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(BundleRefused, match="larger"):
        read_files(placed)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="no such bundle"):
        read_files(tmp_path / "nothing")


def test_a_draft_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        place_files(tmp_path / "name" / "1", {"not/there": b""})
    assert list((tmp_path / "name").iterdir()) == []
