"""Where batches of decisions wait on this machine's disk while the store is away: frames with checksums in one file."""

import fcntl
import logging
import os
import secrets
import struct
import threading
import zlib
from collections import deque
from pathlib import Path

from trading.errors import StoreUnavailable

log = logging.getLogger("rl_service.journal")

# Begins a frame and names the version of what is in it; then come the length and the CRC-32 of what follows.
_MAGIC, _MARK = b"RLJ1", b"RLJ"
_HEADER = struct.Struct(">4sII")
SUFFIX = ".journal"
# Files for a human: with a damaged frame in their midst, or with what the database refuses.
DAMAGED, REFUSED = ".damaged", ".refused"
MOST_BYTES = 256 * 1024 * 1024


class SpoolFile:
    """One file of frames, held by a lock of the kernel while its owner lives. Blocking; not for two threads at once."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file
        self._frames, self.damaged = _find_frames(file)
        self.waiting_bytes = sum(length for _, length in self._frames)
        self._end = sum(self._frames[-1]) if self._frames else 0
        self.torn = self.damaged or os.fstat(file).st_size > self._end

    @property
    def size_bytes(self) -> int:
        """What it takes of the disk."""
        return self._end

    def mend(self) -> None:
        """Cut off what is no whole frame. Raises OSError."""
        os.ftruncate(self._file, self._end)
        os.fsync(self._file)

    def set_aside(self) -> None:
        """Keep it under another name, whatever is taken from it. Raises OSError."""
        self.damaged = True
        aside = self.path.with_suffix(DAMAGED)
        self.path.rename(aside)
        self.path = aside

    def append(self, batch: bytes) -> None:
        """Durable when it returns; all of it or nothing. Raises OSError."""
        frame = _HEADER.pack(_MAGIC, len(batch), zlib.crc32(batch)) + batch
        try:
            written = 0
            while written < len(frame):  # a disk that fills up takes a part, and fails the next write
                written += os.pwrite(self._file, frame[written:], self._end + written)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._frames.append((self._end, len(frame)))
        self._end += len(frame)
        self.waiting_bytes += len(frame)

    def first(self) -> bytes | None:
        """The oldest batch that is not taken yet; None when somebody else changed it. Raises OSError."""
        offset, length = self._frames[0]
        return _read_frame(os.pread(self._file, length, offset))

    def take(self) -> None:
        """The oldest batch is in the store; with the last one gone the file is empty again. Raises OSError."""
        _, length = self._frames.popleft()
        self.waiting_bytes -= length
        if not self._frames and not self.damaged:
            os.ftruncate(self._file, 0)
            self._end = 0

    def close(self) -> None:
        """Let go of it; it stays for another process if something waits in it."""
        if not self.waiting_bytes and not self.damaged:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def _read_frame(content: bytes) -> bytes | None:
    if len(content) < _HEADER.size:
        return None
    magic, length, checksum = _HEADER.unpack_from(content)
    batch = content[_HEADER.size : _HEADER.size + length]
    return batch if magic == _MAGIC and len(batch) == length and zlib.crc32(batch) == checksum else None


def _find_frames(file: int) -> tuple[deque[tuple[int, int]], bool]:
    """Where the whole frames are and how long, and whether there is, or may be, one behind what is none."""
    frames: deque[tuple[int, int]] = deque()
    offset, size, damaged = 0, os.fstat(file).st_size, False
    while offset < size:
        header = os.pread(file, _HEADER.size, offset)
        length = _HEADER.unpack(header)[1] if len(header) == _HEADER.size else 0
        batch = _read_frame(header + os.pread(file, min(length, MOST_BYTES), offset + _HEADER.size))
        if batch is not None:
            frames.append((offset, _HEADER.size + len(batch)))
            offset += frames[-1][1]
            continue
        # Killed in the middle of a write nothing of ours follows; of another version it is not ours to cut off.
        following = _find_magic(file, offset + 1, size)
        damaged |= following is not None or (header.startswith(_MARK) and not header.startswith(_MAGIC))
        offset = size if following is None else following
    return frames, damaged


def _find_magic(file: int, offset: int, size: int) -> int | None:
    found = os.pread(file, size - offset, offset).find(_MAGIC)
    return None if found < 0 else offset + found


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
                while (file := self._oldest()) is not None:
                    batch = file.first()
                    if batch is not None:
                        return batch
                    self._set_aside(file)
                    self._take(file)
                return None
            except OSError as error:
                raise StoreUnavailable(f"spool {self._directory}: {error.strerror}") from error

    def take(self) -> None:
        """What `first` returned is in the store. Raises StoreUnavailable."""
        with self._lock:
            try:
                file = self._oldest()
                if file is not None:
                    self._take(file)
            except OSError as error:
                raise StoreUnavailable(f"spool {self._directory}: {error.strerror}") from error

    def set_aside(self, batch: bytes) -> Path:
        """Keep what the database refuses, for a human; the file that has it now. Raises StoreUnavailable."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            path = self._directory / f"{os.getpid()}-{secrets.token_hex(4)}{REFUSED}"
            with path.open("xb") as file:
                file.write(batch)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreUnavailable(f"spool {self._directory}: {error.strerror}") from error
        return path

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
        own = [] if self._own is None else [self._own]
        return next((file for file in [*self._adopted, *own] if file.waiting_bytes), None)

    def _take(self, file: SpoolFile) -> None:
        file.take()
        if file in self._adopted and not file.waiting_bytes:
            self._adopted.remove(file)
            file.close()

    def _set_aside(self, file: SpoolFile) -> None:
        if not file.damaged:
            file.set_aside()
            self.torn += 1
            log.error("spool %s is damaged: what cannot be read of it is lost to the store", file.path)
        if file is self._own:
            self._own = None
            self._adopted.append(file)

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
        if file.damaged:
            file.damaged = False
            self._set_aside(file)
        elif file.torn:
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
