"""What processes counted that are gone: one file a kind, so that files do not pile up and no counter ever falls."""

import fcntl
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from prometheus_client.mmap_dict import MmapedDict

ADDED_UP = ("counter", "histogram", "summary")
LOCK = "lock"
# Who waits for the lock holds this meanwhile, so that readers who come later wait as well.
TURN = "turn"
# How long those who read when a burial is due may take to end; one who is stopped would hold it up for ever.
PATIENCE_S = 0.1
_TRY_S = 0.001


@contextmanager
def undisturbed(folder: Path) -> Iterator[None]:
    """Read the files of a folder while none of them is buried."""
    with (folder / LOCK).open("a") as file:
        with (folder / TURN).open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_SH)
            fcntl.flock(file, fcntl.LOCK_SH)
        yield


def bury(folder: Path, pid: int) -> bool:
    """Add what a dead process counted to what all dead ones counted, and remove its files.

    False, to be tried again: there is no space, or a reader is not done within PATIENCE_S seconds. A gauge of a process
    that is gone says nothing: it goes.
    """
    try:
        with (folder / TURN).open("a") as turn, (folder / LOCK).open("a") as file:
            if not (_alone(turn) and _alone(file)):
                return False
            for kind in ADDED_UP:
                with suppress(FileNotFoundError):
                    _add(folder / f"{kind}_{pid}.db", folder / f"{kind}_dead.db")
            for path in folder.glob(f"gauge_*_{pid}.db"):
                path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _alone(file: IO[str]) -> bool:
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until_s:
                return False
            time.sleep(_TRY_S)
        else:
            return True


def _add(counted: Path, dead: Path) -> None:
    totals = {key: value for key, value, *_ in MmapedDict.read_all_values_from_file(counted)}  # type: ignore[no-untyped-call]
    if dead.exists():
        for key, value, *_ in MmapedDict.read_all_values_from_file(dead):  # type: ignore[no-untyped-call]
            totals[key] = totals.get(key, 0.0) + value
    # A name that readers do not look for until it is whole. Written as any file is: what the client writes to is a
    # mapping, and where a full disk has no page for one the process is killed.
    new = dead.with_suffix(".new")
    try:
        new.write_bytes(_packed(totals))
    except OSError:
        new.unlink(missing_ok=True)
        raise
    new.replace(dead)
    counted.unlink()


def _packed(totals: Mapping[str, float]) -> bytes:
    # The format of prometheus_client.mmap_dict: bytes used, then of each key its length, itself up to a multiple of
    # eight bytes, value and time.
    entries = []
    for key, value in totals.items():
        encoded = key.encode()
        padded = encoded + b" " * (8 - (len(encoded) + 4) % 8)
        entries.append(struct.pack(f"i{len(padded)}sdd", len(encoded), padded, value, 0.0))
    body = b"".join(entries)
    return struct.pack("ii", 8 + len(body), 0) + body
