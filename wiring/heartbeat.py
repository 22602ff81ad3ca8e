"""Which worker processes still turn their event loop: they beat in a small shared file, their supervisor reads it."""

import asyncio
import fcntl
import mmap
import os
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from trading.errors import OperatorNeeded

BEAT_S = 0.25
# As many processes as WORKERS allows, three times over: while they are replaced, old and new have a place.
PLACES = 256
_PREFIX = "heartbeat-"
# The process, and CLOCK_MONOTONIC in seconds, which all processes of a machine share.
_PLACE = struct.Struct("=qd")
_BEAT = struct.Struct("=d")


class Board:
    """The file of one supervisor, in memory shared with its workers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), PLACES * _PLACE.size)

    def beats(self) -> Mapping[int, float]:
        """The last beat of each process that ever took a place and has not lost it to another."""
        return {pid: beat_s for pid, beat_s in _PLACE.iter_unpack(self._map[:]) if pid}

    def join(self, pid: int) -> "Pulse":
        """Take a place. Raises OperatorNeeded when there is none."""
        with self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            for place, (holder, _) in enumerate(_PLACE.iter_unpack(self._map[:])):
                if not holder or not _lives(holder):
                    _PLACE.pack_into(self._map, place * _PLACE.size, pid, time.monotonic())
                    return Pulse(self._map, place)
        raise OperatorNeeded(f"{self.path}: more than {PLACES} processes")

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


class Pulse:
    """One process's place on the board."""

    def __init__(self, board: mmap.mmap, place: int) -> None:
        self._map = board
        self._offset = place * _PLACE.size + _PLACE.size - _BEAT.size

    def beat(self) -> None:
        """Say that this process's event loop turns."""
        _BEAT.pack_into(self._map, self._offset, time.monotonic())

    async def keep_beating(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Beat for as long as the event loop turns."""
        while True:
            self.beat()
            await sleep(BEAT_S)


def create_board(folder: Path, supervisor: int) -> Board:
    """A new file for the workers of this supervisor; those of supervisors that are gone are removed.

    Raises OperatorNeeded where it cannot be written.
    """
    path = folder / f"{_PREFIX}{supervisor}"
    try:
        for other in folder.glob(f"{_PREFIX}*"):
            pid = other.name.removeprefix(_PREFIX)
            if pid.isdigit() and not _lives(int(pid)):
                other.unlink(missing_ok=True)
        path.write_bytes(bytes(PLACES * _PLACE.size))
        return Board(path)
    except OSError as error:
        raise OperatorNeeded(f"{path}: {error.strerror}") from error


def open_board(folder: Path, supervisor: int) -> Board:
    """The file of this supervisor. Raises OperatorNeeded when it has none: it is gone, or never was one."""
    try:
        return Board(folder / f"{_PREFIX}{supervisor}")
    except FileNotFoundError:
        raise OperatorNeeded("this worker has no supervisor: start the service with `bentoml serve`") from None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
