"""The outermost ASGI layer (limits, JSON, one error shape) and every route that is no BentoML API method."""

import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from schemas import ErrorBody, ErrorResponse, iso_time
from trading.errors import InvalidField, UnknownSymbol

MAX_BODY_BYTES = 64 * 1024

# Every error code of the wire, its status and its one message. A closed list: docs/errors.md is tested against it.
ERRORS: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON."),
    "unknown_symbol": (404, "No such symbol in this market."),
    "not_found": (404, "No such route."),
    "method_not_allowed": (405, "This route does not take this method."),
    "body_too_large": (413, "The body is larger than 64 KB."),
    "unsupported_media_type": (415, "The body must be application/json, not compressed."),
    "invalid_field": (422, "A field is missing, unknown or outside its range."),
    "too_many_requests": (429, "Too many requests at once."),
    "internal": (500, "An error of ours; it is logged under the request id."),
    "not_ready": (503, "Not ready to answer."),
}

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("rl_service.door")
request_id_var: ContextVar[str] = ContextVar("request_id", default="")


class Observer(Protocol):
    """Counts the errors the door answers with."""

    def rejected(self, code: str) -> None:
        """One request was answered with this code."""

    def exposition(self) -> bytes:
        """Prometheus' text format over all workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A JSON POST route: the model of its body and the API method that answers it."""

    model: type[BaseModel]
    answer: Callable[..., Awaitable[Mapping[str, Any]]]


Reports: TypeAlias = Mapping[str, Callable[[], object]]


class Room:
    """What stands behind the door: empty until the service has opened it, and again once it is closed."""

    endpoints: Mapping[str, Endpoint]
    reports: Reports
    not_ready: Callable[[], list[str]]
    observer: Observer | None

    def __init__(self, *, max_concurrent: int) -> None:
        self.max_concurrent = max_concurrent
        self.busy = 0
        self.close()

    def open(
        self,
        *,
        endpoints: Mapping[str, Endpoint],
        reports: Reports,
        not_ready: Callable[[], list[str]],
        observer: Observer,
    ) -> None:
        """Let requests in: JSON routes, parts of the status, what is waited for, and who counts errors."""
        self.endpoints = endpoints
        self.reports = reports
        self.not_ready = not_ready
        self.observer = observer

    def close(self) -> None:
        """Let nobody in."""
        self.endpoints = {}
        self.reports = {}
        self.not_ready = lambda: ["service"]
        self.observer = None


class Rejected(Exception):
    """A request that ends with an error of the closed list."""

    def __init__(self, code: str, details: list[dict[str, str]] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


class Door:
    """Wraps BentoML's application: answers JSON routes itself, gives every foreign error our shape."""

    def __init__(self, app: ASGIApp, room: Room, paths: frozenset[str]) -> None:
        self._app = app
        self._room = room
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(16)
        request_id_var.set(request_id)
        if scope["path"] not in self._paths:
            await self._pass_on(scope, receive, _Outgoing(send, request_id, self._room))
            return
        try:
            body = await self._answer(scope, receive)
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
    content_type = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length" and (not value.isdigit() or int(value) > MAX_BODY_BYTES):
            raise Rejected("body_too_large")
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise Rejected("unsupported_media_type")
        elif name == b"idempotency-key":
            # A key that is ignored would promise what nobody keeps.
            raise Rejected("invalid_field", [{"field": "Idempotency-Key", "problem": "not supported"}])
    if content_type != b"application/json" and not _is_json(content_type):
        raise Rejected("unsupported_media_type")


def _is_json(content_type: bytes) -> bool:
    kind, _, parameters = content_type.lower().partition(b";")
    return kind.strip() == b"application/json" and parameters.strip().replace(b'"', b"") in (b"", b"charset=utf-8")


async def _read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Rejected("malformed_json")
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


def error_body(rejected: Rejected, request_id: str) -> bytes:
    """The one error shape, as JSON."""
    _, message = ERRORS[rejected.code]
    body = ErrorBody(code=rejected.code, message=message, details=rejected.details, request_id=request_id)
    return ErrorResponse(error=body).model_dump_json(exclude_none=True).encode()


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


def build_app(room: Room) -> Starlette:
    """The GET routes: health, readiness, status and metrics."""

    async def health(_: Request) -> Response:
        missing = room.not_ready()
        state = "degraded" if missing else "healthy"
        return JSONResponse({"status": state, "waiting_for": missing, "timestamp": iso_time(time.time())})

    async def ready(_: Request) -> Response:
        missing = room.not_ready()
        if not missing:
            return JSONResponse({"ready": True, "waiting_for": []})
        rejected = Rejected("not_ready", [{"field": "(service)", "problem": reason} for reason in missing])
        request_id = request_id_var.get()
        headers = {"x-error-code": rejected.code, "x-request-id": request_id, "retry-after": "1"}
        body = error_body(rejected, request_id)
        return Response(body, 503, headers, media_type="application/json")

    async def status(_: Request) -> Response:
        return JSONResponse({name: report() for name, report in room.reports.items()})

    async def metrics(_: Request) -> Response:
        text = b"" if room.observer is None else room.observer.exposition()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    table = {
        "/api/v1/health": health,
        "/api/v1/ready": ready,
        "/api/v1/status": status,
        "/api/v1/metrics/prometheus": metrics,
    }
    return Starlette(routes=[Route(path, call, methods=["GET"]) for path, call in table.items()], lifespan=lifespan)
