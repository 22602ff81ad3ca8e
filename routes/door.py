"""The outermost ASGI layer: which part answers a path, limits, JSON, validation."""

import logging
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from routes.answers import Outgoing, closing, send_error, send_json
from routes.asgi import ASGIApp, Receive, Scope, Send
from routes.errors import Rejected, rejected_for
from routes.room import Endpoint, Room, no_sockets
from routes.validation import parse
from trading.errors import ServiceError

MAX_BODY_BYTES = 64 * 1024
# BentoML answers it with 200 for as long as it runs; here it says what /api/v1/ready says.
READYZ = "/readyz"

log = logging.getLogger("rl_service.door")
request_id_var: ContextVar[str] = ContextVar("request_id", default="")


class ClientGone(Exception):
    """The client left before its body was complete."""


class Door:
    """Wraps BentoML's application: answers the JSON routes `ours` itself and passes the paths `passed_on` on to it.

    Everything else is for the room's pages and sockets: BentoML would count each path under a label of its own, for
    ever. A foreign error gets our shape.
    """

    def __init__(self, app: ASGIApp, room: Room, *, ours: frozenset[str], passed_on: frozenset[str]) -> None:
        self._app = app
        self._room = room
        self._ours = ours
        self._passed_on = passed_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        room = self._room
        if scope["type"] == "websocket":
            await (no_sockets if room.draining.is_set() else room.sockets)(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = room.ids.make()
        request_id_var.set(request_id)
        if room.draining.is_set():
            send = closing(send)
        if scope["path"] not in self._ours:
            await self._pass_on(scope, receive, send, request_id)
            return
        try:
            status, body = await self._answer(scope, receive)
        except ClientGone:
            return  # nobody is left to answer, and nothing was wrong with what came
        except Rejected as rejected:
            await send_error(send, rejected, request_id, room.observer)
        except Exception:  # the door is the last place that may catch: a caller never sees a traceback
            log.exception("request %s failed", request_id)
            await send_error(send, Rejected("internal"), request_id, room.observer)
        else:
            await send_json(send, status, body, request_id)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        room = self._room
        outgoing = Outgoing(send, request_id, room.observer)
        try:
            if scope["path"] == READYZ and room.not_ready():
                raise Rejected("not_ready")
            app = self._app if scope["path"] in self._passed_on else room.pages
            await app(scope, receive, outgoing)
        except ClientGone:
            return
        except Rejected as rejected:
            await send_error(send, rejected, request_id, room.observer)
        except ServiceError as error:
            await send_error(send, rejected_for(error) or Rejected("internal"), request_id, room.observer)
        except Exception:  # as in __call__; an answer that has begun is cut off by the server
            log.exception("request %s failed", request_id)
            if not outgoing.begun:
                await send_error(send, Rejected("internal"), request_id, room.observer)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        room = self._room
        key = check_head(scope)
        endpoint = room.endpoints.get(scope["path"])
        if endpoint is None:
            raise Rejected("not_ready")
        if key is not None:
            _check_key(key, endpoint)
        # A place is taken only once the body is here: who sends slowly keeps nobody out.
        body = await read_body(receive)
        await room.places.enter(endpoint.kind)
        try:
            answer = await endpoint.answer(**_fields(endpoint.model, body, key))
        except ServiceError as error:
            rejected = rejected_for(error)
            if rejected is None:
                raise
            raise rejected from None
        finally:
            room.places.leave(endpoint.kind)
        return endpoint.status, answer if isinstance(answer, bytes) else to_json(answer)


def check_head(scope: Scope) -> bytes | None:
    """The idempotency key, where there is one. Raises Rejected for what is no JSON POST of a size that fits."""
    if scope["method"] != "POST":
        raise Rejected("method_not_allowed")
    content_types, keys = [], []
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_types.append(value)
        elif name == b"content-length" and not _fits(value):
            raise Rejected("body_too_large")
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise Rejected("unsupported_media_type")
        elif name == b"idempotency-key":
            keys.append(value)
    if len(content_types) != 1 or _JSON_TYPE.fullmatch(content_types[0]) is None:
        raise Rejected("unsupported_media_type")
    if len(keys) > 1:
        raise _bad_key("more than one")
    return keys[0] if keys else None


def _check_key(key: bytes, endpoint: Endpoint) -> None:
    if KEY_FIELD not in endpoint.model.model_fields:
        # A key that is ignored would promise what nobody keeps.
        raise _bad_key("not supported")
    if _KEY.fullmatch(key) is None:
        raise _bad_key("must be 1 to 255 visible ASCII characters")


def _bad_key(problem: str) -> Rejected:
    return Rejected("invalid_field", [{"field": "Idempotency-Key", "problem": problem}])


KEY_FIELD = "idempotency_key"
_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
_JSON_TYPE = re.compile(rb'application/json *(; *charset=(utf-8|"utf-8"))?', re.IGNORECASE)


def _fits(content_length: bytes) -> bool:
    # Counted before it is read as a number: thousands of digits are more than int() takes.
    digits = content_length.lstrip(b"0")
    return len(digits) <= 6 and content_length.isdigit() and int(digits or b"0") <= MAX_BODY_BYTES


async def read_body(receive: Receive) -> bytes:
    """The body, whole. Raises Rejected for one that is too large, ClientGone."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            raise Rejected("body_too_large")
        if not message.get("more_body"):
            return body


def _fields(model: type[BaseModel], body: bytes, key: bytes | None) -> Mapping[str, Any]:
    fields = parse(model, body).__dict__
    if key is None:
        return fields
    if fields[KEY_FIELD] not in (None, key.decode()):
        raise _bad_key("differs from idempotency_key")
    return {**fields, KEY_FIELD: key.decode()}
