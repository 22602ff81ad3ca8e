"""What stands behind the door, and how many may be inside."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from pydantic import BaseModel

from routes.asgi import ASGIApp, Receive, Scope, Send
from routes.errors import Rejected
from routes.ids import RequestIds
from routes.places import Places
from routes.shares import RouteClass, Shares


class Observer(Protocol):
    """Counts the errors the door answers with."""

    def rejected(self, code: str) -> None:
        """One request was answered with this code."""

    def exposition(self) -> bytes:
        """Prometheus' text format over all workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A JSON POST route: the model of its body and the API method that answers it, in words or as JSON already."""

    model: type[BaseModel]
    answer: Callable[..., Awaitable[Mapping[str, Any] | bytes]]
    kind: RouteClass
    status: int = 200


Reports: TypeAlias = Mapping[str, Callable[[], object]]


class Room:
    """What stands behind the door: empty until the service has opened it, and again once it is closed.

    `pages` answers every route that is not in `endpoints`, `sockets` every WebSocket. `draining` is set for good once
    the process is to end: whoever makes a caller wait ends that wait then.
    """

    endpoints: Mapping[str, Endpoint]
    reports: Reports
    impaired: Callable[[], list[str]]
    observer: Observer | None
    pages: ASGIApp
    sockets: ASGIApp

    def __init__(self, *, max_concurrent: int) -> None:
        self.places = Places(Shares(max_concurrent))
        self.ids = RequestIds()
        self.draining = asyncio.Event()
        self.close()

    def open(
        self,
        *,
        endpoints: Mapping[str, Endpoint],
        reports: Reports,
        not_ready: Callable[[], list[str]],
        impaired: Callable[[], list[str]] = list,
        observer: Observer,
        pages: ASGIApp | None = None,
        sockets: ASGIApp | None = None,
    ) -> None:
        """Let requests in: JSON routes, parts of the status, what is waited for or impaired, other routes."""
        self.endpoints = endpoints
        self.reports = reports
        self._not_ready = not_ready
        self.impaired = impaired
        self.observer = observer
        self.pages = pages or no_pages
        self.sockets = sockets or no_sockets

    def close(self) -> None:
        """Let nobody in."""
        self.endpoints = {}
        self.reports = {}
        self._not_ready = lambda: ["service"]
        self.impaired = list
        self.observer = None
        self.pages = no_pages
        self.sockets = no_sockets

    def drain(self) -> None:
        """Say that this worker is about to end; who is inside, or comes meanwhile, is served."""
        self.draining.set()

    def not_ready(self) -> list[str]:
        """What is waited for, as words of the wire; empty when requests are welcome."""
        return [*(["draining"] if self.draining.is_set() else []), *self._not_ready()]


async def no_pages(scope: Scope, receive: Receive, send: Send) -> None:
    """The routes of a closed room."""
    raise Rejected("not_ready")


async def no_sockets(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse the handshake: the client sees a 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1013})
