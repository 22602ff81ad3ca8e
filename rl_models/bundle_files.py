"""The directory of a bundle: which files it holds, their checksums, and how it appears at once or not at all."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from trading.errors import BundleRefused

MANIFEST_FILE = "manifest.json"
NETWORK_FILE = "policy.onnx"
CHECKSUM_FILE = "SHA256SUMS"
LARGEST_FILE_BYTES = 64 * 1024 * 1024


def read_files(path: Path) -> dict[str, bytes]:
    """Every file of a bundle's directory, the checksum file included, as the bytes whose checksums were verified.

    Raises BundleRefused for anything but plain files of this bundle alone: a directory, a symbolic or hard link, a
    file that is too large, not listed, listed but absent, or changed.
    """
    if not path.is_dir():
        raise BundleRefused(f"{path}: no such bundle")
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise BundleRefused(f"{path}: cannot be listed: {error.strerror}") from error
    found = {name: _read_plain(path / name) for name in names}
    if CHECKSUM_FILE not in found:
        raise BundleRefused(f"{path}: no {CHECKSUM_FILE}")
    listed = _parse_checksums(found[CHECKSUM_FILE], path)
    if listed.keys() != found.keys() - {CHECKSUM_FILE}:
        differing = sorted(listed.keys() ^ (found.keys() - {CHECKSUM_FILE}))
        raise BundleRefused(f"{path}: files and {CHECKSUM_FILE} differ in {differing}")
    for name, digest in listed.items():
        if sha256_hex(found[name]) != digest:
            raise BundleRefused(f"{path}: {name} is damaged or was changed (its SHA-256 is not the listed one)")
    return found


def checksums(files: Mapping[str, bytes]) -> bytes:
    """The SHA256SUMS content for these files, as `sha256sum -c` reads it."""
    return "".join(f"{sha256_hex(content)}  {name}\n" for name, content in sorted(files.items())).encode()


def bundle_digest(checksum_file: bytes) -> str:
    """The digest that names a bundle: `sha256:` and the SHA-256 of its SHA256SUMS file."""
    return f"sha256:{sha256_hex(checksum_file)}"


def sha256_hex(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def place_files(path: Path, files: Mapping[str, bytes]) -> None:
    """Makes the directory `path` with exactly these files: complete or not there, whenever the machine stops.

    The same files at `path` already are left alone. Raises BundleRefused when others are there.
    """
    if path.exists():
        if read_files(path) != dict(files):
            raise BundleRefused(f"{path}: another bundle has this name and version; give a new version")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=path.parent))
    try:
        for name, content in files.items():
            _write_synced(draft / name, content)
        draft.chmod(0o755)
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _read_plain(file: Path) -> bytes:
    try:
        opened = open(file, "rb", opener=_open_itself)  # noqa: SIM115 - closed by the `with` below
    except OSError as error:
        raise BundleRefused(f"{file}: cannot be opened as a plain file: {error.strerror}") from error
    with opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise BundleRefused(f"{file}: not a plain file")
        if status.st_nlink != 1:
            raise BundleRefused(f"{file}: has a second name (hard link)")
        content = opened.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise BundleRefused(f"{file}: larger than {LARGEST_FILE_BYTES} bytes")
    return content


def _open_itself(file: str, flags: int) -> int:
    return os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _write_synced(file: Path, content: bytes) -> None:
    with file.open("xb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    file.chmod(0o644)


def _parse_checksums(content: bytes, path: Path) -> dict[str, str]:
    listed: dict[str, str] = {}
    for line in content.decode("ascii", "replace").splitlines():
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64 or name in listed:
            raise BundleRefused(f"{path}: {CHECKSUM_FILE} is not in the form of sha256sum")
        listed[name] = digest
    return listed
