"""Zip files are read within bounds."""

import io
import zipfile
from pathlib import Path

import pytest

from rl_models.training import archive
from rl_models.training.archive import read_file, read_members
from trading.errors import BundleRefused


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as written:
        for name, content in members.items():
            written.writestr(name, content)
    return target.getvalue()


def test_only_wanted_members_are_read() -> None:
    content = zipped({"a": b"1", "b": b"2"})
    assert read_members(content, lambda name: name == "b", "x.zip") == {"b": b"2"}


def test_a_member_that_unpacks_to_more_than_the_limit_is_refused() -> None:
    bomb = zipped({"data": bytes(archive.LARGEST_MEMBER_BYTES + 1)})
    assert len(bomb) < 100_000
    with pytest.raises(BundleRefused, match="when unpacked"):
        read_members(bomb, lambda name: True, "x.zip")


def test_members_that_are_too_large_together_are_refused() -> None:
    half = bytes(archive.LARGEST_MEMBER_BYTES // 2 + 1)
    with pytest.raises(BundleRefused, match="when unpacked"):
        read_members(zipped({"a": half, "b": half}), lambda name: True, "x.zip")


def test_a_member_whose_header_lies_about_its_size_is_refused() -> None:
    honest = zipped({"data": bytes(1_000_000)})
    lying = honest.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != honest
    with pytest.raises(BundleRefused, match="not a readable zip file"):
        read_members(lying, lambda name: True, "x.zip")


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "a\\..\\up", "C:/windows"])
def test_a_name_that_points_outside_is_refused(name: str) -> None:
    with pytest.raises(BundleRefused, match="points outside"):
        read_members(zipped({name: b""}), lambda name: False, "x.zip")


def test_a_name_given_twice_is_refused() -> None:
    content = zipped({"data": b"1", "dat4": b"2"}).replace(b"dat4", b"data")
    with pytest.raises(BundleRefused, match="given twice"):
        read_members(content, lambda name: True, "x.zip")


def test_too_many_members_are_refused() -> None:
    content = zipped({str(place): b"" for place in range(archive.MOST_MEMBERS + 1)}, zipfile.ZIP_STORED)
    with pytest.raises(BundleRefused, match="more than 4096 members"):
        read_members(content, lambda name: False, "x.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(method: int) -> None:
    with pytest.raises(BundleRefused, match="unusual way"):
        read_members(zipped({"data": b"1" * 100}, method), lambda name: True, "x.zip")


@pytest.mark.parametrize("cut", [0, 1, 10, 50, 90])
def test_a_damaged_file_is_refused(cut: int) -> None:
    content = zipped({"data": b"content"})
    with pytest.raises(BundleRefused, match="not a readable zip file"):
        read_members(content[: len(content) * cut // 100], lambda name: True, "x.zip")


def test_a_flipped_byte_is_noticed() -> None:
    content = zipped({"data": b"content"}, zipfile.ZIP_STORED).replace(b"content", b"contend")
    with pytest.raises(BundleRefused, match="not a readable zip file"):
        read_members(content, lambda name: True, "x.zip")


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"12345")
    assert read_file(path, most_bytes=5) == b"12345"
    with pytest.raises(BundleRefused, match="larger than 4 bytes"):
        read_file(path, most_bytes=4)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="no such file"):
        read_file(tmp_path)
