"""How an answer leaves: JSON under our headers, every error in the one shape."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

from routes.asgi import Send
from routes.errors import ERRORS, RETRY_AFTER_S, Rejected, error_body


class CountsErrors(Protocol):
    """Told of every error that is answered."""

    def rejected(self, code: str) -> None:
        """One request was answered with this code."""


async def send_error(
    send: Send, rejected: Rejected, request_id: str, observer: CountsErrors | None, *, allow: bytes = b"POST"
) -> None:
    """Answer with an error of the closed list; `allow` names the methods of a route that does not take this one."""
    status, _ = ERRORS[rejected.code]
    if observer is not None:
        observer.rejected(rejected.code)
    extra = [(b"x-error-code", rejected.code.encode())]
    if status in (429, 503):
        extra.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    if status == 405:
        extra.append((b"allow", allow))
    if status == 413:
        extra.append((b"connection", b"close"))
    await send_json(send, status, error_body(rejected, request_id), request_id, extra)


async def send_json(
    send: Send, status: int, body: bytes, request_id: str, extra: list[tuple[bytes, bytes]] | None = None
) -> None:
    """Answer with a JSON body."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        *(extra or ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def closing(send: Send) -> Send:
    """The same, but the client is asked to make another connection for its next request."""

    async def send_and_close(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return send_and_close


_CODES_BY_STATUS: Mapping[int, str] = {
    404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type",
    422: "invalid_field", 429: "too_many_requests", 503: "not_ready",
}  # fmt: skip


class Outgoing:
    """What an application behind the door sends: a foreign error is replaced by ours, its body swallowed."""

    def __init__(self, send: Send, request_id: str, observer: CountsErrors | None) -> None:
        self.begun = False
        self._send = send
        self._request_id = request_id
        self._observer = observer
        self._replaced = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """One ASGI message."""
        self.begun = True
        if message["type"] == "http.response.start" and message["status"] >= 400:
            headers = {name.lower(): value for name, value in message.get("headers", ())}
            if b"x-error-code" not in headers:
                self._replaced = True
                default = "malformed_json" if message["status"] < 500 else "internal"
                rejected = Rejected(_CODES_BY_STATUS.get(message["status"], default))
                allow = headers.get(b"allow", b"")
                await send_error(self._send, rejected, self._request_id, self._observer, allow=allow)
                return
        if not self._replaced:
            await self._send(message)
