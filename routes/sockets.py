"""The WebSockets of a worker: who may open one, what a message is answered with, what is pushed."""

import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from routes.asgi import Receive, Scope, Send
from routes.door import MAX_BODY_BYTES, request_id_var
from routes.errors import ERRORS, RETRY_AFTER_S, Rejected, error_body, rejected_for
from routes.open_socket import GOING_AWAY, HEARTBEAT_S, Answered, OpenSocket
from routes.room import Endpoint, Room
from routes.validation import parse
from schemas.predictions import PredictRequest
from trading.errors import ServiceError
from trading.ports import Bus
from trading.topics import topic_of

log = logging.getLogger("rl_service.sockets")

PREFIX = "/ws/predictions/"
CLIENT_REF_MAX_LENGTH = 64


class Sockets:
    """The ASGI application of `/ws/predictions/{user_id}`, as routes.room.Room has it.

    A message is the body of a prediction, answered by `endpoint` within the room's places, one at a time per socket; an
    open socket takes no place. Every decision published on the user's topic, as the JSON of a PredictResponse, is
    pushed. A page of another site cannot open one: its Origin must be this host, or in `origins`.
    """

    def __init__(
        self,
        room: Room,
        endpoint: Endpoint,
        bus: Bus,
        *,
        max_sockets: int,
        origins: frozenset[str] = frozenset(),
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._room = room
        self._endpoint = endpoint
        self._bus = bus
        self._max_sockets = max_sockets
        self._origins = origins
        self._heartbeat_s = heartbeat_s
        self._user_id: TypeAdapter[str] = TypeAdapter(Annotated[str, PredictRequest.model_fields["user_id"]])
        self._open: set[OpenSocket] = set()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def drain(self) -> None:
        """End every socket with 1012, each once its message is answered and what waits is sent, or after 2 s."""
        for socket in self._open:
            socket.end(GOING_AWAY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One WebSocket from handshake to end."""
        await receive()
        try:
            user_id = self._admit(scope)
        except Rejected as rejected:
            await _refuse(scope, send, rejected, self._room.ids.make())
            return
        socket = OpenSocket(receive, send, heartbeat_s=self._heartbeat_s)
        self._open.add(socket)
        # Before the client can know that it is connected: from then on it misses nothing of this worker.
        unsubscribe = self._bus.subscribe(topic_of(user_id), socket.push)
        try:
            await send({"type": "websocket.accept"})
            await socket.run(lambda message: self._answer(user_id, message))
        except OSError:
            pass  # the client left during the handshake
        finally:
            unsubscribe()
            self._open.discard(socket)

    def _admit(self, scope: Scope) -> str:
        if not scope["path"].startswith(PREFIX):
            raise Rejected("not_found")
        try:
            user_id = self._user_id.validate_python(scope["path"].removeprefix(PREFIX), strict=True)
        except ValidationError:
            raise Rejected("not_found") from None
        if not self._same_site(scope):
            raise Rejected("not_found")
        if len(self._open) >= self._max_sockets:
            raise Rejected("too_many_requests")
        return user_id

    def _same_site(self, scope: Scope) -> bool:
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is None:
            return True  # no browser
        site = re.sub(rb"^https?://", b"", origin)
        return (site != origin and site == headers.get(b"host")) or origin.decode("latin-1") in self._origins

    async def _answer(self, user_id: str, message: MutableMapping[str, Any]) -> Answered:
        request_id = self._room.ids.make()
        request_id_var.set(request_id)
        ref: dict[str, str] = {}
        try:
            fields = _fields(message, user_id, ref)
            decision = await self._decide(fields)
            return Answered(frame=_frame(b"decision", decision, ref), decision=decision)
        except Rejected as rejected:
            problem = rejected
        except Exception:  # as the door for HTTP: a caller never sees a traceback, and the socket stays open
            log.exception("request %s failed", request_id)
            problem = Rejected("internal")
        if self._room.observer is not None:
            self._room.observer.rejected(problem.code)
        return Answered(frame=_frame(b"error", error_body(problem, request_id), ref))

    async def _decide(self, fields: Mapping[str, Any]) -> bytes:
        endpoint, places = self._endpoint, self._room.places
        request = parse(endpoint.model, to_json(fields, inf_nan_mode="constants"))
        await places.enter(endpoint.kind)
        try:
            answer = await endpoint.answer(**request.__dict__)
        except ServiceError as error:
            rejected = rejected_for(error)
            if rejected is None:
                raise
            raise rejected from None
        finally:
            places.leave(endpoint.kind)
        return answer if isinstance(answer, bytes) else to_json(answer)


def _fields(message: MutableMapping[str, Any], user_id: str, ref: dict[str, str]) -> dict[str, Any]:
    # The body of a prediction; `ref` is given what is to be echoed, also when the rest is wrong.
    text = message.get("text")
    if text is None:
        raise Rejected("unsupported_media_type")
    if len(text) > MAX_BODY_BYTES or len(text.encode()) > MAX_BODY_BYTES:
        raise Rejected("body_too_large")
    try:
        fields = from_json(text)
    except ValueError:
        raise Rejected("malformed_json") from None
    if not isinstance(fields, dict):
        raise Rejected("invalid_field", [{"field": "(body)", "problem": "model_type"}])
    if "client_ref" in fields:
        client_ref = fields.pop("client_ref")
        if not isinstance(client_ref, str) or len(client_ref) > CLIENT_REF_MAX_LENGTH:
            problem = f"must be text of at most {CLIENT_REF_MAX_LENGTH} characters"
            raise Rejected("invalid_field", [{"field": "client_ref", "problem": problem}])
        ref["client_ref"] = client_ref
    if fields.setdefault("user_id", user_id) != user_id:
        raise Rejected("invalid_field", [{"field": "user_id", "problem": "not the one this socket is for"}])
    return fields


def _frame(kind: bytes, body: bytes, ref: Mapping[str, str]) -> bytes:
    # `ref` is {} or one field: its JSON without the braces.
    extra = b"," + to_json(ref)[1:-1] if ref else b""
    if kind == b"error":
        return b'{"type":"error",' + body[1:-1] + extra + b"}"
    return b'{"type":"decision","origin":"request","decision":' + body + extra + b"}"


async def _refuse(scope: Scope, send: Send, rejected: Rejected, request_id: str) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    status, _ = ERRORS[rejected.code]
    body = error_body(rejected, request_id)
    headers = [(b"content-type", b"application/json"), (b"x-error-code", rejected.code.encode())]
    if status == 429:
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
