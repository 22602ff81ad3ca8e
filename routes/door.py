"""The outermost ASGI layer: a closed list of paths, limits, JSON, validation, one error shape."""

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from routes.errors import ERRORS, Rejected, error_body
from routes.room import Room
from trading.errors import InvalidField, UnknownSymbol

MAX_BODY_BYTES = 64 * 1024

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("rl_service.door")
request_id_var: ContextVar[str] = ContextVar("request_id", default="")


class ClientGone(Exception):
    """The client left before its body was complete."""


class Door:
    """Wraps BentoML's application: answers the JSON routes `ours` itself and passes the paths `passed_on` on.

    Every other path ends here: BentoML would count each under a label of its own, for ever. A foreign error gets our
    shape.
    """

    def __init__(self, app: ASGIApp, room: Room, *, ours: frozenset[str], passed_on: frozenset[str]) -> None:
        self._app = app
        self._room = room
        self._ours = ours
        self._passed_on = passed_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(16)
        request_id_var.set(request_id)
        if scope["path"] in self._passed_on:
            await self._pass_on(scope, receive, _Outgoing(send, request_id, self._room))
            return
        try:
            if scope["path"] not in self._ours:
                raise Rejected("not_found")
            body = await self._answer(scope, receive)
        except ClientGone:
            return  # nobody is left to answer, and nothing was wrong with what came
        except Rejected as rejected:
            await _send_error(send, rejected, request_id, self._room)
        except Exception:  # the door is the last place that may catch: a caller never sees a traceback
            log.exception("request %s failed", request_id)
            await _send_error(send, Rejected("internal"), request_id, self._room)
        else:
            await _send_json(send, 200, body, request_id)

    async def _pass_on(self, scope: Scope, receive: Receive, outgoing: "_Outgoing") -> None:
        try:
            await self._app(scope, receive, outgoing)
        except Exception:  # as in __call__; an answer that has begun is cut off by the server
            log.exception("request %s failed", outgoing.request_id)
            if not outgoing.begun:
                await _send_error(outgoing.send, Rejected("internal"), outgoing.request_id, self._room)

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        room = self._room
        _check_head(scope)
        endpoint = room.endpoints.get(scope["path"])
        if endpoint is None:
            raise Rejected("not_ready")
        # A place is taken only once the body is here: who sends slowly keeps nobody out.
        request = _parse(endpoint.model, await _read_body(receive))
        if room.busy >= room.max_concurrent:
            raise Rejected("too_many_requests")
        room.busy += 1
        try:
            return to_json(await endpoint.answer(**request.__dict__))
        except UnknownSymbol:
            raise Rejected("unknown_symbol", [{"field": "symbol", "problem": "unknown"}]) from None
        except InvalidField as error:
            raise Rejected("invalid_field", [{"field": error.field, "problem": error.problem}]) from None
        finally:
            room.busy -= 1


def _check_head(scope: Scope) -> None:
    if scope["method"] != "POST":
        raise Rejected("method_not_allowed")
    content_types = []
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_types.append(value)
        elif name == b"content-length" and not _fits(value):
            raise Rejected("body_too_large")
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise Rejected("unsupported_media_type")
        elif name == b"idempotency-key":
            # A key that is ignored would promise what nobody keeps.
            raise Rejected("invalid_field", [{"field": "Idempotency-Key", "problem": "not supported"}])
    if len(content_types) != 1 or _JSON_TYPE.fullmatch(content_types[0]) is None:
        raise Rejected("unsupported_media_type")


def _fits(content_length: bytes) -> bool:
    # Counted before it is read as a number: thousands of digits are more than int() takes.
    digits = content_length.lstrip(b"0")
    return len(digits) <= 6 and content_length.isdigit() and int(digits or b"0") <= MAX_BODY_BYTES


_JSON_TYPE = re.compile(rb'application/json *(; *charset=(utf-8|"utf-8"))?', re.IGNORECASE)


async def _read_body(receive: Receive) -> bytes:
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


def _parse(model: type[BaseModel], body: bytes) -> BaseModel:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        raise Rejected("malformed_json")
    raise Rejected(
        "invalid_field", [{"field": _field_name(item["loc"]), "problem": item["type"]} for item in problems[:20]]
    )


def _field_name(location: tuple[int | str, ...]) -> str:
    # An unknown field's name comes from the caller: long or odd ones are not repeated.
    name = ".".join(str(part) for part in location) or "(body)"
    return name if re.fullmatch(r"[A-Za-z0-9_.()-]{1,96}", name) else "(unprintable)"


async def _send_error(send: Send, rejected: Rejected, request_id: str, room: Room, *, allow: bytes = b"POST") -> None:
    status, _ = ERRORS[rejected.code]
    if room.observer is not None:
        room.observer.rejected(rejected.code)
    extra = [(b"x-error-code", rejected.code.encode())]
    if status in (429, 503):
        extra.append((b"retry-after", b"1"))
    if status == 405:
        extra.append((b"allow", allow))
    if status == 413:
        extra.append((b"connection", b"close"))
    await _send_json(send, status, error_body(rejected, request_id), request_id, extra)


async def _send_json(
    send: Send, status: int, body: bytes, request_id: str, extra: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        *(extra or ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_CODES_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type",
                    422: "invalid_field", 429: "too_many_requests", 503: "not_ready"}  # fmt: skip


class _Outgoing:
    """What the application behind the door sends: a foreign error is replaced by ours, its body swallowed."""

    def __init__(self, send: Send, request_id: str, room: Room) -> None:
        self.send = send
        self.request_id = request_id
        self.begun = False
        self._room = room
        self._replaced = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """One ASGI message."""
        self.begun = True
        if message["type"] == "http.response.start" and message["status"] >= 400:
            headers = {name.lower(): value for name, value in message.get("headers", ())}
            if b"x-error-code" not in headers:
                self._replaced = True
                default = "malformed_json" if message["status"] < 500 else "internal"
                code = _CODES_BY_STATUS.get(message["status"], default)
                allow = headers.get(b"allow", b"")
                await _send_error(self.send, Rejected(code), self.request_id, self._room, allow=allow)
                return
        if not self._replaced:
            await self.send(message)
