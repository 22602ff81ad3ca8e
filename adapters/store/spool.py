"""Where batches of decisions wait on this machine's disk while the store is away: frames with checksums in one file."""

import errno
import fcntl
import logging
import os
import secrets
import struct
import threading
import zlib
from pathlib import Path

from trading.errors import StoreUnavailable

log = logging.getLogger("rl_service.journal")

# Length and CRC-32 of what follows; a length of 0 is never written, so zeros are no frame.
_HEADER = struct.Struct(">II")
SUFFIX = ".journal"
MOST_BYTES = 256 * 1024 * 1024


class SpoolFile:
    """One file of frames, held by a lock of the kernel while its owner lives. Blocking; not for two threads at once."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file
        self._start = 0
        self._end = _whole_bytes(file)
        self.torn = os.fstat(file).st_size > self._end

    @property
    def waiting_bytes(self) -> int:
        """What is not taken yet."""
        return self._end - self._start

    @property
    def size_bytes(self) -> int:
        """What it takes of the disk."""
        return self._end

    def mend(self) -> None:
        """Cut off what is no whole frame. Raises OSError."""
        os.ftruncate(self._file, self._end)
        os.fsync(self._file)

    def append(self, batch: bytes) -> None:
        """Durable when it returns; all of it or nothing. Raises OSError."""
        frame = _HEADER.pack(len(batch), zlib.crc32(batch)) + batch
        try:
            written = 0
            while written < len(frame):  # a disk that fills up takes a part, and fails the next write
                written += os.pwrite(self._file, frame[written:], self._end + written)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(frame)

    def first(self) -> bytes | None:
        """The oldest batch that is not taken yet. Raises OSError, also when somebody else changed the file."""
        if self._start == self._end:
            return None
        batch = _read_frame(self._file, self._start)
        if batch is None:
            self.torn = True
            self._end = self._start
            raise OSError(errno.EIO, "damaged while it was in use")
        return batch

    def take(self) -> None:
        """The oldest batch is in the store; with the last one gone the file is empty again. Raises OSError."""
        length, _ = _HEADER.unpack(os.pread(self._file, _HEADER.size, self._start))
        self._start += _HEADER.size + length
        if self._start == self._end:
            os.ftruncate(self._file, 0)
            self._start = self._end = 0

    def close(self) -> None:
        """Let go of it; it stays for another process if something waits in it."""
        if not self.waiting_bytes:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def _read_frame(file: int, offset: int) -> bytes | None:
    header = os.pread(file, _HEADER.size, offset)
    if len(header) < _HEADER.size:
        return None
    length, checksum = _HEADER.unpack(header)
    if not 0 < length <= MOST_BYTES:
        return None
    batch = os.pread(file, length, offset + _HEADER.size)
    return batch if len(batch) == length and zlib.crc32(batch) == checksum else None


def _whole_bytes(file: int) -> int:
    end = 0
    while (batch := _read_frame(file, end)) is not None:
        end += _HEADER.size + len(batch)
    return end


def _hold(path: Path, flags: int) -> int | None:
    """The open file under its lock; None when a living process holds it, or it is gone. Raises OSError."""
    try:
        file = os.open(path, flags | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, FileExistsError):
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    if os.fstat(file).st_nlink == 0:  # another process emptied and removed it in between
        os.close(file)
        return None
    return file


class Spool:
    """This process's file, made when it is first needed, and those it took over from processes that died. Blocking."""

    def __init__(self, directory: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._own: SpoolFile | None = None
        self._adopted: list[SpoolFile] = []
        self.torn = 0

    @property
    def waiting_bytes(self) -> int:
        """What this process has yet to bring into the store."""
        own = self._own
        return sum(file.waiting_bytes for file in list(self._adopted)) + (own.waiting_bytes if own else 0)

    def append(self, batch: bytes) -> None:
        """Keep a batch; durable when it returns. Raises StoreUnavailable when the disk or the bound is full."""
        with self._lock:
            try:
                if self._own is None:
                    self._own = self._create()
                if self._own.size_bytes + len(batch) > self._most_bytes:
                    raise StoreUnavailable(f"the spool holds {self._most_bytes} bytes, as many as it may")
                self._own.append(batch)
            except OSError as error:
                raise StoreUnavailable(f"spool {self._directory}: {error.strerror}") from error

    def first(self) -> bytes | None:
        """The batch to bring into the store next, None when there is none. Raises StoreUnavailable."""
        with self._lock:
            try:
                file = self._oldest()
                return None if file is None else file.first()
            except OSError as error:
                raise StoreUnavailable(f"spool {self._directory}: {error.strerror}") from error

    def take(self) -> None:
        """What `first` returned is in the store. Raises StoreUnavailable."""
        with self._lock:
            try:
                file = self._oldest()
                if file is None:
                    return
                file.take()
                if file in self._adopted and not file.waiting_bytes:
                    self._adopted.remove(file)
                    file.close()
            except OSError as error:
                raise StoreUnavailable(f"spool {self._directory}: {error.strerror}") from error

    def adopt(self) -> None:
        """Take over the files of processes that died. Raises StoreUnavailable."""
        with self._lock:
            try:
                for path in sorted(self._directory.glob("*" + SUFFIX)):
                    if self._own is None or path != self._own.path:
                        self._adopt(path)
            except OSError as error:
                raise StoreUnavailable(f"spool {self._directory}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of every file; what waits in them is for the next process."""
        with self._lock:
            for file in [*self._adopted, *([self._own] if self._own else [])]:
                file.close()
            self._adopted, self._own = [], None

    def _oldest(self) -> SpoolFile | None:
        return next((file for file in self._adopted if file.waiting_bytes), self._own)

    def _create(self) -> SpoolFile:
        self._directory.mkdir(parents=True, exist_ok=True)
        while True:
            path = self._directory / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
            file = _hold(path, os.O_CREAT | os.O_EXCL)
            if file is not None:
                break
        _sync_directory(self._directory)
        return SpoolFile(path, file)

    def _adopt(self, path: Path) -> None:
        held = _hold(path, 0)
        if held is None:
            return
        file = SpoolFile(path, held)
        if file.torn:
            self.torn += 1
            log.warning("spool %s ended in the middle of a write: cut back to its last whole batch", path.name)
            file.mend()
        if file.waiting_bytes:
            self._adopted.append(file)
        else:
            file.close()


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
