"""How messages lie on a Unix socket between two workers: length, kind, body."""

import struct
from enum import Enum

# A decision is about 1 KB. Whoever announces more than this speaks something else.
MAX_FRAME_BYTES = 256 * 1024

_HEAD = struct.Struct("!Ic")
_TOPIC_LENGTH = struct.Struct("!H")


class Kind(Enum):
    """What a frame says: the first two go to the worker that publishes, the last to the one that listens."""

    LISTEN = b"+"
    IGNORE = b"-"
    MESSAGE = b"m"


def frame(kind: Kind, body: bytes) -> bytes:
    """One frame. Raises ValueError for a body above MAX_FRAME_BYTES."""
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(body)} bytes")
    return _HEAD.pack(len(body), kind.value) + body


def pack(topic: str, message: bytes) -> bytes:
    """A topic and a message as one body. Raises ValueError for a topic above 65,535 bytes."""
    name = topic.encode()
    if len(name) > 0xFFFF:
        raise ValueError(f"a topic of {len(name)} bytes")
    return _TOPIC_LENGTH.pack(len(name)) + name + message


def unpack(body: bytes) -> tuple[str, bytes]:
    """What was packed. Raises ValueError for what cannot have been."""
    if len(body) < _TOPIC_LENGTH.size:
        raise ValueError("no topic")
    start = _TOPIC_LENGTH.size
    end = start + _TOPIC_LENGTH.unpack_from(body)[0]
    if len(body) < end:
        raise ValueError("a topic that is cut off")
    return body[start:end].decode(), body[end:]


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, received: bytes) -> list[tuple[Kind, bytes]]:
        """The frames that are complete now. Raises ValueError for what is no frame; the stream is lost then."""
        self._rest += received
        complete = []
        start = 0
        while len(self._rest) - start >= _HEAD.size:
            length, kind = _HEAD.unpack_from(self._rest, start)
            if length > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {length} bytes is announced")
            known = Kind(kind)
            end = start + _HEAD.size + length
            if len(self._rest) < end:
                break
            complete.append((known, bytes(self._rest[start + _HEAD.size : end])))
            start = end
        del self._rest[:start]
        return complete
