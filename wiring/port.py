"""How a port that several processes listen on is closed without losing anybody whom it let in."""

import ctypes
import socket
import struct

# linux/filter.h and asm-generic/socket.h; Python has no names for them.
_SO_ATTACH_FILTER = 26
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_FLAGS_OF_TCP, _SYN, _WHOLE_PACKET = 13, 0x02, 0xFFFFFFFF


def turn_away(port: socket.socket) -> None:
    """Leave every new handshake unanswered; connections that were made before can still be accepted.

    A client that comes now asks again a second later, and is refused once the port is shut. Raises OSError where the
    kernel takes no filter.
    """
    program = b"".join(
        struct.pack("=HBBI", *step)
        for step in (
            (_LOAD_BYTE, 0, 0, _FLAGS_OF_TCP),
            (_JUMP_IF_SET, 0, 1, _SYN),
            (_RETURN, 0, 0, 0),
            (_RETURN, 0, 0, _WHOLE_PACKET),
        )
    )
    steps = ctypes.create_string_buffer(program, len(program))
    port.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, ctypes.addressof(steps)))


def shut(port: socket.socket) -> None:
    """Refuse every new connection, for all processes at once; one that nobody has accepted yet is reset."""
    port.shutdown(socket.SHUT_RDWR)
