"""Whether the write-ahead log of an SQLite file ends inside a transaction: looked at before SQLite repairs it.

SQLite itself goes back to the last whole transaction, which is the last that anybody was told of. The format:
https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
# The lowest bit of the magic number says in which order the checksums read their words.
MAGIC = 0x377F0682


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    order: str
    page_bytes: int
    salts: bytes
    checksum: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    end: int
    commits: bool


def torn_bytes(file: Path) -> int:
    """How many bytes at the end of this log (`...-wal`) belong to no whole transaction; 0 without a log.

    Frames of an earlier round of the log, which SQLite writes over, count for nothing. Raises OSError.
    """
    if not file.exists():
        return 0
    size = file.stat().st_size
    with file.open("rb") as opened:
        log = _read_header(opened)
        if log is None:
            return size
        whole = end = HEADER_BYTES
        for frame in _sound_frames(opened, log, size):
            end = frame.end
            whole = end if frame.commits else whole
        # What follows is torn when it is of this round; too short to tell counts as torn.
        opened.seek(end)
        salts = opened.read(FRAME_HEADER_BYTES)[8:16]
        torn = end < size and log.salts.startswith(salts)
    return (size if torn else end) - whole


def _read_header(opened: BinaryIO) -> _Log | None:
    head = opened.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        return None
    magic, _, page_bytes = struct.unpack(">III", head[:12])
    if magic & ~1 != MAGIC:
        return None
    order = ">" if magic & 1 else "<"
    told = struct.unpack(">II", head[24:])
    if _checksum(order, head[:24], (0, 0)) != told:
        return None
    return _Log(order=order, page_bytes=page_bytes, salts=head[16:24], checksum=(told[0], told[1]))


def _sound_frames(opened: BinaryIO, log: _Log, size: int) -> Iterator[_Frame]:
    frame_bytes = FRAME_HEADER_BYTES + log.page_bytes
    previous = log.checksum
    for start in range(HEADER_BYTES, size - frame_bytes + 1, frame_bytes):
        head = opened.read(FRAME_HEADER_BYTES)
        if head[8:16] != log.salts:
            return
        told = struct.unpack(">II", head[16:])
        page = opened.read(log.page_bytes)
        previous = _checksum(log.order, page, _checksum(log.order, head[:8], previous))
        if previous != told:
            return
        yield _Frame(end=start + frame_bytes, commits=head[4:8] != b"\0\0\0\0")


def _checksum(order: str, content: bytes, seed: tuple[int, int]) -> tuple[int, int]:
    # The format's loop, a step for each two words: first += even + second; second += odd + first. In closed form, for
    # a loop over every word takes a thousand times as long.
    words = np.frombuffer(content, dtype=f"{order}u4").astype(np.uint32)
    steps, seeds = _weights(len(words) // 2)
    first, second = (steps @ words) + seeds @ np.array(seed, dtype=np.uint32)
    return int(first), int(second)


@cache
def _weights(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    # By how much each word, and the checksum before, counts in the checksum after `count` steps; modulo 2**32.
    step = np.array([[1, 1], [1, 2]], dtype=np.uint32)
    word = np.array([[1, 0], [1, 1]], dtype=np.uint32)
    powers = [np.eye(2, dtype=np.uint32)]
    for _ in range(count):
        powers.append(step @ powers[-1])
    return np.hstack([power @ word for power in reversed(powers[:-1])]), powers[-1]
