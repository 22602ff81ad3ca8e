"""Zip files from people we do not trust: read in memory, never unpacked, every size bounded before it is believed."""

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from rl_models.quoting import brief
from trading.errors import BundleRefused

MOST_MEMBERS = 4096
LARGEST_MEMBER_BYTES = 64 * 2**20
LARGEST_ARCHIVE_BYTES = 256 * 2**20


def read_file(path: Path, *, most_bytes: int = LARGEST_ARCHIVE_BYTES) -> bytes:
    """The bytes of a file of at most `most_bytes`. Raises BundleRefused when it is larger or not a regular file."""
    if not path.is_file():
        raise BundleRefused(f"{path.name}: no such file")
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise BundleRefused(f"{path.name}: larger than {most_bytes} bytes")
    return content


def read_members(content: bytes, wanted: Callable[[str], bool], where: str) -> dict[str, bytes]:
    """Name to bytes of the wanted members of a zip file.

    Raises BundleRefused when the file is damaged, encrypted or has too many members, when any name is absolute, climbs
    with `..` or is given twice, or when the wanted members are together larger than 64 MiB.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_names([member.filename for member in members], where)
            found: dict[str, bytes] = {}
            left = LARGEST_MEMBER_BYTES
            for member in members:
                if wanted(member.filename):
                    found[member.filename] = _read(archive, member, left, where)
                    left -= len(found[member.filename])
            return found
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise BundleRefused(f"{where}: not a readable zip file: {brief(error)}") from error


def _check_names(names: list[str], where: str) -> None:
    if len(names) > MOST_MEMBERS:
        raise BundleRefused(f"{where}: more than {MOST_MEMBERS} members")
    if len(set(names)) != len(names):
        raise BundleRefused(f"{where}: a member is given twice")
    for name in names:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in PurePosixPath(name).parts:
            raise BundleRefused(f"{where}: the member {brief(name)!r} points outside of the archive")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most_bytes: int, where: str) -> bytes:
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise BundleRefused(f"{where}: {brief(member.filename)} is compressed in an unusual way")
    # A bounded read: the decompressor otherwise believes the data over the size that the header declares.
    with archive.open(member) as file:
        content = file.read(min(member.file_size, most_bytes) + 1)
    if len(content) > most_bytes:
        raise BundleRefused(f"{where}: more than {LARGEST_MEMBER_BYTES} bytes when unpacked")
    return content
