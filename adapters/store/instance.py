"""One instance a folder: a second service on the same DATA_DIR refuses to start."""

import fcntl
import os
from pathlib import Path

from trading.errors import StoreRefused

LOCK_FILE = "instance.lock"


class Instance:
    """Holds a folder for one service while its process lives; the kernel lets go of it, also after kill -9."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_FILE
        self._file: int | None = None

    def claim(self) -> None:
        """Take the folder. Raises StoreRefused when another process holds it."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreRefused(f"DATA_DIR {self._path.parent}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(file, 32, 0).decode(errors="replace").strip()
            os.close(file)
            raise StoreRefused(
                f"DATA_DIR {self._path.parent} is in use by process {holder or '?'}; "
                "stop that one, or give this one another DATA_DIR"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Let go of the folder."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
