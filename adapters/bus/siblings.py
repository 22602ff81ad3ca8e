"""Where the workers of one DATA_DIR find each other: their Unix sockets in one directory."""

import hashlib
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from trading.errors import OperatorNeeded

_LISTENING = ".sock"
# Bound but not listening yet: refuses like the socket of a dead worker, so it has a name nobody connects to.
_UNFINISHED = ".new"


class SiblingSockets:
    """The sockets in `directory`: our own and those of our siblings. `open` first, `close` last.

    They are reached through the open directory: a path below /proc/self/fd is short however long DATA_DIR is, and the
    address of a Unix socket has room for 107 bytes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._folder = -1

    def open(self) -> socket.socket:
        """Our own socket, bound; once it listens, `announce` it. The directory is made, for this user alone.

        Raises OperatorNeeded where that is not possible.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._directory.chmod(0o700)
            self._folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
            own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            own.bind(self._path(self._name + _UNFINISHED))
        except OSError as error:
            raise OperatorNeeded(f"{self._directory}: {error.strerror}") from error
        return own

    def announce(self) -> None:
        """Let the siblings see our socket."""
        os.rename(self._name + _UNFINISHED, self._name + _LISTENING, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def names(self) -> list[str]:
        """The siblings whose sockets are there now; what a worker left that died before it listened is removed."""
        found = []
        for name in os.listdir(self._folder):
            if name.endswith(_UNFINISHED) and not Path("/proc", name.partition("-")[0]).exists():
                self._remove(name)
            elif name.endswith(_LISTENING) and name != self._name + _LISTENING:
                found.append(name)
        return found

    def connect(self, name: str) -> socket.socket | None:
        """A connection to a sibling, without waiting; None when it is dead (its socket is removed) or too busy."""
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            ours.connect(self._path(name))
        except ConnectionRefusedError:
            self._remove(name)
        except (BlockingIOError, FileNotFoundError):
            pass  # its backlog is full, or it has just left: the next look tells
        except OSError:
            ours.close()
            raise
        else:
            return ours
        ours.close()
        return None

    def replica_id(self) -> str:
        """Names this directory among those of all machines, the same for every sibling: 16 hexadecimal digits."""
        status = os.fstat(self._folder)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return hashlib.sha256(f"{boot}:{socket.gethostname()}:{status.st_dev}:{status.st_ino}".encode()).hexdigest()[
            :16
        ]

    def close(self) -> None:
        """Remove our socket."""
        if self._folder >= 0:
            self._remove(self._name + _LISTENING)
            self._remove(self._name + _UNFINISHED)
            os.close(self._folder)
            self._folder = -1

    def _path(self, name: str) -> str:
        return f"/proc/self/fd/{self._folder}/{name}"

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):  # another sibling was faster
            os.unlink(name, dir_fd=self._folder)
