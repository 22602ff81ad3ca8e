"""How does a fault show on the connection?"""

import asyncio
import json
import socket
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from decimal import Decimal
from email.utils import formatdate
from typing import Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.fakes.stack.answers import nginx_html, object_error, string_error
from tests.fakes.stack.book import Transmission
from tests.fakes.stack.faults import Fault, FaultKind
from tests.fakes.stack.state import Call, State

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# The routes that place orders, of every version.
ORDER_ROUTES = frozenset(
    {
        "POST /api/v1/brokers/orders",
        "POST /api/v1/trading/place-order",
        "POST /api/v1/trading/orders",
        "POST /api/v1/trading/manual/order",
    }
)
# SO_LINGER on, for no time: closing sends RST in place of FIN.
AT_ONCE = struct.pack("ii", 1, 0)


class Connection(HttpToolsProtocol):
    """Lets the application at its transport."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


def reset(transport: asyncio.Transport) -> None:
    """End a connection with RST; what was written and not sent is lost."""
    end = transport.get_extra_info("socket")
    if end is not None and not transport.is_closing():
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    transport.abort()


class Wire:
    """Between the connection and a service: takes note of every request and does to it what the faults say."""

    def __init__(self, app: App, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _whole(receive)
        if body is None:
            return  # it left before all of it had arrived
        call = _call(scope)
        self._state.arrived(call)
        route = f"{call.method} {call.path}"
        transmission = self._state.book.transmitted(route, _read(body)) if route in ORDER_ROUTES else None
        # A frozen process finds what came meanwhile in its buffers, and works on it although nobody waits any more.
        await self._state.thawed.wait()
        fault = self._state.faults.of(call.method, call.path)
        answer = await self._work(scope, body, fault, transmission)
        note = call if transmission is None else transmission
        for each in {id(call): call, id(note): note}.values():
            each.fault = fault.kind if fault else None
            each.status = answer.status_code if answer else None
        await self._deliver(fault, answer, scope, receive, send)

    async def _work(
        self, scope: Message, body: bytes, fault: Fault | None, transmission: Transmission | None
    ) -> Response | None:
        if fault is not None and not fault.kind.accepts:
            return None
        answer = await self._ask(scope, body, transmission)
        if fault is not None and fault.kind is FaultKind.DUPLICATE:
            again = None if transmission is None else self._state.book.transmitted(transmission.route, _read(body))
            await self._ask(scope, body, again)
            if again is not None:
                again.fault = fault.kind
        return answer

    async def _ask(self, scope: Message, body: bytes, transmission: Transmission | None) -> Response:
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        sent: list[Message] = []

        async def receive() -> Message:
            return next(messages, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            sent.append(message)

        inner = dict(scope) | {"state": {"transmission": transmission}}
        await self._app(inner, receive, send)
        answer = Response(b"".join(message.get("body", b"") for message in sent[1:]), sent[0]["status"])
        answer.raw_headers = list(sent[0]["headers"])
        return answer

    async def _deliver(
        self, fault: Fault | None, answer: Response | None, scope: Message, receive: Receive, send: Send
    ) -> None:
        kind = None if fault is None else fault.kind
        if kind in (FaultKind.ACCEPT_THEN_RESET, FaultKind.RESET_BEFORE_ACCEPT):
            reset(scope["state"]["transport"])
            await receive()  # returns when the connection is lost
            return
        if kind in (FaultKind.ACCEPT_THEN_HANG, FaultKind.HANG_BEFORE_ACCEPT):
            await receive()  # returns when the client has gone
            return
        if kind in (FaultKind.ACCEPT_THEN_HTML_502, FaultKind.HTML_502):
            answer = nginx_html(502, "Bad Gateway")
        elif kind in (FaultKind.ACCEPT_THEN_500, FaultKind.ERROR_500):
            answer = self._broken()
        elif fault is not None and kind is FaultKind.SLOW:
            with suppress(TimeoutError):
                async with asyncio.timeout(fault.delay_s):
                    await receive()  # returns when the client has gone
                    return
        assert answer is not None
        # As every one of the servers does, by its machine's clock.
        answer.headers["date"] = formatdate(self._state.candles.now_s(), usegmt=True)
        await answer(scope, receive, send)

    def _broken(self) -> Response:
        if self._state.version in ("v1", "v1m"):
            return object_error(500, "INTERNAL_ERROR", "Internal server error")
        return string_error(500, "Internal server error")


async def _whole(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _call(scope: Message) -> Call:
    token = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    return Call(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode(),
        at_s=time.time(),
        at_monotonic_s=time.monotonic(),
        authorization=None if token is None else "bearer" if token.lower().startswith(b"bearer ") else "bare",
    )


def _read(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal)
    except ValueError:
        return None
