"""Both ends of ASGI in this process: a server that asks an application, and an application that answers as told."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

DISCONNECT: Message = {"type": "http.disconnect"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a client sees: status, headers in lower case, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One HTTP exchange: hands out the request's messages in turn, keeps what is sent and refuses a second start."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._messages = iter(messages)
        self._starts: list[Message] = []
        self._body = b""

    async def receive(self) -> Message:
        return next(self._messages, DISCONNECT)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            assert not self._starts, "a response starts once"
            self._starts.append(message)
        else:
            assert self._starts, "a body comes after its start"
            self._body += message.get("body", b"")

    @property
    def silent(self) -> bool:
        """True while nothing was answered."""
        return not self._starts

    def reply(self) -> Reply:
        """What was answered so far."""
        (start,) = self._starts
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Reply(status=start["status"], headers=headers, body=self._body)


async def ask(
    app: App,
    path: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),),
    messages: Iterable[Message] | None = None,
    query: str = "",
) -> Reply:
    """Ask as a server does; `messages` in place of `body` when the request does not arrive in one piece."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope: Message = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": raw,
    }
    wire = Wire([{"type": "http.request", "body": body}] if messages is None else messages)
    await app(scope, wire.receive, wire.send)
    return wire.reply()


@dataclass
class FakeApp:
    """Answers every request with this status and these pieces of body, then raises `error` if there is one."""

    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ()
    pieces: Sequence[bytes] = (b"",)
    error: Exception | None = None

    async def __call__(self, scope: Message, receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
        if self.pieces:
            await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        for place, piece in enumerate(self.pieces):
            more = place < len(self.pieces) - 1
            await send({"type": "http.response.body", "body": piece, "more_body": more})
        if self.error is not None:
            raise self.error
