"""Clients of a WebSocket: one without a server, in this process, and one that misbehaves on a real connection."""

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from typing import Any

from tests.fakes.asgi import App, Message
from tests.fakes.waiting import eventually


class RawSocket:
    """A client of a real server on loopback that reads only when told to."""

    def __init__(self, port: int, path: str, *, receive_buffer_bytes: int = 4096) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.settimeout(20.0)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._socket.recv(1)
        self.status = int(head.split()[1])

    def send_frame(self, opcode: int, body: bytes, *, final: bool = True) -> None:
        """One frame, masked with zeros. Raises OSError once the server has ended the connection."""
        length = len(body)
        size = bytes([0x80 | length]) if length < 126 else b"\xff" + length.to_bytes(8, "big")
        self._socket.sendall(bytes([(0x80 if final else 0) | opcode]) + size + bytes(4) + body)

    def read_all(self) -> bytes:
        """Every byte until the server ends the connection."""
        received = b""
        try:
            while chunk := self._socket.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received

    def close(self) -> None:
        self._socket.close()


class FakeSocket:
    """Connects to an application as uvicorn does. While `reads` is unset nothing that is sent is taken."""

    def __init__(
        self,
        app: App,
        path: str,
        *,
        headers: Sequence[tuple[bytes, bytes]] = (),
        answers_http: bool = True,
    ) -> None:
        self.sent: list[Message] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._scope: Message = {"type": "websocket", "path": path, "headers": list(headers)}
        if answers_http:
            self._scope["extensions"] = {"websocket.http.response": {}}
        self._app = app
        self._taken = 0

    async def __aenter__(self) -> "FakeSocket":
        self._incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(self._app(self._scope, self._incoming.get, self._send))
        await eventually(lambda: self.sent or self.task.done())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        await asyncio.wait_for(self.task, 10.0)

    async def _send(self, message: Message) -> None:
        if message["type"] == "websocket.send":
            await self.reads.wait()
        self.sent.append(message)

    @property
    def accepted(self) -> bool:
        return self.sent[0]["type"] == "websocket.accept"

    @property
    def closed_with(self) -> int | None:
        """The code of the close, None while it is open."""
        last = self.sent[-1]
        return int(last["code"]) if last["type"] == "websocket.close" else None

    def say(self, message: object) -> None:
        """Send this as JSON text."""
        self.say_raw(json.dumps(message))

    def say_raw(self, text: str) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def say_bytes(self, data: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})

    def frames(self) -> list[Any]:
        """Every frame so far, read."""
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    async def hear(self, matches: Callable[[Any], object] = lambda frame: True) -> Any:
        """The next frame, which must match."""
        await eventually(lambda: len(self.frames()) > self._taken)
        frame = self.frames()[self._taken]
        self._taken += 1
        assert matches(frame), frame
        return frame
