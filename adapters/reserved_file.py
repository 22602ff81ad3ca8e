"""Where a process counts so that a full disk does not kill it: a mapping whose pages exist before they are written."""

import logging
import mmap
import os
from pathlib import Path

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

log = logging.getLogger("rl_service.metrics")

# Some two hundred counters; a file that has no room for another grows by its own size.
FIRST_BYTES = 64 * 1024
# What an entry has beyond its key at most: length, padding, value and time.
_BESIDE_KEY_BYTES = 32


class ReservedFile(MmapedDict):
    """The client's file of counters, for those who go on without when there is no space.

    The client maps a sparse file, and the kernel kills with SIGBUS who writes to a page that the disk cannot hold.
    Where no space can be had this process counts in memory of its own; nobody is shown what it counts from then on.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        try:
            _reserve_new(Path(filename))
        except OSError as error:
            log.warning("nobody sees what this process counts: %s: %s", filename, error.strerror)
            # Closed with the process.
            filename = f"/proc/self/fd/{os.memfd_create('metrics')}"
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        needed = self._used + len(key.encode()) + _BESIDE_KEY_BYTES
        while needed > self._capacity:
            self._grow()
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grow(self) -> None:
        capacity = 2 * self._capacity
        try:
            os.posix_fallocate(self._f.fileno(), 0, capacity)
        except OSError as error:
            log.warning("nobody sees what this process counts from now on: %s: %s", self._fname, error.strerror)
            grown = mmap.mmap(-1, capacity)
            grown[: self._used] = self._m[: self._used]
        else:
            grown = mmap.mmap(self._f.fileno(), capacity)
        self._m = grown
        self._capacity = capacity


def _reserve_new(path: Path) -> None:
    if path.exists():
        return
    # Under a name that nobody reads until it is whole.
    new = path.with_suffix(".new")
    try:
        with new.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, FIRST_BYTES)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    new.rename(path)


def use_reserved_files() -> None:
    """Have the Prometheus client count in such files; before its first metric is made."""
    values.MmapedDict = ReservedFile  # type: ignore[attr-defined] # where the client looks it up
